"""Recordings by reference: a worker fetches them from a URL."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request

from reelkeep.accounts.identify import Caller
from reelkeep.http import schemas
from reelkeep.http.identity import requires, runtime_of
from reelkeep.http.recordings_routes import detail
from reelkeep.http.sessions_schemas import FromUrlIn, RetryFetchIn
from reelkeep.recordings.create import NewRecording
from reelkeep.uploads.fetch import FromUrl, begin_fetch, retry_fetch

router = APIRouter(prefix="/api/v1/recordings", tags=["uploads"])

Writer = Annotated[Caller, Depends(requires("recordings.write"))]


@router.post("/upload/from-url", response_model=schemas.RecordingDetailOut, status_code=202)
async def from_url(request: Request, caller: Writer, body: FromUrlIn) -> schemas.RecordingDetailOut:
    """Fetch a recording from a URL: it is `uploading` until a worker has it, then as any other."""
    new = NewRecording(
        original_filename="",
        content_type="",
        recording_type=body.recording_type,
        title=body.title,
        appointment_id=body.appointment_id,
        visit_id=body.visit_id,
        duration_seconds=body.estimated_duration_seconds,
        size_bytes=body.size_bytes,
        sha256=body.sha256,
        transcribe=body.transcribe,
        recording_metadata=body.recording_metadata,
        session_external_id=body.session_id,
        session_title=body.session_title,
        part_number=body.part_number,
    )
    runtime = runtime_of(request)
    wanted = FromUrl(body.url, body.filename, body.content_type)
    recording_id = await begin_fetch(runtime, caller.organization_id, caller.user_id, wanted, new)
    return await detail(runtime, caller.organization_id, recording_id)


@router.post("/{recording_id}/fetch/retry", response_model=schemas.RecordingDetailOut, status_code=202)
async def retry(
    request: Request, caller: Writer, recording_id: UUID, body: RetryFetchIn
) -> schemas.RecordingDetailOut:
    """Fetch a recording again whose fetch failed, from the same address or another."""
    runtime = runtime_of(request)
    await retry_fetch(runtime, caller.organization_id, caller.user_id, recording_id, body.url)
    return await detail(runtime, caller.organization_id, recording_id)
