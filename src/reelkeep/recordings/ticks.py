"""Write a run's progress now and then, without waiting for it."""

import asyncio
import time

from reelkeep.logs import get_logger
from reelkeep.recordings.runs import Run, RunLost, report_progress
from reelkeep.runtime import Runtime

log = get_logger(__name__)

EVERY_SECONDS = 1.0


class Ticks:
    """Takes fractions as fast as they come and writes at most one a second."""

    def __init__(self, runtime: Runtime, run: Run) -> None:
        self._runtime, self._run = runtime, run
        self._next = time.monotonic() + EVERY_SECONDS
        self._task: asyncio.Task[None] | None = None

    def __call__(self, fraction: float) -> None:
        """Note how far the work has come, 0 to 1."""
        now = time.monotonic()
        if now < self._next or (self._task and not self._task.done()):
            return
        self._next = now + EVERY_SECONDS
        self._task = asyncio.create_task(self._write(fraction))

    async def close(self) -> None:
        """Wait for a write that is on its way, so that it does not meet the step's end."""
        if self._task:
            await self._task

    async def _write(self, fraction: float) -> None:
        try:
            async with self._runtime.database.work(self._run.organization_id) as session:
                await report_progress(session, self._run, fraction)
        except RunLost:
            return  # the end of the step finds out by itself
        except Exception as error:  # a missed tick spoils nothing
            log.warning("progress not written", exc_info=error)
