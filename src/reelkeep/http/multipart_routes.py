"""Uploads in parts by small JSON requests, for Uppy 4 and 5 and for phones, and signatures for Uppy 6."""

from uuid import UUID

from fastapi import APIRouter, Request, Response

from reelkeep.http import schemas
from reelkeep.http import uploads_schemas as shapes
from reelkeep.http.described import new_recording
from reelkeep.http.identity import runtime_of
from reelkeep.http.uploads_routes import UPLOAD_PATH, Writer, claims_of, sealed_out
from reelkeep.logs import log_context
from reelkeep.uploads.multipart import (
    Wish,
    abort_multipart,
    begin_multipart,
    check_parts,
    list_parts,
    sign_parts,
    sign_request,
)

router = APIRouter(prefix=UPLOAD_PATH, tags=["uploads"])


@router.post("/multipart", response_model=shapes.MultipartOut)
async def begin(request: Request, caller: Writer, body: schemas.InitiateIn) -> shapes.MultipartOut:
    """Begin a recording whose bytes come in parts; `method` is not looked at."""
    runtime = runtime_of(request)
    begun = await begin_multipart(runtime, caller.organization_id, caller.user_id, new_recording(body))
    upload = begun.upload
    return shapes.MultipartOut(
        recording_id=upload.recording_id,
        upload_id=begun.multipart_id,
        key=upload.incoming_key,
        bucket=runtime.stores.get(upload.store).bucket,
        part_size_bytes=begun.part_size_bytes,
        expires_in=runtime.settings.upload_resumable_expires_in_seconds,
        max_file_size=upload.size_bytes_max,
    )


@router.post("/multipart/{recording_id}/parts", response_model=shapes.PartUrlsOut)
async def sign(
    request: Request, caller: Writer, recording_id: UUID, body: shapes.PartNumbersIn
) -> shapes.PartUrlsOut:
    """Addresses for many parts at once; a part that is sent again replaces the one before."""
    runtime = runtime_of(request)
    with log_context(recording_id=recording_id):
        signed = await sign_parts(runtime, caller.organization_id, recording_id, body.part_numbers)
    return shapes.PartUrlsOut(
        parts=[shapes.PartUrlOut(part_number=number, url=url) for number, url in signed],
        expires_in=runtime.settings.upload_expires_in_seconds,
    )


@router.get("/multipart/{recording_id}/parts", response_model=list[shapes.PartOut])
async def parts(request: Request, caller: Writer, recording_id: UUID) -> list[shapes.PartOut]:
    """The parts that have arrived, so that a client goes on where it was."""
    with log_context(recording_id=recording_id):
        arrived = await list_parts(runtime_of(request), caller.organization_id, recording_id)
    return [
        shapes.PartOut(number=part.number, size_bytes=part.size_bytes, etag=f'"{part.etag}"')
        for part in arrived
    ]


@router.post("/multipart/{recording_id}/complete", response_model=schemas.RecordingDetailOut)
async def complete(
    request: Request, caller: Writer, recording_id: UUID, body: shapes.MultipartCompleteIn
) -> schemas.RecordingDetailOut:
    """Put the parts together and seal: on success the bytes are durable. Asking twice is harmless."""
    runtime = runtime_of(request)
    claims = claims_of(body)
    await check_parts(runtime, caller.organization_id, recording_id, claims.parts or ())
    return await sealed_out(runtime, caller.organization_id, recording_id, claims)


@router.delete("/multipart/{recording_id}", status_code=204)
async def abort(request: Request, caller: Writer, recording_id: UUID) -> Response:
    """Give the upload up: its parts are removed and its space is free again. Asking twice is harmless."""
    with log_context(recording_id=recording_id):
        await abort_multipart(runtime_of(request), caller.organization_id, recording_id)
    return Response(status_code=204)


@router.post("/sign", response_model=shapes.SignedRequestOut)
async def sign_one(request: Request, caller: Writer, body: shapes.SignIn) -> shapes.SignedRequestOut:
    """Sign one request of a browser to the store, on its own open upload and nothing else."""
    wish = Wish(body.method, body.key, body.upload_id, body.part_number)
    with log_context(recording_id=body.recording_id):
        url, key = await sign_request(runtime_of(request), caller.organization_id, body.recording_id, wish)
    return shapes.SignedRequestOut(url=url, key=key)
