"""What tools ask of a bucket and of the service: listings, where it lies, whether it is there."""

import base64
import binascii
from datetime import UTC, datetime
from urllib.parse import quote

from reelkeep.http.wire.checks import number_of
from reelkeep.http.wire.documents import Element, document, moment
from reelkeep.http.wire.exchange import Exchange
from reelkeep.http.wire.request import WireRequest
from reelkeep.stores.local import WIRE_REGION
from reelkeep.stores.local_walk import PAST, Within
from reelkeep.stores.protocol import ObjectFacts
from reelkeep.stores.refusals import S3Refusal

PAGE_MAX = 1000
_UNKNOWN = datetime(1970, 1, 1, tzinfo=UTC)


async def list_objects(request: WireRequest) -> None:
    """ListObjectsV2."""
    exchange, asked = request.exchange, request.asked
    if asked("list-type") != "2":
        raise S3Refusal("InvalidArgument", "list-type must be 2.", ArgumentName="list-type")
    encoding = asked("encoding-type")
    if encoding not in (None, "url"):
        raise S3Refusal("InvalidArgument", "Invalid Encoding Method specified in Request")
    token, prefix, delimiter = asked("continuation-token"), asked("prefix") or "", asked("delimiter") or ""
    after = _read_token(token) if token is not None else asked("start-after") or ""
    most = number_of(exchange, "max-keys", PAGE_MAX, PAGE_MAX)
    found = await request.store.page_of(Within(prefix, after, delimiter), most + 1) if most else []
    page = found[:most]
    told: list[Element] = [
        ("Name", exchange.bucket),
        ("Prefix", _told(prefix, encoding)),
        ("Delimiter", _told(delimiter, encoding) or None),
        ("StartAfter", _told(asked("start-after") or "", encoding) or None),
        ("EncodingType", encoding),
        ("MaxKeys", most),
        ("KeyCount", len(page)),
        ("IsTruncated", len(found) > len(page)),
        ("ContinuationToken", token),
        ("NextContinuationToken", _token(page[-1]) if len(found) > len(page) else None),
        *(("Contents", _contents(facts)) for facts in page if isinstance(facts, ObjectFacts)),
        *(("CommonPrefixes", _prefix(text, encoding)) for text in page if isinstance(text, str)),
    ]
    await exchange.answer_xml(document("ListBucketResult", told))


async def tell_location(request: WireRequest) -> None:
    """GetBucketLocation: for the wire's region S3 says nothing."""
    await request.exchange.answer_xml(document("LocationConstraint", []))


async def head_bucket(request: WireRequest) -> None:
    """HeadBucket."""
    await request.exchange.answer(200, {"x-amz-bucket-region": WIRE_REGION})


async def list_buckets(exchange: Exchange, buckets: list[str]) -> None:
    """ListBuckets: the stores that an access key opens."""
    # S3's clients insist on a date; when a folder became a store nobody has written down.
    entries: list[Element] = [
        ("Bucket", [("Name", bucket), ("CreationDate", moment(_UNKNOWN))]) for bucket in sorted(buckets)
    ]
    owner: list[Element] = [("ID", "reelkeep"), ("DisplayName", "reelkeep")]
    await exchange.answer_xml(document("ListAllMyBucketsResult", [("Owner", owner), ("Buckets", entries)]))


def _token(last: ObjectFacts | str) -> str:
    """Where the next page goes on: after an object, or past all that a common prefix stands for."""
    after = last + PAST if isinstance(last, str) else last.key
    return base64.urlsafe_b64encode(after.encode()).decode()


def _read_token(token: str) -> str:
    try:
        return base64.b64decode(token.encode(), b"-_", validate=True).decode()
    except (binascii.Error, ValueError) as error:
        raise S3Refusal("InvalidArgument", "The continuation token provided is incorrect") from error


def _contents(facts: ObjectFacts) -> list[Element]:
    return [
        ("Key", facts.key),  # of characters that no encoding changes
        ("LastModified", moment(facts.modified_at)),
        ("ETag", f'"{facts.etag}"'),
        ("Size", facts.size_bytes),
        ("StorageClass", "STANDARD"),
    ]


def _prefix(text: str, encoding: str | None) -> list[Element]:
    return [("Prefix", _told(text, encoding))]


def _told(text: str, encoding: str | None) -> str:
    return quote(text, safe="/-._~") if encoding else text
