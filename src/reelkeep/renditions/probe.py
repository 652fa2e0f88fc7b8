"""The step `probe`: what the recording really is, found by decoding it."""

from dataclasses import asdict, replace

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from reelkeep.media.facts import MediaLimits
from reelkeep.media.work import probe
from reelkeep.recordings.advance import lock_recording
from reelkeep.recordings.duplicates import note_duplicate
from reelkeep.recordings.models import Recording, Step, StepKind, StepState
from reelkeep.recordings.original import Original, media_limits
from reelkeep.recordings.perform import Outcome
from reelkeep.recordings.runs import Run
from reelkeep.recordings.steps import SPEECH, enqueue_if_forgotten, enqueue_once_for_recording
from reelkeep.runtime import Runtime


async def probe_original(runtime: Runtime, run: Run, original: Original) -> Outcome:
    """Decode the sound. The words are sought beside it, and claimed when this step has ended well."""
    organization_id, recording_id = original.organization_id, original.recording_id
    async with runtime.database.work(organization_id) as session:
        if await lock_recording(session, organization_id, recording_id) and await _words_wait(
            session, original
        ):
            await enqueue_once_for_recording(session, SPEECH, organization_id, recording_id)
    facts = await probe((await original.bring()).path, _limits(runtime, run))

    async def write(session: AsyncSession, recording: Recording) -> None:
        recording.duration_seconds = facts.duration_seconds
        await note_duplicate(session, recording)
        # A job that is underway has seen this step begin, and does not end before it does.
        if await _words_wait(session, original):
            await enqueue_if_forgotten(session, SPEECH, organization_id, recording_id)

    result = {**asdict(facts), "warnings": list(facts.warnings)}
    return Outcome(result, facts.warnings, write)


def _limits(runtime: Runtime, run: Run) -> MediaLimits:
    """The installation's, or the organization's own where that is stricter."""
    limits = media_limits(runtime)
    own = run.parameters.get("duration_seconds_max", limits.duration_seconds_max)
    return replace(limits, duration_seconds_max=min(own, limits.duration_seconds_max))


async def _words_wait(session: AsyncSession, original: Original) -> bool:
    waiting = select(Step.id).where(
        Step.organization_id == original.organization_id,
        Step.recording_id == original.recording_id,
        Step.kind == StepKind.TRANSCRIBE,
        Step.state == StepState.TODO,
    )
    return await session.scalar(waiting) is not None
