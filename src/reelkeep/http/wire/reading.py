"""Reads objects: GET and HEAD with ranges, conditions and overridden headers."""

import re
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime

from reelkeep.http.wire.exchange import Exchange, send_pieces
from reelkeep.stores.local import LocalStore
from reelkeep.stores.protocol import ObjectFacts
from reelkeep.stores.refusals import S3Refusal

_RANGE = re.compile(r"bytes=(?:(\d{1,18})-(\d{1,18})?|-(\d{1,18}))")
_OVERRIDES = {
    "response-cache-control": "cache-control",
    "response-content-disposition": "content-disposition",
    "response-content-encoding": "content-encoding",
    "response-content-language": "content-language",
    "response-content-type": "content-type",
    "response-expires": "expires",
}


async def get_object(exchange: Exchange, store: LocalStore, key: str) -> None:
    """Answer a GET or HEAD whose signature is right."""
    async with store.reader(key) as reader:
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
        headers["content-length"] = str(end - start)
        await exchange.start(200 if span is None else 206, headers)
        if exchange.method == "HEAD":
            await exchange.send(b"", more=False)
        else:
            await send_pieces(exchange, reader.pieces(start, end))


def _headers(exchange: Exchange, facts: ObjectFacts) -> dict[str, str]:
    headers = {
        "content-type": facts.content_type or "binary/octet-stream",
        "etag": f'"{facts.etag}"',
        "last-modified": format_datetime(facts.modified_at.astimezone(UTC), usegmt=True),
        "accept-ranges": "bytes",
    }
    for name, value in exchange.query:
        if name in _OVERRIDES:
            if not value.isprintable():
                raise S3Refusal("InvalidArgument", f"{name} may not hold control characters.")
            headers[_OVERRIDES[name]] = value
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
    if asked is None or (condition is not None and not _matches(condition, facts.etag)):
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
