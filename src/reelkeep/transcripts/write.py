"""Write what was said as the newest version of the recording's transcript."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain

from sqlalchemy import func, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from reelkeep.clock import new_id
from reelkeep.recordings.models import Recording
from reelkeep.speech.protocol import Chosen, Segment, StretchResult
from reelkeep.transcripts.models import Transcript, TranscriptSegment

NO_SPEECH = "no_speech"
SEGMENTS_A_STATEMENT = 500


@dataclass(frozen=True, slots=True)
class Said:
    """What an engine heard in a whole recording."""

    chosen: Chosen
    results: tuple[StretchResult, ...]
    duration_seconds: float

    @property
    def segments(self) -> list[Segment]:
        """All segments, in order."""
        return list(chain.from_iterable(result.segments for result in self.results))

    @property
    def warnings(self) -> tuple[str, ...]:
        """Every stretch's warnings once, and `no_speech` when nobody spoke: a result, not an error."""
        told = dict.fromkeys(chain.from_iterable(result.warnings for result in self.results))
        return (*told, *(() if self.segments else (NO_SPEECH,)))

    @property
    def language(self) -> tuple[str | None, float | None]:
        """The language of the stretch that is surest of it."""
        known = [r for r in self.results if r.language]
        if not known:
            return None, None
        surest = max(known, key=lambda result: result.language_probability or 0.0)
        return surest.language, surest.language_probability


async def write_transcript(session: AsyncSession, recording: Recording, said: Said) -> None:
    """Add the next version with its segments, in the current unit of work."""
    language, probability = said.language
    segments = said.segments
    transcript = Transcript(
        organization_id=recording.organization_id,
        id=new_id(),
        recording_id=recording.id,
        version=await _next_version(session, recording),
        engine=said.chosen.engine.facts.name,
        model=said.chosen.ready.model,
        device=said.chosen.ready.device,
        language=language,
        language_probability=probability,
        confidence=_mean_confidence(segments),
        duration_seconds=said.duration_seconds,
        warnings=list(said.warnings),
    )
    session.add(transcript)
    await session.flush()
    rows = [_row(transcript, position, segment) for position, segment in enumerate(segments)]
    for first in range(0, len(rows), SEGMENTS_A_STATEMENT):
        await session.execute(insert(TranscriptSegment), rows[first : first + SEGMENTS_A_STATEMENT])


async def _next_version(session: AsyncSession, recording: Recording) -> int:
    query = select(func.max(Transcript.version)).where(
        Transcript.organization_id == recording.organization_id, Transcript.recording_id == recording.id
    )
    return (await session.scalar(query) or 0) + 1


def _mean_confidence(segments: Iterable[Segment]) -> float | None:
    words = [w.confidence for s in segments for w in s.words if w.confidence is not None]
    return sum(words) / len(words) if words else None


def _row(transcript: Transcript, position: int, segment: Segment) -> dict[str, object]:
    return {
        "organization_id": transcript.organization_id,
        "id": new_id(),
        "transcript_id": transcript.id,
        "position": position,
        "start_seconds": segment.start,
        "end_seconds": segment.end,
        "speaker": segment.speaker,
        "text": segment.text,
        "confidence": segment.confidence,
        "words": [[word.text, word.start, word.end, word.confidence] for word in segment.words],
    }
