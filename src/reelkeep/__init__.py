"""Reelkeep: the recording backend for apps that listen."""

from importlib.metadata import version

__version__ = version("reelkeep")
