"""The step `probe`: what the recording really is, found by decoding it."""

from dataclasses import asdict

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from reelkeep.media.work import probe
from reelkeep.recordings.models import Recording, Step, StepKind, StepState
from reelkeep.recordings.original import Original, media_limits
from reelkeep.recordings.perform import Outcome
from reelkeep.recordings.steps import SPEECH, enqueue_for_recording
from reelkeep.runtime import Runtime


async def probe_original(runtime: Runtime, original: Original) -> Outcome:
    """Decode the sound; the words are asked for in the transaction that ends this step."""
    facts = await probe((await original.bring()).path, media_limits(runtime))

    async def write(session: AsyncSession, recording: Recording) -> None:
        recording.duration_seconds = facts.duration_seconds
        await _ask_for_words(session, recording)

    result = {**asdict(facts), "warnings": list(facts.warnings)}
    return Outcome(result, facts.warnings, write)


async def _ask_for_words(session: AsyncSession, recording: Recording) -> None:
    waiting = select(Step.id).where(
        Step.organization_id == recording.organization_id,
        Step.recording_id == recording.id,
        Step.kind == StepKind.TRANSCRIBE,
        Step.state == StepState.TODO,
    )
    if await session.scalar(waiting):
        await enqueue_for_recording(session, SPEECH, recording.organization_id, recording.id)
