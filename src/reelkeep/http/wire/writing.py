"""Writes objects: PUT, and POST of a form with its policy."""

from collections.abc import AsyncIterator, Iterable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass

from reelkeep.errors import ObjectNotFound
from reelkeep.http.wire.checks import (
    METADATA,
    content_length,
    echoed,
    expected_of_body,
    expected_of_form,
    only_if,
    refuse_names,
    too_large,
)
from reelkeep.http.wire.documents import xml
from reelkeep.http.wire.exchange import Exchange
from reelkeep.http.wire.forms import PostForm
from reelkeep.http.wire.metadata import metadata_of, read_metadata
from reelkeep.http.wire.request import WireRequest
from reelkeep.stores.conditions import ALWAYS
from reelkeep.stores.keys import check_key
from reelkeep.stores.local import LocalStore
from reelkeep.stores.local_writer import LocalWriter
from reelkeep.stores.protocol import ObjectFacts
from reelkeep.stores.refusals import S3Refusal
from reelkeep.stores.verifier import PostPolicy

#: What S3 takes in one request.
PUT_BYTES_MAX = 5 * 1024**3
#: How much a form may carry beside its file before the length alone shows that the file is too large.
_FORM_SLACK_BYTES = 64 * 1024
_FORM_FIELDS = {
    "bucket",
    "content-md5",
    "content-type",
    "key",
    "policy",
    "success_action_status",
    "x-amz-algorithm",
    "x-amz-checksum-algorithm",
    "x-amz-checksum-crc32",
    "x-amz-checksum-sha256",
    "x-amz-credential",
    "x-amz-date",
    "x-amz-security-token",
    "x-amz-signature",
}


@dataclass(frozen=True, slots=True)
class FormLimits:
    """The sizes that a form's policy allows its file."""

    size_bytes_min: int
    size_bytes_max: int


async def put_object(request: WireRequest) -> None:
    """PutObject."""
    exchange = request.exchange
    length = content_length(exchange, PUT_BYTES_MAX)
    expected, condition = expected_of_body(exchange, length), only_if(exchange)
    if condition != ALWAYS:
        condition.check(await _present(request))  # before its body is sent; and once more at the end
    content_type = exchange.headers.get("content-type")
    async with request.store.writer(
        request.key,
        content_type=content_type,
        expected=expected,
        only_if=condition,
        metadata=metadata_of(exchange),
    ) as writer:
        async with aclosing(exchange.body()) as body:
            async for chunk in body:
                await writer.write(chunk)
        facts = await writer.commit()
    await exchange.answer(200, {"etag": f'"{facts.etag}"', **echoed(exchange)})


async def _present(request: WireRequest) -> ObjectFacts | None:
    try:
        return await request.store.head(request.key)
    except ObjectNotFound:
        return None


async def receive_fields(form: PostForm, body: AsyncIterator[bytes]) -> tuple[list[memoryview], int]:
    """Read a form until its file begins: the first pieces of the file, and the bytes read so far."""
    received = 0
    async for chunk in body:
        received += len(chunk)
        pieces = form.feed(chunk)
        if form.file_begun:
            return pieces, received
    if form.done:
        raise S3Refusal("InvalidArgument", "POST requires exactly one file upload per request.")
    raise cut_off()


def check_form(
    form: PostForm, policy: PostPolicy, bucket: str, length: int, received: int
) -> tuple[str, FormLimits]:
    """Hold a form against its signed policy, before a byte of its file is taken: its key and limits."""
    fields = {**form.fields, "bucket": bucket}
    policy.check_fields(fields)
    refuse_names(
        sorted(name for name in fields.keys() - _FORM_FIELDS if not name.startswith(("x-ignore-", METADATA)))
    )
    limits = FormLimits(
        policy.size_bytes_min,
        PUT_BYTES_MAX if policy.size_bytes_max is None else min(policy.size_bytes_max, PUT_BYTES_MAX),
    )
    if length - received > limits.size_bytes_max + _FORM_SLACK_BYTES:
        raise too_large(length, limits.size_bytes_max)
    return check_key(form.fields["key"]), limits


@asynccontextmanager
async def form_writer(store: LocalStore, form: PostForm, key: str) -> AsyncIterator[LocalWriter[ObjectFacts]]:
    """A writer for a form's file, with the type, digests and metadata that its fields declare."""
    content_type, expected = form.fields.get("content-type"), expected_of_form(form.fields)
    metadata = read_metadata(form.fields.items())
    async with store.writer(key, content_type=content_type, expected=expected, metadata=metadata) as writer:
        yield writer


async def take_file(
    writer: LocalWriter[ObjectFacts],
    form: PostForm,
    first: list[memoryview],
    body: AsyncIterator[bytes],
    limits: FormLimits,
) -> ObjectFacts:
    """Write a form's file as it comes."""
    await _write(writer, first, limits)
    async for chunk in body:
        await _write(writer, form.feed(chunk), limits)
    if not form.done:
        raise cut_off()
    if writer.size_bytes < limits.size_bytes_min:
        raise S3Refusal(
            "EntityTooSmall",
            "Your proposed upload is smaller than the minimum allowed size",
            ProposedSize=str(writer.size_bytes),
            MinSizeAllowed=str(limits.size_bytes_min),
        )
    return await writer.commit()


async def answer_post(exchange: Exchange, facts: ObjectFacts, location: str, status: str) -> None:
    """Say that a form was taken, with the status that it asked for."""
    headers = {"etag": f'"{facts.etag}"', "location": location}
    if status == "201":
        elements = {
            "Location": location,
            "Bucket": exchange.bucket,
            "Key": facts.key,
            "ETag": f'"{facts.etag}"',
        }
        headers["content-type"] = "application/xml"
        await exchange.answer(201, headers, xml("PostResponse", elements))
    else:
        await exchange.answer(200 if status == "200" else 204, headers)


def cut_off() -> S3Refusal:
    """The refusal of a form without its closing boundary."""
    return S3Refusal(
        "MalformedPOSTRequest",
        "The body of your POST request is not well-formed multipart/form-data: it ends too early.",
    )


async def _write(writer: LocalWriter[ObjectFacts], pieces: Iterable[memoryview], limits: FormLimits) -> None:
    for piece in pieces:
        size = writer.size_bytes + len(piece)
        if size > limits.size_bytes_max:
            raise too_large(size, limits.size_bytes_max)
        await writer.write(piece)
