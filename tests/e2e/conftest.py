"""What the browser tests share."""

from tests.fixtures.browser import chromium

__all__ = ["chromium"]
