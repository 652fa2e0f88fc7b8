"""Read what was said."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncSession

from reelkeep.errors import Conflict, ErrorCode, NotFound
from reelkeep.recordings.models import Status
from reelkeep.recordings.queries import get_recording
from reelkeep.speech.protocol import Segment, Word
from reelkeep.transcripts.models import Transcript, TranscriptSegment

SEGMENTS_AT_ONCE = 200
SEGMENT_COLUMNS = (
    TranscriptSegment.start_seconds,
    TranscriptSegment.end_seconds,
    TranscriptSegment.text,
    TranscriptSegment.words,
    TranscriptSegment.confidence,
    TranscriptSegment.speaker,
)


@dataclass(frozen=True, slots=True)
class Spoken:
    """One version of what was said, with its segments in order."""

    transcript: Transcript
    segments: Sequence[Segment]

    @property
    def text(self) -> str:
        """All words, a line for each segment."""
        return "\n".join(segment.text for segment in self.segments)


async def newest_transcript(
    session: AsyncSession, organization_id: UUID, recording_id: UUID
) -> Transcript | None:
    """The newest version without its segments, or None."""
    query = select(Transcript).where(
        Transcript.organization_id == organization_id, Transcript.recording_id == recording_id
    )
    found: Transcript | None = await session.scalar(query.order_by(Transcript.version.desc()).limit(1))
    return found


async def which_have_words(
    session: AsyncSession, organization_id: UUID, recording_ids: Sequence[UUID]
) -> set[UUID]:
    """Those of several recordings that have a transcript."""
    query = select(Transcript.recording_id).where(
        Transcript.organization_id == organization_id, Transcript.recording_id.in_(recording_ids)
    )
    return set(await session.scalars(query))


async def read_transcript(session: AsyncSession, organization_id: UUID, recording_id: UUID) -> Spoken:
    """The newest version; `TRANSCRIPT_NOT_READY` while it is being made, `TRANSCRIPT_NOT_FOUND` after."""
    recording = await get_recording(session, organization_id, recording_id)
    transcript = await newest_transcript(session, organization_id, recording_id)
    if transcript is None and recording.status in (Status.PROCESSED, Status.FAILED):
        raise NotFound(
            "This recording has no transcript; run the step `transcribe` to make one.",
            ErrorCode.TRANSCRIPT_NOT_FOUND,
            status=recording.status,
        )
    if transcript is None:
        raise Conflict(
            "The transcript is not made yet; the recording's steps say how far it is.",
            ErrorCode.TRANSCRIPT_NOT_READY,
            status=recording.status,
        )
    return Spoken(transcript, await segments_of(session, transcript))


async def text_of(session: AsyncSession, transcript: Transcript) -> str:
    """All words of one version, a line for each segment; reads no word times."""
    query = select(TranscriptSegment.text).where(
        TranscriptSegment.organization_id == transcript.organization_id,
        TranscriptSegment.transcript_id == transcript.id,
    )
    return "\n".join(await session.scalars(query.order_by(TranscriptSegment.position)))


async def segments_of(session: AsyncSession, transcript: Transcript) -> list[Segment]:
    """The segments of one version, in order; read in parts, so that a day's words hold nobody else up."""
    query = (
        select(*SEGMENT_COLUMNS)
        .where(
            TranscriptSegment.organization_id == transcript.organization_id,
            TranscriptSegment.transcript_id == transcript.id,
        )
        .order_by(TranscriptSegment.position)
    )
    found = await session.stream(query.execution_options(yield_per=SEGMENTS_AT_ONCE))
    return [_segment(row) async for row in found]


def _segment(row: Row[Any]) -> Segment:
    words = tuple(Word(start, end, text, confidence) for text, start, end, confidence in row.words)
    return Segment(row.start_seconds, row.end_seconds, row.text, words, row.confidence, row.speaker)
