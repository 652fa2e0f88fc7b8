"""A recording in JSON: what the API answers, with its transcript where that is asked for."""

from typing import Any
from uuid import UUID

from reelkeep.http.present import recording_out, transcript_out
from reelkeep.http.recordings_routes import detail
from reelkeep.http.schemas import RecordingListOut
from reelkeep.recordings.queries import Filter, list_recordings, steps_of_recordings
from reelkeep.renditions.read import renditions_of
from reelkeep.runtime import Runtime
from reelkeep.transcripts.read import Spoken, newest_transcript, segments_of


async def recording_document(
    runtime: Runtime, organization_id: UUID, recording_id: UUID, *, with_transcript: bool
) -> dict[str, Any]:
    """The API's `RecordingDetailOut`, and under `transcript` its `TranscriptOut` or null."""
    document = (await detail(runtime, organization_id, recording_id)).model_dump(mode="json")
    if not with_transcript:
        return document
    async with runtime.database.work(organization_id) as session:
        transcript = await newest_transcript(session, organization_id, recording_id)
        segments = await segments_of(session, transcript) if transcript else []
    spoken = transcript_out(recording_id, Spoken(transcript, segments)) if transcript else None
    return document | {"transcript": spoken.model_dump(mode="json") if spoken else None}


async def list_document(
    runtime: Runtime, organization_id: UUID, chosen: Filter, *, limit: int, cursor: str | None
) -> RecordingListOut:
    """One page of recordings as the API tells it."""
    async with runtime.database.work(organization_id) as session:
        page = await list_recordings(session, organization_id, chosen, limit=limit, cursor=cursor)
        ids = [recording.id for recording in page.items]
        steps = await steps_of_recordings(session, organization_id, ids)
        renditions = await renditions_of(session, organization_id, ids)
    items = [recording_out(one, steps[one.id], renditions[one.id]) for one in page.items]
    return RecordingListOut(
        items=items, total=page.total, limit=limit, offset=0, next_cursor=page.next_cursor
    )
