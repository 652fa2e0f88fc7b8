"""One request that brings a whole recording: a form or a raw body, streamed into the store as it comes.

The same address begins a resumable upload where a client asks for one (`resumable/`).
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from typing import Any

from fastapi import APIRouter, Request
from fastapi.encoders import jsonable_encoder
from fastapi.responses import JSONResponse
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from reelkeep.accounts.identify import Caller
from reelkeep.errors import Conflict, ErrorCode, Invalid
from reelkeep.http import schemas
from reelkeep.http.described import HEADER, describe_form, describe_raw, new_recording
from reelkeep.http.forms import FILE_FIELD, FORM_TYPE, UploadForm
from reelkeep.http.identity import runtime_of
from reelkeep.http.recordings_routes import detail
from reelkeep.http.resumable.answers import gone
from reelkeep.http.resumable.asked import Creation, content_length, read_creation
from reelkeep.http.resumable.create import create, is_offered
from reelkeep.http.resumable.fields import sha256
from reelkeep.http.resumable.told import limits
from reelkeep.http.resumable.versions import NEWEST, VERSION_FIELD, version_of
from reelkeep.http.uploads_routes import Writer
from reelkeep.recordings.create import NewRecording
from reelkeep.uploads.plain import take_plain

router = APIRouter(prefix="/api/v1/recordings/upload", tags=["uploads"])

BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "audio/*": {"schema": {"type": "string", "format": "binary"}},
            "video/*": {"schema": {"type": "string", "format": "binary"}},
            FORM_TYPE: {
                "schema": {
                    "type": "object",
                    "description": "The fields of `initiate`, and the file as the last one.",
                    "properties": {FILE_FIELD: {"type": "string", "format": "binary"}},
                    "required": [FILE_FIELD],
                }
            },
        },
    },
    "parameters": [
        {
            "name": HEADER,
            "in": "header",
            "required": False,
            "description": "For a raw body: the fields of `initiate` as JSON; the query takes them too.",
            "schema": {"type": "string"},
        }
    ],
}


@router.post("", status_code=201, response_model=schemas.RecordingDetailOut, openapi_extra=BODY)
async def upload(request: Request, caller: Writer) -> Response:
    """Take a recording whole, by a form or as a raw body; 201 says that its bytes are durable."""
    creation = read_creation(request.headers)
    if is_form(request):
        if creation is not None and not creation.complete:
            raise Invalid("A form is sent whole; send the file as a raw body to send it in parts.")
    elif creation is not None and is_offered(request, creation):
        return await create(request, caller, creation)
    try:
        if is_form(request):
            return await _taken(request, caller, *await _form(request))
        return await _taken(request, caller, *_raw(request), _not_offered(creation))
    except ClientDisconnect:
        return gone()


@router.options("", status_code=204, include_in_schema=False)
async def options(request: Request) -> Response:
    """What a resumable upload may be, in `Upload-Limit`."""
    version = version_of(request.headers.getlist(VERSION_FIELD)) or NEWEST
    told = limits(version, runtime_of(request).settings.upload_size_bytes_max)
    return Response(
        status_code=204,
        headers={**told, "Allow": "POST, OPTIONS", VERSION_FIELD: str(version.number)},
    )


def is_form(request: Request) -> bool:
    """Whether the body is a form with the file in it."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower() == FORM_TYPE


async def _taken(
    request: Request,
    caller: Caller,
    new: NewRecording,
    body: AsyncIterator[bytes],
    told: Mapping[str, str] | None = None,
) -> Response:
    runtime = runtime_of(request)
    recording_id, _ = await take_plain(runtime, caller.organization_id, caller.user_id, new, body)
    recording = await detail(runtime, caller.organization_id, recording_id, with_text=False)
    where = {"Location": f"{runtime.settings.base_url}/api/v1/recordings/{recording_id}"}
    if told is not None and recording.file_size_bytes is not None:
        where |= {**told, "Upload-Offset": str(recording.file_size_bytes)}
    return JSONResponse(jsonable_encoder(recording), 201, where)


def _not_offered(creation: Creation | None) -> dict[str, str] | None:
    """Tells a client that asked for a resumable upload, and had a plain one, that nothing is missing."""
    if creation is None:
        return None
    return {VERSION_FIELD: str(creation.version.number), **creation.version.completeness(True)}


def _raw(request: Request) -> tuple[NewRecording, AsyncIterator[bytes]]:
    told = describe_raw(request)
    length = content_length(request.headers)
    if length is not None and told.size_bytes not in (None, length):
        raise Conflict(
            f"The body has {length:,} bytes and size_bytes says {told.size_bytes:,}; send the file again.",
            ErrorCode.UPLOAD_SIZE_MISMATCH,
            size_bytes=length,
            size_bytes_declared=told.size_bytes,
        )
    if told.sha256 is None and (digest := _digest(request)):
        told = told.model_copy(update={"sha256": digest.hex()})
    return new_recording(told, length or None), pieces_of(request)


async def _form(request: Request) -> tuple[NewRecording, AsyncIterator[bytes]]:
    """The fields of a form, read up to its file, and the file."""
    form = UploadForm(request.headers["content-type"])
    pieces = pieces_of(request)
    first: list[memoryview] = []
    async for chunk in pieces:
        first = form.feed(chunk)
        if form.file_begun:
            break
    else:
        raise Invalid(f'The form has no file; add one as its last field, as `-F "{FILE_FIELD}=@visit.m4a"`.')
    told = describe_form(form.fields, form.filename, form.content_type)
    return new_recording(told), file_of(form, first, pieces)


async def file_of(
    form: UploadForm, first: list[memoryview], rest: AsyncIterator[bytes]
) -> AsyncGenerator[bytes, None]:
    """A form's file: the pieces that came with its head, and the rest."""
    for piece in first:
        yield bytes(piece)
    async for chunk in rest:
        for piece in form.feed(chunk):
            yield bytes(piece)
    if not form.done:
        raise Invalid("The form ends without its closing boundary: it was cut off. Send it again.")


async def pieces_of(request: Request) -> AsyncGenerator[bytes, None]:
    """The body as it comes; a client that falls silent is refused."""
    idle_seconds = runtime_of(request).settings.upload_idle_seconds
    stream = request.stream()
    while True:
        try:
            async with asyncio.timeout(idle_seconds):
                piece = await anext(stream, b"")
        except TimeoutError as error:
            raise Conflict(
                f"Nothing came for {idle_seconds} seconds; nothing was kept. Send the file again.",
                ErrorCode.UPLOAD_STALLED,
            ) from error
        if not piece:
            return
        yield piece


def _digest(request: Request) -> bytes | None:
    return sha256(request.headers.getlist("Repr-Digest")) or sha256(request.headers.getlist("Content-Digest"))
