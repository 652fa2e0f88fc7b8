"""Multipart uploads: S3's requests to begin one, send its parts, list, complete and abort it."""

from contextlib import aclosing

from reelkeep.http.wire.checks import (
    content_length,
    echoed,
    expected_of_body,
    number_of,
    only_if,
    read_document,
)
from reelkeep.http.wire.documents import Element, document, moment, read_parts
from reelkeep.http.wire.metadata import metadata_of
from reelkeep.http.wire.request import WireRequest
from reelkeep.stores.protocol import PART_NUMBER_MAX, PartFacts, PartsUpload
from reelkeep.stores.refusals import S3Refusal

#: What S3 takes as one part.
PART_SIZE_BYTES_MAX = 5 * 1024**3
#: 10,000 parts, each with an etag and checksums.
COMPLETE_BYTES_MAX = 4 * 1024 * 1024
PAGE_MAX = 1000


async def create_upload(request: WireRequest) -> None:
    """CreateMultipartUpload."""
    exchange, key = request.exchange, request.key
    content_type = exchange.headers.get("content-type")
    upload_id = await request.store.create_parts(
        key, content_type=content_type, metadata=metadata_of(exchange)
    )
    told: list[Element] = [("Bucket", exchange.bucket), ("Key", key), ("UploadId", upload_id)]
    await exchange.answer_xml(document("InitiateMultipartUploadResult", told))


async def put_part(request: WireRequest) -> None:
    """UploadPart."""
    exchange, key, upload_id = request.exchange, request.key, upload_id_of(request)
    number = part_number(request)
    length = content_length(exchange, PART_SIZE_BYTES_MAX)
    expected = expected_of_body(exchange, length)
    await request.store.know_parts(key, upload_id)
    async with request.store.part_writer(key, upload_id, number, expected=expected) as writer:
        async with aclosing(exchange.body()) as body:
            async for chunk in body:
                await writer.write(chunk)
        facts = await writer.commit()
    await exchange.answer(200, {"etag": f'"{facts.etag}"', **echoed(exchange)})


async def list_parts(request: WireRequest) -> None:
    """ListParts."""
    exchange, key, upload_id = request.exchange, request.key, upload_id_of(request)
    most = number_of(exchange, "max-parts", PAGE_MAX, PAGE_MAX)
    after = number_of(exchange, "part-number-marker", 0, PART_NUMBER_MAX)
    parts = [part async for part in request.store.list_parts(key, upload_id) if part.number > after]
    page = parts[:most]
    told: list[Element] = [
        ("Bucket", exchange.bucket),
        ("Key", key),
        ("UploadId", upload_id),
        ("StorageClass", "STANDARD"),
        ("PartNumberMarker", after),
        ("NextPartNumberMarker", page[-1].number if page else after),
        ("MaxParts", most),
        ("IsTruncated", len(parts) > len(page)),
        *(("Part", _part(part)) for part in page),
    ]
    await exchange.answer_xml(document("ListPartsResult", told))


async def complete_upload(request: WireRequest) -> None:
    """CompleteMultipartUpload; once more, with the same parts, it tells of the object made before."""
    exchange, key, upload_id = request.exchange, request.key, upload_id_of(request)
    parts = read_parts(await read_document(exchange, COMPLETE_BYTES_MAX))
    if parts[0][0] < 1 or parts[-1][0] > PART_NUMBER_MAX:
        raise S3Refusal("InvalidPart", f"Part numbers are 1 to {PART_NUMBER_MAX}.")
    facts = await request.store.complete_parts(key, upload_id, parts, only_if=only_if(exchange))
    told: list[Element] = [
        ("Location", request.location_of(key)),
        ("Bucket", exchange.bucket),
        ("Key", key),
        ("ETag", f'"{facts.etag}"'),
    ]
    await exchange.answer_xml(document("CompleteMultipartUploadResult", told))


async def abort_upload(request: WireRequest) -> None:
    """AbortMultipartUpload."""
    key, upload_id = request.key, upload_id_of(request)
    await request.store.know_parts(key, upload_id)
    await request.store.abort_parts(key, upload_id)
    await request.exchange.answer(204)


async def list_uploads(request: WireRequest) -> None:
    """ListMultipartUploads."""
    exchange = request.exchange
    prefix = request.asked("prefix") or ""
    after = (request.asked("key-marker") or "", request.asked("upload-id-marker") or "")
    most = number_of(exchange, "max-uploads", PAGE_MAX, PAGE_MAX)
    uploads = [upload async for upload in request.store.list_part_uploads(prefix) if _is_past(upload, after)]
    page = uploads[:most]
    truncated = len(uploads) > len(page)
    told: list[Element] = [
        ("Bucket", exchange.bucket),
        ("Prefix", prefix),
        ("KeyMarker", after[0]),
        ("UploadIdMarker", after[1]),
        ("NextKeyMarker", page[-1].key if truncated and page else None),
        ("NextUploadIdMarker", page[-1].upload_id if truncated and page else None),
        ("EncodingType", request.asked("encoding-type")),
        ("MaxUploads", most),
        ("IsTruncated", truncated),
        *(("Upload", _upload(upload)) for upload in page),
    ]
    await exchange.answer_xml(document("ListMultipartUploadsResult", told))


def upload_id_of(request: WireRequest) -> str:
    """The multipart upload that a request is about."""
    return request.asked("uploadId") or ""


def part_number(request: WireRequest) -> int:
    """The part that a request writes."""
    number = number_of(request.exchange, "partNumber", 0, PART_NUMBER_MAX + 1)
    if not 1 <= number <= PART_NUMBER_MAX:
        raise S3Refusal(
            "InvalidArgument",
            f"Part number must be an integer between 1 and {PART_NUMBER_MAX}, inclusive",
            ArgumentName="partNumber",
        )
    return number


def _is_past(upload: PartsUpload, after: tuple[str, str]) -> bool:
    """Whether an upload comes after the markers; without an id's marker, all of that key are left out."""
    key, upload_id = after
    return (upload.key, upload.upload_id) > after if upload_id else upload.key > key


def _part(part: PartFacts) -> list[Element]:
    return [
        ("PartNumber", part.number),
        ("LastModified", moment(part.modified_at)),
        ("ETag", f'"{part.etag}"'),
        ("Size", part.size_bytes),
    ]


def _upload(upload: PartsUpload) -> list[Element]:
    return [
        ("Key", upload.key),
        ("UploadId", upload.upload_id),
        ("StorageClass", "STANDARD"),
        ("Initiated", moment(upload.begun_at)),
    ]
