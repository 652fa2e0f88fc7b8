"""What was said in a session: the words of its parts as one, each at its place on the one timeline."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from reelkeep.errors import Conflict, ErrorCode, NotFound
from reelkeep.recordings.models import Status
from reelkeep.recordings.session_queries import Part, Whole, get_session
from reelkeep.speech.protocol import Segment
from reelkeep.transcripts.models import Transcript
from reelkeep.transcripts.read import newest_transcript, segments_of

ENDED = (Status.PROCESSED, Status.TRANSCRIBED, Status.FAILED)


@dataclass(frozen=True, slots=True)
class SpokenPart:
    """One part's newest transcript, its times moved to where the part begins."""

    part: Part
    #: None where it has none (yet).
    transcript: Transcript | None
    segments: Sequence[Segment]


@dataclass(frozen=True, slots=True)
class SpokenWhole:
    """A session with what was said in each of its parts, in order."""

    whole: Whole
    parts: Sequence[SpokenPart]

    @property
    def segments(self) -> list[Segment]:
        """All of it, in order."""
        return [segment for part in self.parts for segment in part.segments]


async def read_session_transcript(
    session: AsyncSession, organization_id: UUID, id_or_external_id: str
) -> SpokenWhole:
    """The words of every part that has them.

    Raises `TRANSCRIPT_NOT_READY` while the first ones are being made, and `TRANSCRIPT_NOT_FOUND` when no
    part will have any.
    """
    whole = await get_session(session, organization_id, id_or_external_id)
    parts = [await _spoken(session, organization_id, part) for part in whole.parts]
    if all(part.transcript is None for part in parts):
        raise _none(whole)
    return SpokenWhole(whole, parts)


async def _spoken(session: AsyncSession, organization_id: UUID, part: Part) -> SpokenPart:
    transcript = await newest_transcript(session, organization_id, part.recording.id)
    if transcript is None:
        return SpokenPart(part, None, ())
    segments = await segments_of(session, transcript)
    return SpokenPart(part, transcript, [shifted(segment, part.start_seconds) for segment in segments])


def shifted(segment: Segment, seconds: float) -> Segment:
    """The same words so much later, to the millisecond."""
    if not seconds:
        return segment
    words = tuple(
        replace(word, start=round(word.start + seconds, 3), end=round(word.end + seconds, 3))
        for word in segment.words
    )
    return replace(
        segment,
        start=round(segment.start + seconds, 3),
        end=round(segment.end + seconds, 3),
        words=words,
    )


def _none(whole: Whole) -> Conflict | NotFound:
    if whole.parts and any(part.recording.status not in ENDED for part in whole.parts):
        return Conflict(
            "No part of this session has a transcript yet; the parts say how far they are.",
            ErrorCode.TRANSCRIPT_NOT_READY,
            session_id=str(whole.session.id),
        )
    return NotFound(
        "No part of this session has a transcript; run the step `transcribe` of its recordings to make one.",
        ErrorCode.TRANSCRIPT_NOT_FOUND,
        session_id=str(whole.session.id),
    )
