"""Tickets: ask for one, renew it, and say that the bytes have been sent."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request

from reelkeep.accounts.identify import Caller
from reelkeep.http import schemas
from reelkeep.http import uploads_schemas as shapes
from reelkeep.http.described import new_recording
from reelkeep.http.identity import requires, runtime_of
from reelkeep.http.present import recording_detail_out
from reelkeep.http.recordings_routes import detail
from reelkeep.http.resumable.create import PATH as RESUMABLE_PATH
from reelkeep.http.tus.create import PATH as TUS_PATH
from reelkeep.logs import log_context
from reelkeep.runtime import Runtime
from reelkeep.uploads.address import address_of
from reelkeep.uploads.initiate import Given, given_for, initiate_upload
from reelkeep.uploads.models import GROWING, UploadMethod
from reelkeep.uploads.receive import open_growing
from reelkeep.uploads.renew import renew_upload
from reelkeep.uploads.seal import Claims, complete_upload

UPLOAD_PATH = "/api/v1/recordings/upload"
#: Where an upload in several goes is gone on with: under these, by its own address.
GROWING_PATHS = {UploadMethod.TUS: TUS_PATH, UploadMethod.RESUMABLE: RESUMABLE_PATH}
router = APIRouter(prefix=UPLOAD_PATH, tags=["uploads"])

Writer = Annotated[Caller, Depends(requires("recordings.write"))]


@router.post("/initiate", response_model=schemas.InitiateOut)
async def initiate(request: Request, caller: Writer, body: schemas.InitiateIn) -> schemas.InitiateOut:
    """Give a ticket: where and how the client sends the bytes, straight into the store or in several goes."""
    runtime, method = runtime_of(request), UploadMethod(body.method)
    organization_id, user_id, new = caller.organization_id, caller.user_id, new_recording(body)
    if method in GROWING:
        upload = await open_growing(runtime, organization_id, user_id, new, method, length=new.size_bytes)
        given = given_for(runtime, upload, new.sha256)
    else:
        given = await initiate_upload(runtime, organization_id, user_id, new, method)
    return ticket_out(runtime, organization_id, given)


@router.post("/renew/{recording_id}", response_model=schemas.InitiateOut)
async def renew(request: Request, caller: Writer, recording_id: UUID) -> schemas.InitiateOut:
    """Give a new ticket for the same upload, also after it expired; what has arrived is kept."""
    runtime = runtime_of(request)
    with log_context(recording_id=recording_id):
        given = await renew_upload(runtime, caller.organization_id, recording_id)
    return ticket_out(runtime, caller.organization_id, given)


@router.post("/complete/{recording_id}", response_model=schemas.RecordingDetailOut)
async def complete(
    request: Request, caller: Writer, recording_id: UUID, body: schemas.CompleteIn | None = None
) -> schemas.RecordingDetailOut:
    """Seal the upload: on success the bytes are durable and the client may delete its own copy."""
    return await sealed_out(runtime_of(request), caller.organization_id, recording_id, claims_of(body))


def claims_of(told: schemas.CompleteIn | None) -> Claims:
    """What a client says of the bytes that it sent."""
    if told is None:
        return Claims()
    parts = None
    if isinstance(told, shapes.MultipartCompleteIn):
        parts = tuple(sorted((part.number, part.etag.strip('"')) for part in told.parts))
    return Claims(told.file_size_bytes, told.duration_seconds, told.recording_metadata, parts)


async def sealed_out(
    runtime: Runtime, organization_id: UUID, recording_id: UUID, claims: Claims
) -> schemas.RecordingDetailOut:
    """Seal, and tell of the recording as it is then."""
    with log_context(recording_id=recording_id):
        sealed = await complete_upload(runtime, organization_id, recording_id, claims)
    if sealed is None:
        return await detail(runtime, organization_id, recording_id, with_text=False)
    where = (runtime.stores.get(sealed.original.store).bucket, sealed.original.key)
    return recording_detail_out(sealed.recording, sealed.steps, {}, original=sealed.original, where=where)


def ticket_out(runtime: Runtime, organization_id: UUID, given: Given) -> schemas.InitiateOut:
    """A ticket as the client gets it."""
    return schemas.InitiateOut.model_validate(
        {
            "recording_id": given.recording_id,
            "upload_url": given.ticket.url if given.ticket else _address(runtime, organization_id, given),
            "upload_fields": given.ticket.fields if given.ticket else {},
            "upload_method": given.method,
            "s3_key": given.incoming_key,
            "bucket": given.bucket,
            "expires_in": given.expires_in_seconds,
            "max_file_size": given.size_bytes_max,
            "part_size_bytes": given.part_size_bytes,
            "upload_id": given.multipart_id,
            "upload_via": "reelkeep" if given.through_us else "store",
        }
    )


def _address(runtime: Runtime, organization_id: UUID, given: Given) -> str:
    base = runtime.settings.base_url
    if given.method in GROWING_PATHS:
        return f"{base}{GROWING_PATHS[given.method]}/{address_of(runtime, organization_id, given.upload_id)}"
    return f"{base}{UPLOAD_PATH}/multipart/{given.recording_id}"
