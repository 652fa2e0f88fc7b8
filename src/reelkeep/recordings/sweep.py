"""Find steps that wait while no job will come for them, and ask for their job again.

It should never find any. A job can still be lost: to a version that did not know its name, to a hand in the
queue's tables. A recording that hangs for ever must not be the answer.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select, tuple_

from reelkeep.logs import get_logger
from reelkeep.recordings.advance import lock_recording
from reelkeep.recordings.models import Step, StepKind, StepState
from reelkeep.recordings.steps import MEDIA_STEPS, enqueue_if_forgotten, job_of
from reelkeep.runtime import Runtime

log = get_logger(__name__)

BATCH = 200
#: A step is looked at when it has waited this long.
OLD_ENOUGH = timedelta(minutes=10)
UNFINISHED = (StepState.TODO, StepState.RUNNING)


@dataclass(frozen=True, slots=True)
class Place:
    """How far a walk over all unfinished steps has come."""

    queued_at: datetime
    step_id: UUID


async def sweep_steps(runtime: Runtime, after: Place | None) -> Place | None:
    """Look at the next batch of old unfinished steps; where to go on, or None: begin anew."""
    query = (
        select(Step.organization_id, Step.recording_id, Step.queued_at, Step.id)
        .where(Step.state.in_(UNFINISHED), Step.queued_at < runtime.clock.now() - OLD_ENOUGH)
        .order_by(Step.queued_at, Step.id)
        .limit(BATCH)
    )
    if after is not None:
        query = query.where(tuple_(Step.queued_at, Step.id) > (after.queued_at, after.step_id))
    async with runtime.database.sweep() as session:
        rows = (await session.execute(query)).all()
    for organization_id, recording_id in dict.fromkeys((row[0], row[1]) for row in rows):
        await _remember(runtime, organization_id, recording_id)
    return Place(rows[-1][2], rows[-1][3]) if len(rows) == BATCH else None


async def _remember(runtime: Runtime, organization_id: UUID, recording_id: UUID) -> None:
    async with runtime.database.work(organization_id) as session:
        recording = await lock_recording(session, organization_id, recording_id)
        if recording is None or recording.deleted_at is not None:
            return
        query = select(Step.kind).where(
            Step.organization_id == organization_id,
            Step.recording_id == recording_id,
            Step.state.in_(UNFINISHED),
        )
        kinds = [StepKind(kind) for kind in await session.scalars(query)]
        # The words are asked for when the media job has looked at the file.
        first = [kind for kind in kinds if kind in MEDIA_STEPS] or kinds
        for job in {job_of(kind) for kind in first}:
            if await enqueue_if_forgotten(session, job, organization_id, recording_id):
                log.error("a step waited and no job would come; asked again", recording_id=str(recording_id))
