"""Conditions and ranges of a request for bytes that never change (RFC 9110, sections 13 and 14)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

_ONE_RANGE = re.compile(r"bytes=\s*(?:([0-9]{1,18})-([0-9]{1,18})?|-([0-9]{1,18}))\s*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Span:
    """Which bytes to send, and with which status."""

    status: int
    start: int = 0
    end: int = 0

    @property
    def size_bytes(self) -> int:
        """How many they are."""
        return self.end - self.start


def span_of(method: str, headers: Mapping[str, str], etag: str, size_bytes: int) -> Span:
    """What to answer about bytes of this size under this strong tag (with its quotes).

    200 the whole, 206 a part, 304 the client has them, 412 it wants others, 416 no such part. As at S3, a
    range that cannot be read and several ranges at once mean the whole; HEAD tells of the whole.
    """
    if "if-match" in headers and not _listed(headers["if-match"], etag, weak=False):
        return Span(412)
    if "if-none-match" in headers and _listed(headers["if-none-match"], etag, weak=True):
        return Span(304)
    whole = Span(200, 0, size_bytes)
    asked = _ONE_RANGE.fullmatch(headers.get("range", ""))
    # A date never holds: bytes that never change have no date worth comparing.
    if method != "GET" or asked is None or headers.get("if-range", etag).strip() != etag:
        return whole
    first, last, suffix = asked.groups()
    if suffix is not None:
        start, end = max(0, size_bytes - int(suffix)), size_bytes
    else:
        start, end = int(first), size_bytes if last is None else min(int(last) + 1, size_bytes)
        if last is not None and int(last) < start:
            return whole
    return Span(206, start, end) if start < end else Span(416)


def _listed(condition: str, etag: str, *, weak: bool) -> bool:
    tags = [tag.strip() for tag in condition.split(",")]
    if weak:
        tags = [tag.removeprefix("W/") for tag in tags]
    return "*" in tags or etag in tags
