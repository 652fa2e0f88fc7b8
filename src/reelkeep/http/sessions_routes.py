"""Sessions: the ordered parts of one event, played and read as one."""

import asyncio
from datetime import timedelta
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import PlainTextResponse
from sqlalchemy.ext.asyncio import AsyncSession

from reelkeep.accounts.identify import Caller
from reelkeep.blobs.deliver import Shown, address_of
from reelkeep.blobs.find import Located, locate_all
from reelkeep.errors import ErrorCode, ReelkeepError
from reelkeep.http import sessions_schemas as schemas
from reelkeep.http.identity import requires, runtime_of
from reelkeep.http.recordings_routes import TEXT_FORMATS
from reelkeep.http.schemas import WordOut
from reelkeep.recordings.session_queries import Whole, get_session, list_sessions
from reelkeep.renditions.models import Rendition, RenditionKind
from reelkeep.renditions.read import renditions_of
from reelkeep.runtime import Runtime
from reelkeep.speech.protocol import Segment
from reelkeep.transcripts.read import which_have_words
from reelkeep.transcripts.session_transcript import SpokenPart, SpokenWhole, read_session_transcript

router = APIRouter(prefix="/api/v1/sessions", tags=["sessions"])

Reader = Annotated[Caller, Depends(requires("recordings.read"))]


@router.get("/", response_model=schemas.SessionListOut)
async def list_all(
    request: Request, caller: Reader, query: Annotated[schemas.SessionListQuery, Query()]
) -> schemas.SessionListOut:
    """One page of the organization's sessions, newest first."""
    organization_id = caller.organization_id
    async with runtime_of(request).database.work(organization_id) as session:
        page = await list_sessions(
            session,
            organization_id,
            limit=query.limit,
            words=query.q,
            external_id=query.external_id,
            cursor=query.cursor,
        )
        items = await _sessions_out(session, organization_id, list(page.items))
    return schemas.SessionListOut(
        items=items, total=page.total, limit=query.limit, next_cursor=page.next_cursor
    )


@router.get("/{session_id}", response_model=schemas.SessionOut)
async def look_at(request: Request, caller: Reader, session_id: str) -> schemas.SessionOut:
    """A session by its id or the host's own, with its parts in order."""
    async with runtime_of(request).database.work(caller.organization_id) as session:
        whole = await get_session(session, caller.organization_id, session_id)
        return (await _sessions_out(session, caller.organization_id, [whole]))[0]


async def _sessions_out(
    session: AsyncSession, organization_id: UUID, wholes: list[Whole]
) -> list[schemas.SessionOut]:
    ids = [part.recording.id for whole in wholes for part in whole.parts]
    renditions = await renditions_of(session, organization_id, ids)
    spoken = await which_have_words(session, organization_id, ids)
    return [_session_out(whole, renditions, spoken) for whole in wholes]


def _session_out(
    whole: Whole, renditions: dict[UUID, dict[str, Rendition]], spoken: set[UUID]
) -> schemas.SessionOut:
    parts = [
        schemas.SessionPartOut(
            recording_id=part.recording.id,
            part_number=part.number,
            status=part.recording.status,
            title=part.recording.title,
            filename=part.recording.original_filename,
            start_seconds=part.start_seconds,
            duration_seconds=part.recording.duration_seconds,
            waveform=_bars(renditions[part.recording.id]),
            playback_ready=RenditionKind.PLAYBACK in renditions[part.recording.id],
            transcript_ready=part.recording.id in spoken,
            processing_error=part.recording.failure_message,
            error_code=part.recording.failure_code,
        )
        for part in whole.parts
    ]
    return schemas.SessionOut(
        id=whole.session.id,
        external_id=whole.session.external_id,
        title=whole.session.title,
        status=whole.status,
        duration_seconds=whole.duration_seconds,
        duration_is_known=whole.duration_is_known,
        missing_part_numbers=whole.missing_part_numbers,
        parts=parts,
        created_at=whole.session.created_at,
    )


def _bars(made: dict[str, Rendition]) -> list[int]:
    peaks = made.get(RenditionKind.PEAKS)
    return peaks.details.get("bars", []) if peaks else []


@router.get("/{session_id}/playback", response_model=schemas.SessionPlaybackOut)
async def playback(request: Request, caller: Reader, session_id: str) -> schemas.SessionPlaybackOut:
    """The parts in order with the URLs to play them by, for a while."""
    runtime, organization_id = runtime_of(request), caller.organization_id
    async with runtime.database.work(organization_id) as session:
        whole = await get_session(session, organization_id, session_id)
        ids = [part.recording.id for part in whole.parts]
        renditions = await renditions_of(session, organization_id, ids)
        located = {
            recording_id: await _copies(session, organization_id, made[RenditionKind.PLAYBACK].blob_id)
            for recording_id, made in renditions.items()
            if RenditionKind.PLAYBACK in made
        }
    return await _playback_out(runtime, whole, located)


async def _copies(session: AsyncSession, organization_id: UUID, blob_id: UUID) -> list[Located]:
    """The copies that can be read now; none, so that the other parts play, where this one's are away."""
    try:
        return await locate_all(session, organization_id, blob_id)
    except ReelkeepError as error:
        if error.code not in (ErrorCode.COPY_LOST, ErrorCode.COPY_ARCHIVED):
            raise
        return []


async def _playback_out(
    runtime: Runtime, whole: Whole, located: dict[UUID, list[Located]]
) -> schemas.SessionPlaybackOut:
    seconds = runtime.settings.download_expires_in_seconds
    parts = []
    for part in whole.parts:
        copies = located.get(part.recording.id)
        bytes_at = copies[0] if copies else None
        parts.append(
            schemas.SessionPlaybackPartOut(
                recording_id=part.recording.id,
                part_number=part.number,
                status=part.recording.status,
                start_seconds=part.start_seconds,
                duration_seconds=part.recording.duration_seconds,
                url=await _url(runtime, whole, part.recording.original_filename, copies) if copies else None,
                content_type=bytes_at.content_type if bytes_at else None,
                file_size_bytes=bytes_at.size_bytes if bytes_at else None,
            )
        )
    return schemas.SessionPlaybackOut(
        session_id=whole.session.id,
        duration_seconds=whole.duration_seconds,
        duration_is_known=whole.duration_is_known,
        missing_part_numbers=whole.missing_part_numbers,
        parts=parts,
        expires_in=seconds,
        expires_at=runtime.clock.now() + timedelta(seconds=seconds),
    )


async def _url(runtime: Runtime, whole: Whole, filename: str, copies: list[Located]) -> str:
    shown = Shown(whole.session.organization_id, filename.rsplit(".", 1)[0] + ".m4a")
    return (await address_of(runtime, copies, shown)).url


@router.get(
    "/{session_id}/transcript",
    response_model=schemas.SessionTranscriptOut,
    responses={200: {"content": {media: {} for _, media in TEXT_FORMATS.values()}}},
)
async def transcript(
    request: Request,
    caller: Reader,
    session_id: str,
    format: Literal["json", "txt", "srt", "vtt"] = "json",
) -> Response:
    """What was said in all parts, with times on the session's one timeline."""
    async with runtime_of(request).database.work(caller.organization_id) as session:
        spoken = await read_session_transcript(session, caller.organization_id, session_id)
    # In a thread: hours of words take seconds to write down.
    if format == "json":
        written = await asyncio.to_thread(lambda: _transcript_out(spoken).model_dump_json())
        return Response(written, media_type="application/json")
    render, media_type = TEXT_FORMATS[format]
    name = f"transcript-session-{spoken.whole.session.id}.{format}"
    written = await asyncio.to_thread(render, spoken.segments)
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return PlainTextResponse(written, media_type=media_type, headers=headers)


def _transcript_out(spoken: SpokenWhole) -> schemas.SessionTranscriptOut:
    whole = spoken.whole
    warnings = (str(w) for part in spoken.parts if part.transcript for w in part.transcript.warnings)
    return schemas.SessionTranscriptOut(
        session_id=whole.session.id,
        duration_seconds=whole.duration_seconds,
        duration_is_known=whole.duration_is_known,
        text="\n".join(segment.text for segment in spoken.segments),
        segments=[_segment_out(part, segment) for part in spoken.parts for segment in part.segments],
        warnings=list(dict.fromkeys(warnings)),
        parts_without_transcript=[
            schemas.UnspokenPartOut(
                recording_id=one.part.recording.id,
                part_number=one.part.number,
                status=one.part.recording.status,
            )
            for one in spoken.parts
            if one.transcript is None
        ],
        missing_part_numbers=whole.missing_part_numbers,
    )


def _segment_out(spoken: SpokenPart, segment: Segment) -> schemas.SessionSegmentOut:
    return schemas.SessionSegmentOut(
        recording_id=spoken.part.recording.id,
        part_number=spoken.part.number,
        start=segment.start,
        end=segment.end,
        speaker=segment.speaker,
        text=segment.text,
        confidence=segment.confidence,
        words=[
            WordOut(text=word.text, start=word.start, end=word.end, confidence=word.confidence)
            for word in segment.words
        ],
    )
