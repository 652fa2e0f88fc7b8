"""What tools ask of a bucket and of the service: listings, where it lies, whether it is there."""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote

from reelkeep.http.wire.checks import number_of, read_document
from reelkeep.http.wire.documents import Element, document, moment
from reelkeep.http.wire.exchange import Exchange
from reelkeep.http.wire.request import WireRequest
from reelkeep.stores.local import WIRE_REGION
from reelkeep.stores.local_walk import PAST, Within
from reelkeep.stores.protocol import ObjectFacts
from reelkeep.stores.refusals import S3Refusal

PAGE_MAX = 1000
_CONFIGURATION_BYTES_MAX = 64 * 1024
_UNKNOWN = datetime(1970, 1, 1, tzinfo=UTC)
_OWNER: list[Element] = [("ID", "reelkeep"), ("DisplayName", "reelkeep")]


@dataclass(frozen=True, slots=True)
class _Page:
    """A part of a listing: facts of objects, and common prefixes as texts."""

    entries: list[ObjectFacts | str]
    #: There is more.
    truncated: bool
    within: Within
    encoding: str | None
    entries_max: int

    def told(self, bucket: str, of_each: Sequence[Element] = ()) -> list[Element]:
        """What both versions of a listing say; `of_each` is said of every object."""
        return [
            ("Name", bucket),
            ("Prefix", _told(self.within.prefix, self.encoding)),
            ("Delimiter", _told(self.within.delimiter, self.encoding) or None),
            ("EncodingType", self.encoding),
            ("MaxKeys", self.entries_max),
            ("IsTruncated", self.truncated),
            *(self._entry(entry, of_each) for entry in self.entries),
        ]

    def _entry(self, entry: ObjectFacts | str, of_each: Sequence[Element]) -> Element:
        if isinstance(entry, str):
            return ("CommonPrefixes", [("Prefix", _told(entry, self.encoding))])
        return ("Contents", [*_contents(entry), *of_each])


async def list_objects(request: WireRequest) -> None:
    """ListObjectsV2."""
    exchange, asked = request.exchange, request.asked
    if asked("list-type") != "2":
        raise S3Refusal("InvalidArgument", "list-type must be 2.", ArgumentName="list-type")
    token = asked("continuation-token")
    page = await _page(request, _read_token(token) if token is not None else asked("start-after") or "")
    told: list[Element] = [
        ("StartAfter", _told(asked("start-after") or "", page.encoding) or None),
        ("KeyCount", len(page.entries)),
        ("ContinuationToken", token),
        ("NextContinuationToken", _token(page.entries[-1]) if page.truncated else None),
    ]
    await exchange.answer_xml(document("ListBucketResult", [*told, *page.told(exchange.bucket)]))


async def list_objects_v1(request: WireRequest) -> None:
    """ListObjects, the first version; some tools know no other."""
    exchange, marker = request.exchange, request.asked("marker") or ""
    delimiter = request.asked("delimiter")
    # A page that ended in a common prefix is followed by what comes after all that it stands for.
    past = marker + PAST if delimiter and marker.endswith(delimiter) else marker
    page = await _page(request, past)
    last = _name_of(page.entries[-1]) if page.truncated else None
    told: list[Element] = [
        ("Marker", _told(marker, page.encoding)),
        ("NextMarker", _told(last, page.encoding) if last and delimiter else None),
    ]
    owned = page.told(exchange.bucket, [("Owner", _OWNER)])
    await exchange.answer_xml(document("ListBucketResult", [*told, *owned]))


async def tell_location(request: WireRequest) -> None:
    """GetBucketLocation: for the wire's region S3 says nothing."""
    await request.exchange.answer_xml(document("LocationConstraint", []))


async def tell_versioning(request: WireRequest) -> None:
    """GetBucketVersioning: a bucket that never kept versions says nothing."""
    await request.exchange.answer_xml(document("VersioningConfiguration", []))


async def keep_bucket(request: WireRequest) -> None:
    """CreateBucket of a store that is there: as in S3's first region, its owner is told that it is so."""
    await read_document(request.exchange, _CONFIGURATION_BYTES_MAX)
    await request.exchange.answer(200, {"location": f"/{request.exchange.bucket}"})


async def head_bucket(request: WireRequest) -> None:
    """HeadBucket."""
    await request.exchange.answer(200, {"x-amz-bucket-region": WIRE_REGION})


async def list_buckets(exchange: Exchange, buckets: list[str]) -> None:
    """ListBuckets: the stores that an access key opens."""
    # S3's clients insist on a date; when a folder became a store nobody has written down.
    entries: list[Element] = [
        ("Bucket", [("Name", bucket), ("CreationDate", moment(_UNKNOWN))]) for bucket in sorted(buckets)
    ]
    await exchange.answer_xml(document("ListAllMyBucketsResult", [("Owner", _OWNER), ("Buckets", entries)]))


async def _page(request: WireRequest, after: str) -> "_Page":
    asked = request.asked
    encoding, prefix, delimiter = asked("encoding-type"), asked("prefix") or "", asked("delimiter") or ""
    if encoding not in (None, "url"):
        raise S3Refusal("InvalidArgument", "Invalid Encoding Method specified in Request")
    within = Within(prefix, after, delimiter)
    most = number_of(request.exchange, "max-keys", PAGE_MAX, PAGE_MAX)
    found = await request.store.page_of(within, most + 1) if most else []
    return _Page(found[:most], len(found) > most, within, encoding, most)


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


def _name_of(entry: ObjectFacts | str) -> str:
    return entry if isinstance(entry, str) else entry.key


def _told(text: str, encoding: str | None) -> str:
    return quote(text, safe="/-._~") if encoding else text
