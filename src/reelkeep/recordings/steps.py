"""The names of steps and jobs, and which job does which step."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from reelkeep.jobs.queue import JobName, enqueue, is_underway, is_waiting
from reelkeep.recordings.models import StepKind

MEDIA = JobName("media", queue="media")
SPEECH = JobName("speech", queue="speech")
SEAL = JobName("seal", queue="media")
#: A queue of its own: a slow server must not hold up the media of others.
FETCH = JobName("fetch", queue="fetch")

MEDIA_STEPS = (StepKind.PROBE, StepKind.PLAYBACK, StepKind.PEAKS)
SPEECH_STEPS = (StepKind.TRANSCRIBE,)


def steps_of(transcribe: bool, *, media_kept: bool = True) -> tuple[StepKind, ...]:
    """The steps that a new recording goes through, in order; nothing is made of one that is not kept."""
    if not media_kept:
        return (StepKind.PROBE, *SPEECH_STEPS) if transcribe else (StepKind.PROBE,)
    return (*MEDIA_STEPS, *SPEECH_STEPS) if transcribe else MEDIA_STEPS


def job_of(kind: StepKind) -> JobName:
    """The job that does a step."""
    return SPEECH if kind in SPEECH_STEPS else MEDIA


async def enqueue_for_recording(
    session: AsyncSession, job: JobName, organization_id: UUID, recording_id: UUID
) -> None:
    """Ask for a job on a recording; one of each kind works on a recording at a time."""
    await enqueue(
        session,
        job,
        lock=_lock(job, recording_id),
        organization_id=str(organization_id),
        recording_id=str(recording_id),
    )


async def enqueue_once_for_recording(
    session: AsyncSession, job: JobName, organization_id: UUID, recording_id: UUID
) -> None:
    """The same, unless one waits already: what anybody can ask for again and again fills no queue.

    A waiting one may begin before this unit of work commits, so the recording must be locked in it: every
    job looks at what there is to do under that lock.
    """
    if not await is_waiting(session, job, _lock(job, recording_id)):
        await enqueue_for_recording(session, job, organization_id, recording_id)


async def enqueue_if_forgotten(
    session: AsyncSession, job: JobName, organization_id: UUID, recording_id: UUID
) -> bool:
    """Ask for a job unless one is underway; whether it was forgotten. The recording must be locked."""
    if await is_underway(session, job, _lock(job, recording_id)):
        return False
    await enqueue_for_recording(session, job, organization_id, recording_id)
    return True


def _lock(job: JobName, recording_id: UUID) -> str:
    return f"{job.name}:{recording_id}"
