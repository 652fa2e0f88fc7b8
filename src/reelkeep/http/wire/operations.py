"""What the wire speaks: each of S3's operations, how its request is told, and what it may carry."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from reelkeep.http.wire.checks import CHECKSUMS, METADATA
from reelkeep.http.wire.copying import IF_MATCH, RANGE, SOURCE, copy_object, copy_part
from reelkeep.http.wire.deleting import delete_object, delete_objects
from reelkeep.http.wire.exchange import Exchange
from reelkeep.http.wire.listing import (
    head_bucket,
    keep_bucket,
    list_objects,
    list_objects_v1,
    tell_location,
    tell_versioning,
)
from reelkeep.http.wire.parts import (
    abort_upload,
    complete_upload,
    create_upload,
    list_parts,
    list_uploads,
    put_part,
)
from reelkeep.http.wire.reading import OVERRIDES, get_object
from reelkeep.http.wire.request import WireRequest
from reelkeep.http.wire.writing import put_object
from reelkeep.stores.refusals import S3Refusal
from reelkeep.stores.traffic import ActionClass

OBJECT, BUCKET = "object", "bucket"
PART_COPY = "part copy"
#: What in a query makes a request another operation; so does the header that names what is copied.
MARKS = ("uploadId", "uploads", "list-type", "location", "versioning", "delete")
#: The methods of each resource, signed or not; the POST of a form to the bucket is apart.
METHODS = {OBJECT: ("GET", "HEAD", "PUT", "POST", "DELETE"), BUCKET: ("GET", "HEAD", "PUT", "POST")}


@dataclass(frozen=True, slots=True)
class Operation:
    """One of S3's operations."""

    answer: Callable[[WireRequest], Awaitable[None]]
    #: Read-only keys may not, and nobody may where sealed bytes lie.
    changes: bool = False
    #: Parameters and headers that it answers to, beside the signature's, in lower case.
    spoken: frozenset[str] = frozenset()


_LISTING = frozenset({"encoding-type", "prefix"})
_OBJECTS = _LISTING | {"delimiter", "max-keys"}
_READING = OVERRIDES | {"x-amz-checksum-mode"}
_PART = frozenset({"uploadid"})

OPERATIONS = {
    ("GET", OBJECT, ""): Operation(get_object, spoken=_READING),
    ("HEAD", OBJECT, ""): Operation(get_object, spoken=_READING),
    ("PUT", OBJECT, ""): Operation(put_object, changes=True, spoken=CHECKSUMS | {METADATA}),
    ("PUT", OBJECT, SOURCE): Operation(
        copy_object, changes=True, spoken=frozenset({SOURCE, IF_MATCH, METADATA, "x-amz-metadata-directive"})
    ),
    ("DELETE", OBJECT, ""): Operation(delete_object, changes=True),
    ("POST", OBJECT, "uploads"): Operation(
        create_upload, changes=True, spoken=frozenset({METADATA, "uploads", "x-amz-checksum-algorithm"})
    ),
    ("PUT", OBJECT, "uploadId"): Operation(put_part, changes=True, spoken=_PART | CHECKSUMS | {"partnumber"}),
    ("PUT", OBJECT, PART_COPY): Operation(
        copy_part, changes=True, spoken=_PART | {"partnumber", SOURCE, IF_MATCH, RANGE}
    ),
    ("GET", OBJECT, "uploadId"): Operation(list_parts, spoken=_PART | {"max-parts", "part-number-marker"}),
    ("POST", OBJECT, "uploadId"): Operation(complete_upload, changes=True, spoken=_PART),
    ("DELETE", OBJECT, "uploadId"): Operation(abort_upload, changes=True, spoken=_PART),
    ("HEAD", BUCKET, ""): Operation(head_bucket),
    ("PUT", BUCKET, ""): Operation(keep_bucket, changes=True),
    ("GET", BUCKET, "versioning"): Operation(tell_versioning, spoken=frozenset({"versioning"})),
    ("GET", BUCKET, "location"): Operation(tell_location, spoken=frozenset({"location"})),
    ("GET", BUCKET, ""): Operation(list_objects_v1, spoken=_OBJECTS | {"marker"}),
    ("GET", BUCKET, "list-type"): Operation(
        list_objects, spoken=_OBJECTS | {"list-type", "continuation-token", "start-after", "fetch-owner"}
    ),
    ("POST", BUCKET, "delete"): Operation(delete_objects, changes=True, spoken=CHECKSUMS | {"delete"}),
    ("GET", BUCKET, "uploads"): Operation(
        list_uploads,
        spoken=_LISTING | {"uploads", "key-marker", "upload-id-marker", "max-uploads"},
    ),
}


async def _answer_unknown(request: WireRequest) -> None:
    method = request.exchange.method
    raise S3Refusal("NotImplemented", f"This {method} implies functionality that is not implemented.")


UNKNOWN = Operation(_answer_unknown, changes=True)


def operation_of(exchange: Exchange) -> Operation:
    """The operation that a request asks for; `MethodNotAllowed` when it can be none at all."""
    resource = BUCKET if exchange.key is None else OBJECT
    if exchange.method not in METHODS[resource]:
        raise S3Refusal(
            "MethodNotAllowed",
            "The specified method is not allowed against this resource.",
            Method=exchange.method,
            ResourceType=resource.upper(),
        )
    names = {name for name, _ in exchange.query}
    mark = next((mark for mark in MARKS if mark in names), "")
    if SOURCE in exchange.headers:
        mark = {"": SOURCE, "uploadId": PART_COPY}.get(mark, mark)
    return OPERATIONS.get((exchange.method, resource, mark), UNKNOWN)


def class_of(exchange: Exchange) -> ActionClass | None:
    """What services would price a request as; None for what a browser asks beforehand."""
    match exchange.method:
        case "GET" if exchange.key is None or any(name == "uploadId" for name, _ in exchange.query):
            return ActionClass.LIST
        case "GET" | "HEAD":
            return ActionClass.READ
        case "POST" if exchange.key is None and any(name == "delete" for name, _ in exchange.query):
            return ActionClass.DELETE
        case "DELETE":
            return ActionClass.DELETE
        case "PUT" | "POST":
            return ActionClass.WRITE
    return None
