"""Wait until recordings have been processed: by a worker that runs already, else by one of our own."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from uuid import UUID

from reelkeep.blobs.scratch import sweep_scratch
from reelkeep.http.readiness import WORKERS_ALIVE
from reelkeep.logs import get_logger
from reelkeep.recordings.advance import ENDED
from reelkeep.recordings.models import Step
from reelkeep.recordings.queries import steps_of_recordings
from reelkeep.runtime import Runtime
from reelkeep.worker import run_worker

log = get_logger(__name__)

LOOK_EVERY_SECONDS = 0.25
WORKER_EVERY_SECONDS = 2.0

#: Told the steps of each recording whenever they were looked at.
Tell = Callable[[Mapping[UUID, Sequence[Step]]], None]


async def count_workers(runtime: Runtime) -> int:
    """How many workers have given a sign of life lately."""
    async with runtime.database.owner() as session:
        seconds = runtime.settings.worker_stalled_seconds
        return await session.scalar(WORKERS_ALIVE, {"seconds": seconds}) or 0


async def wait_until_ended(
    runtime: Runtime, organization_id: UUID, recording_ids: Sequence[UUID], tell: Tell
) -> None:
    """Return when no step of these recordings waits or runs any more.

    When no worker is alive, or the last one dies meanwhile, this process works until then.
    """
    worker = _OwnWorker(runtime)
    try:
        while True:
            async with runtime.database.work(organization_id) as session:
                steps = await steps_of_recordings(session, organization_id, recording_ids)
            tell(steps)
            if all(step.state in ENDED for each in steps.values() for step in each):
                return
            await worker.keep()
            await asyncio.sleep(LOOK_EVERY_SECONDS)
    finally:
        await worker.stop()


class _OwnWorker:
    """A worker inside this process, begun only when there is no other."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._task: asyncio.Task[None] | None = None
        self._look_at = 0.0

    async def keep(self) -> None:
        """Begin to work when nobody does, and again when our own worker ended by itself."""
        if self._task and self._task.done():
            log.warning(
                "the worker in this command stopped; it is started again", exc_info=self._task.exception()
            )
            self._task = None
        if self._task or time.monotonic() < self._look_at:
            return
        self._look_at = time.monotonic() + WORKER_EVERY_SECONDS
        if not await count_workers(self._runtime):
            await asyncio.to_thread(sweep_scratch, self._runtime.scratch)
            self._task = asyncio.create_task(run_worker(self._runtime))

    async def stop(self) -> None:
        """Stop in order: what it was doing waits in the queue again, and counts as no attempt."""
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
