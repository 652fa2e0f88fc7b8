"""Reads objects: GET and HEAD with ranges, conditions and overridden headers."""

import base64
import re
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime

from reelkeep.http.wire.exchange import Exchange, send_pieces
from reelkeep.http.wire.metadata import headers_of
from reelkeep.http.wire.request import Acceleration, WireRequest
from reelkeep.stores.metadata import others_in
from reelkeep.stores.protocol import ObjectFacts
from reelkeep.stores.refusals import S3Refusal

_RANGE = re.compile(r"bytes=(?:(\d{1,18})-(\d{1,18})?|-(\d{1,18}))")
_HEADERS_OF = {
    "response-cache-control": "cache-control",
    "response-content-disposition": "content-disposition",
    "response-content-encoding": "content-encoding",
    "response-content-language": "content-language",
    "response-content-type": "content-type",
    "response-expires": "expires",
}
#: What a query may set of the answer's headers.
OVERRIDES = frozenset(_HEADERS_OF)
#: A server in front would hold these against its own idea of the file.
_CONDITIONS = ("if-match", "if-none-match", "if-modified-since", "if-unmodified-since", "if-range")


async def get_object(request: WireRequest) -> None:
    """GetObject and HeadObject."""
    exchange = request.exchange
    acceleration = request.acceleration
    if acceleration is not None and _may_be_handed_on(exchange) and await _hand_on(request, acceleration):
        return
    async with request.store.reader(request.key) as reader:
        facts = reader.facts
        headers = _headers(exchange, facts)
        if _unchanged(exchange, facts):
            await exchange.answer(304, headers)
            return
        start, end = 0, facts.size_bytes
        span = _range(exchange, facts)
        if span is not None:
            start, end = span
            headers["content-range"] = f"bytes {start}-{end - 1}/{facts.size_bytes}"
        elif facts.sha256 is not None and exchange.headers.get("x-amz-checksum-mode") == "ENABLED":
            headers["x-amz-checksum-sha256"] = base64.b64encode(bytes.fromhex(facts.sha256)).decode()
        headers["content-length"] = str(end - start)
        await exchange.start(200 if span is None else 206, headers)
        if exchange.method == "HEAD":
            await exchange.send(b"", more=False)
        elif exchange.sends_files and end > start:
            await exchange.send_file(reader.descriptor, start, end)
        else:
            await send_pieces(exchange, reader.pieces(start, end))


def _may_be_handed_on(exchange: Exchange) -> bool:
    """Whether a server in front would answer as we do: conditions and several ranges are ours."""
    if exchange.method != "GET" or any(name in exchange.headers for name in _CONDITIONS):
        return False
    asked = exchange.headers.get("range")
    return asked is None or _RANGE.fullmatch(asked.strip()) is not None


async def _hand_on(request: WireRequest, acceleration: Acceleration) -> bool:
    """Let the server in front send the file, ranges included; False where it cannot.

    It may not reach the file, and it drops headers that it does not know.
    """
    facts, path = await request.store.file_of(request.key)
    if not acceleration.reaches(path) or others_in(facts.metadata):
        return False
    # One that cannot be met is refused in S3's words.
    start, end = _range(request.exchange, facts) or (0, facts.size_bytes)
    request.exchange.bytes_out += end - start
    headers = _headers(request.exchange, facts)
    await request.exchange.answer(200, {**headers, acceleration.header: acceleration.value_for(path)})
    return True


def _headers(exchange: Exchange, facts: ObjectFacts) -> dict[str, str]:
    headers = {
        "content-type": facts.content_type or "binary/octet-stream",
        "etag": f'"{facts.etag}"',
        "last-modified": format_datetime(facts.modified_at.astimezone(UTC), usegmt=True),
        "accept-ranges": "bytes",
        **headers_of(facts),
    }
    for name, value in exchange.query:
        if name in _HEADERS_OF:
            if not value.isprintable():
                raise S3Refusal("InvalidArgument", f"{name} may not hold control characters.")
            headers[_HEADERS_OF[name]] = value
    return headers


def _unchanged(exchange: Exchange, facts: ObjectFacts) -> bool:
    """Whether the client has these bytes already; refuses when it wants others (RFC 9110, section 13.2.2)."""
    given = exchange.headers
    modified = facts.modified_at.replace(microsecond=0)
    if "if-match" in given:
        failed = not _matches(given["if-match"], facts.etag)
    else:
        since = _date(given.get("if-unmodified-since"))
        failed = since is not None and modified > since
    if failed:
        raise S3Refusal("PreconditionFailed", "At least one of the pre-conditions you specified did not hold")
    if "if-none-match" in given:
        return _matches(given["if-none-match"], facts.etag)
    since = _date(given.get("if-modified-since"))
    return since is not None and modified <= since


def _range(exchange: Exchange, facts: ObjectFacts) -> tuple[int, int] | None:
    """The part asked for; like S3, several ranges or one that cannot be read mean the whole object."""
    asked = _RANGE.fullmatch(exchange.headers.get("range", "").strip())
    condition = exchange.headers.get("if-range")
    # A weak tag, a date: neither proves that the rest is of the same bytes (RFC 9110, section 13.1.5).
    if asked is None or (condition is not None and condition.strip().strip('"') != facts.etag):
        return None
    first, last, suffix = asked.groups()
    size = facts.size_bytes
    if suffix is not None:
        start, end = max(0, size - int(suffix)), size
    else:
        start, end = int(first), size if last is None else min(int(last) + 1, size)
        if last is not None and int(last) < start:
            return None
    if start >= end:
        raise S3Refusal(
            "InvalidRange",
            "The requested range is not satisfiable",
            RangeRequested=exchange.headers["range"],
            ActualObjectSize=str(size),
        )
    return start, end


def _matches(condition: str, etag: str) -> bool:
    tags = [tag.strip().removeprefix("W/").strip('"') for tag in condition.split(",")]
    return "*" in tags or etag in tags


def _date(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
