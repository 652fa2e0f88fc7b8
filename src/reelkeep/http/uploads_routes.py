"""Uploads: a ticket, then complete."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request

from reelkeep.accounts.identify import Caller
from reelkeep.http import schemas
from reelkeep.http.identity import requires, runtime_of
from reelkeep.http.present import recording_detail_out
from reelkeep.http.recordings_routes import detail
from reelkeep.logs import log_context
from reelkeep.recordings.create import NewRecording
from reelkeep.uploads.initiate import initiate_upload
from reelkeep.uploads.models import UploadMethod
from reelkeep.uploads.seal import Claims, complete_upload

router = APIRouter(prefix="/api/v1/recordings/upload", tags=["uploads"])

Writer = Annotated[Caller, Depends(requires("recordings.write"))]


@router.post("/initiate", response_model=schemas.InitiateOut)
async def initiate(request: Request, caller: Writer, body: schemas.InitiateIn) -> schemas.InitiateOut:
    """Give a ticket: where and how the client sends the bytes, straight into the store."""
    new = NewRecording(
        original_filename=body.filename,
        content_type=body.content_type,
        recording_type=body.recording_type,
        title=body.title,
        appointment_id=body.appointment_id,
        visit_id=body.visit_id,
        duration_seconds=body.estimated_duration_seconds,
        size_bytes=body.size_bytes,
        sha256=body.sha256,
        transcribe=body.transcribe,
        recording_metadata=body.recording_metadata,
    )
    given = await initiate_upload(
        runtime_of(request), caller.organization_id, caller.user_id, new, UploadMethod(body.method)
    )
    return schemas.InitiateOut(
        recording_id=given.recording_id,
        upload_url=given.ticket.url,
        upload_fields=given.ticket.fields,
        upload_method=body.method,
        s3_key=given.incoming_key,
        bucket=given.bucket,
        expires_in=given.expires_in_seconds,
        max_file_size=given.size_bytes_max,
    )


@router.post("/complete/{recording_id}", response_model=schemas.RecordingDetailOut)
async def complete(
    request: Request, caller: Writer, recording_id: UUID, body: schemas.CompleteIn | None = None
) -> schemas.RecordingDetailOut:
    """Seal the upload: on success the bytes are durable and the client may delete its own copy."""
    runtime = runtime_of(request)
    told = body or schemas.CompleteIn()
    claims = Claims(told.file_size_bytes, told.duration_seconds, told.recording_metadata)
    with log_context(recording_id=recording_id):
        sealed = await complete_upload(runtime, caller.organization_id, recording_id, claims)
    if sealed is None:
        return await detail(runtime, caller.organization_id, recording_id, with_text=False)
    where = (runtime.stores.get(sealed.original.store).bucket, sealed.original.key)
    return recording_detail_out(sealed.recording, sealed.steps, {}, original=sealed.original, where=where)
