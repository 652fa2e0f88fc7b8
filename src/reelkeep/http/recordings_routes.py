"""Recordings: list, look at, rename, trash, read, run a step again."""

import asyncio
from collections.abc import Mapping
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import PlainTextResponse
from sqlalchemy.ext.asyncio import AsyncSession

from reelkeep.accounts.identify import Caller
from reelkeep.blobs.deliver import locate_noted
from reelkeep.blobs.find import Located
from reelkeep.blobs.media_state import MediaState, media_states
from reelkeep.http import schemas
from reelkeep.http.identity import requires, runtime_of
from reelkeep.http.present import recording_detail_out, recording_out, transcript_out
from reelkeep.recordings import change
from reelkeep.recordings.holds import list_holds
from reelkeep.recordings.models import Recording, StepKind
from reelkeep.recordings.queries import Filter, get_recording, list_recordings, steps_of_recordings
from reelkeep.renditions.again import make_again, unmade
from reelkeep.renditions.models import Rendition, RenditionKind
from reelkeep.renditions.read import read_peaks, renditions_of
from reelkeep.runtime import Runtime
from reelkeep.speech.choose import AUTO
from reelkeep.speech.formats import to_srt, to_text, to_vtt
from reelkeep.speech.registry import unknown_engine
from reelkeep.transcripts.read import newest_transcript, read_transcript, text_of
from reelkeep.uploads.find import upload_of

router = APIRouter(prefix="/api/v1/recordings", tags=["recordings"])

Reader = Annotated[Caller, Depends(requires("recordings.read"))]
Writer = Annotated[Caller, Depends(requires("recordings.write"))]
Deleter = Annotated[Caller, Depends(requires("recordings.delete"))]

TEXT_FORMATS = {
    "txt": (to_text, "text/plain"),
    "srt": (to_srt, "application/x-subrip"),
    "vtt": (to_vtt, "text/vtt"),
}


@router.get("/", response_model=schemas.RecordingListOut)
async def list_all(
    request: Request, caller: Reader, query: Annotated[schemas.ListQuery, Query()]
) -> schemas.RecordingListOut:
    """One page of the organization's recordings, newest first."""
    chosen = Filter(
        status=query.status,
        appointment_id=query.appointment_id,
        visit_id=query.visit_id,
        recording_type=query.recording_type,
        session=query.session,
        words=query.q,
        created_from=query.created_from,
        created_to=query.created_to,
        deleted=query.deleted,
        recorded_by_user_id=caller.user_id if query.mine else None,
    )
    organization_id = caller.organization_id
    async with runtime_of(request).database.work(organization_id) as session:
        page = await list_recordings(
            session,
            organization_id,
            chosen,
            limit=query.limit,
            offset=query.offset,
            cursor=query.cursor,
        )
        ids = [recording.id for recording in page.items]
        steps = await steps_of_recordings(session, organization_id, ids)
        renditions = await renditions_of(session, organization_id, ids)
    items = [recording_out(r, steps[r.id], renditions[r.id]) for r in page.items]
    return schemas.RecordingListOut(
        items=items,
        total=page.total,
        limit=query.limit,
        offset=query.offset,
        next_cursor=page.next_cursor,
    )


@router.get("/{recording_id}", response_model=schemas.RecordingDetailOut)
async def look_at(request: Request, caller: Reader, recording_id: UUID) -> schemas.RecordingDetailOut:
    """A recording with its steps and where its bytes are."""
    return await detail(runtime_of(request), caller.organization_id, recording_id)


async def detail(
    runtime: Runtime, organization_id: UUID, recording_id: UUID, *, with_text: bool = True
) -> schemas.RecordingDetailOut:
    """The full answer about one recording, one in the trash too."""
    async with runtime.database.work(organization_id) as session:
        recording = await get_recording(session, organization_id, recording_id, deleted=True)
        steps = (await steps_of_recordings(session, organization_id, [recording_id]))[recording_id]
        renditions = (await renditions_of(session, organization_id, [recording_id]))[recording_id]
        original = await _original(session, recording)
        where = await _where(session, runtime, recording, original)
        holds = await list_holds(session, organization_id, recording_id)
        media = await _media(session, recording, renditions)
        transcript = await newest_transcript(session, organization_id, recording_id)
        text = await text_of(session, transcript) if transcript and with_text else None
    if recording.deleted_at is None and (gone := unmade(steps, renditions)):
        await make_again(runtime, organization_id, recording_id, gone)
    return recording_detail_out(
        recording,
        steps,
        renditions,
        original=original,
        transcript=transcript,
        text=text,
        where=where,
        holds=holds,
        media=media,
    )


async def _media(
    session: AsyncSession, recording: Recording, renditions: Mapping[str, Rendition]
) -> tuple[MediaState | None, MediaState | None]:
    """Whether what is played, and the original, can be read now; None: there is none."""
    playback = renditions.get(RenditionKind.PLAYBACK)
    original_id = recording.original_blob_id
    played_id = playback.blob_id if playback else original_id
    ids = {blob_id for blob_id in (played_id, original_id) if blob_id is not None}
    found = await media_states(session, recording.organization_id, ids)
    return (found[played_id] if played_id else None), (found[original_id] if original_id else None)


async def _original(session: AsyncSession, recording: Recording) -> Located | None:
    """Where its bytes are; where they should be, when they cannot be read at the moment."""
    if recording.original_blob_id is None:
        return None
    return await locate_noted(session, recording.organization_id, recording.original_blob_id)


async def _where(
    session: AsyncSession, runtime: Runtime, recording: Recording, original: Located | None
) -> tuple[str, str] | None:
    """The bucket and key: under `incoming/` while uploading, the blob's afterwards; None: it was purged."""
    if original is not None:
        store = runtime.stores.by_name.get(original.store)  # one that is not configured any more has none
        return store.bucket if store else original.store, original.key
    if recording.original_is_gone:
        return None
    upload = await upload_of(session, recording.organization_id, recording.id)
    return runtime.stores.get(upload.store).bucket, upload.incoming_key


@router.patch("/{recording_id}", response_model=schemas.RecordingDetailOut)
async def rename(
    request: Request, caller: Writer, recording_id: UUID, body: schemas.RecordingPatchIn
) -> schemas.RecordingDetailOut:
    """Give the recording a title, or more fields of the host application."""
    runtime = runtime_of(request)
    async with runtime.database.work(caller.organization_id) as session:
        if "title" in body.model_fields_set:
            await change.rename(session, caller.organization_id, recording_id, body.title)
        if body.recording_metadata:
            await change.add_metadata(session, caller.organization_id, recording_id, body.recording_metadata)
    return await detail(runtime, caller.organization_id, recording_id)


@router.delete("/{recording_id}", status_code=204)
async def move_to_trash(request: Request, caller: Deleter, recording_id: UUID) -> Response:
    """Move the recording to the trash; nothing of it is removed."""
    runtime = runtime_of(request)
    async with runtime.database.work(caller.organization_id) as session:
        await change.move_to_trash(
            session,
            caller.organization_id,
            recording_id,
            actor_user_id=caller.user_id,
            now=runtime.clock.now(),
        )
    return Response(status_code=204)


@router.post("/{recording_id}/restore", response_model=schemas.RecordingDetailOut)
async def restore(request: Request, caller: Deleter, recording_id: UUID) -> schemas.RecordingDetailOut:
    """Take the recording out of the trash."""
    runtime = runtime_of(request)
    async with runtime.database.work(caller.organization_id) as session:
        await change.restore(session, caller.organization_id, recording_id, caller.user_id)
    return await detail(runtime, caller.organization_id, recording_id)


@router.post("/{recording_id}/steps/{step}/rerun", response_model=schemas.RecordingDetailOut)
async def rerun(
    request: Request, caller: Writer, recording_id: UUID, step: StepKind, body: schemas.RerunIn | None = None
) -> schemas.RecordingDetailOut:
    """Do one step again, with the parameters it was first given where no new ones are."""
    runtime = runtime_of(request)
    parameters = body.model_dump(exclude_none=True) if body else {}
    check_engine(runtime, parameters.get("engine"))
    async with runtime.database.work(caller.organization_id) as session:
        await change.rerun_step(
            session,
            caller.organization_id,
            recording_id,
            step,
            parameters=parameters if step == StepKind.TRANSCRIBE else {},
            actor_user_id=caller.user_id,
            now=runtime.clock.now(),
        )
    return await detail(runtime, caller.organization_id, recording_id)


def check_engine(runtime: Runtime, name: str | None) -> None:
    """Raise `ENGINE_UNKNOWN`, with the known ones, for an engine that does not exist."""
    known = [engine.facts.name for engine in runtime.engines]
    if name is not None and name not in (AUTO, *known):
        raise unknown_engine(name, known)


@router.get("/{recording_id}/peaks", response_model=schemas.PeaksOut)
async def peaks(
    request: Request,
    caller: Reader,
    recording_id: UUID,
    start: Annotated[float | None, Query(ge=0, allow_inf_nan=False, description="Seconds.")] = None,
    end: Annotated[
        float | None, Query(ge=0, allow_inf_nan=False, description="Seconds; at most 900 after the start.")
    ] = None,
) -> schemas.PeaksOut:
    """The waveform: 2,000 intervals of the whole, or 50 a second of a window."""
    window = (start, end) if start is not None and end is not None else None
    found = await read_peaks(runtime_of(request), caller.organization_id, recording_id, window)
    return schemas.PeaksOut(
        start_seconds=found.start_seconds,
        end_seconds=found.end_seconds,
        duration_seconds=found.duration_seconds,
        data=found.data,
    )


@router.get(
    "/{recording_id}/transcript",
    response_model=schemas.TranscriptOut,
    responses={200: {"content": {media: {} for _, media in TEXT_FORMATS.values()}}},
)
async def transcript(
    request: Request,
    caller: Reader,
    recording_id: UUID,
    format: Literal["json", "txt", "srt", "vtt"] = "json",
) -> Response:
    """What was said, as data or as a file to read or to show under a video."""
    async with runtime_of(request).database.work(caller.organization_id) as session:
        spoken = await read_transcript(session, caller.organization_id, recording_id)
    # In a thread: hours of words take seconds to write down.
    if format == "json":
        written = await asyncio.to_thread(lambda: transcript_out(recording_id, spoken).model_dump_json())
        return Response(written, media_type="application/json")
    render, media_type = TEXT_FORMATS[format]
    headers = {"Content-Disposition": f'attachment; filename="transcript-{recording_id}.{format}"'}
    written = await asyncio.to_thread(render, spoken.segments)
    return PlainTextResponse(written, media_type=media_type, headers=headers)
