"""Do one step under a claim, and write what came of it, however it ended.

ended well                      → done
the media or the request is bad → failed, with the reason
the world is bad (a store away) → back to waiting, no attempt counted; the job comes again
an orderly stop (a deploy)      → back to waiting, no attempt counted
anything else                   → an attempt counted; the job comes again; failed after the last one
the claim was lost              → nothing is written
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from reelkeep.errors import ErrorCode, ReelkeepError
from reelkeep.logs import get_logger, log_context
from reelkeep.recordings import runs
from reelkeep.recordings.models import Recording, StepKind
from reelkeep.recordings.runs import Run, RunLost
from reelkeep.runtime import Runtime

log = get_logger(__name__)

#: Not the recording's fault, and likely to pass.
PASSING = frozenset({ErrorCode.STORE_UNAVAILABLE, ErrorCode.DATABASE_UNAVAILABLE, ErrorCode.SCRATCH_FULL})
#: Perhaps the recording's fault: tried again a bounded number of times.
SUSPECT = frozenset(
    {
        ErrorCode.INTERNAL_ERROR,
        ErrorCode.MEDIA_CRASHED,
        ErrorCode.ENGINE_FAILED,
        ErrorCode.ENGINE_TIMEOUT,
        ErrorCode.STORE_REFUSED,
        ErrorCode.STORE_FULL,
    }
)

Write = Callable[[AsyncSession, Recording], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a step gave."""

    result: dict[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    #: Rows to write in the transaction that ends the step; the recording's row is locked in it.
    write: Write | None = None


async def perform(
    runtime: Runtime,
    organization_id: UUID,
    recording_id: UUID,
    kind: StepKind,
    work: Callable[[Run], Awaitable[Outcome]],
) -> None:
    """Do the step if it waits, and write its end. Raises only what should bring the job again."""
    async with runtime.database.work(organization_id) as session:
        run = await runs.claim(
            session,
            organization_id,
            recording_id,
            kind,
            now=runtime.clock.now(),
            attempts_max=runtime.settings.step_attempts_max,
        )
    if run is None:
        return
    with log_context(run_id=run.id, step=kind):
        try:
            await _work_and_finish(runtime, run, work)
        except RunLost:
            log.warning("another worker has this step now; this one's result is dropped")


async def _work_and_finish(runtime: Runtime, run: Run, work: Callable[[Run], Awaitable[Outcome]]) -> None:
    started = runtime.clock.now()
    log.info("step begins", attempt=run.attempts)
    try:
        outcome = await work(run)
        await _finish(runtime, run, outcome)
    except asyncio.CancelledError:
        await asyncio.shield(_release(runtime, run))
        raise
    except RunLost:
        raise
    except ReelkeepError as error:
        await _end_badly(runtime, run, error)
    except Exception:
        log.exception("step failed unexpectedly")
        unexpected = ReelkeepError("Something went wrong that should not have; the worker's log has it all.")
        await _end_badly(runtime, run, unexpected)
        raise
    else:
        seconds = (runtime.clock.now() - started).total_seconds()
        log.info("step done", seconds=round(seconds, 3), warnings=outcome.warnings)


async def _finish(runtime: Runtime, run: Run, outcome: Outcome) -> None:
    async with runtime.database.work(run.organization_id) as session:
        recording = await runs.finish(
            session, run, now=runtime.clock.now(), result=outcome.result, warnings=outcome.warnings
        )
        if outcome.write:
            await outcome.write(session, recording)


async def _release(runtime: Runtime, run: Run, reason: ReelkeepError | None = None) -> None:
    code, message = (reason.code, reason.message) if reason else (None, None)
    async with runtime.database.work(run.organization_id) as session:
        await runs.release(session, run, code, message)


async def _end_badly(runtime: Runtime, run: Run, error: ReelkeepError) -> None:
    """Write the failure, or put the step back and raise so that the job comes again."""
    log.warning("step failed", error_code=error.code, error=error.message, exc_info=error)
    if error.code in PASSING:
        await _release(runtime, run, error)
        raise error
    again = error.code in SUSPECT and run.attempts < runtime.settings.step_attempts_max
    async with runtime.database.work(run.organization_id) as session:
        if again:
            await runs.put_back(session, run, error.code, error.message)
        else:
            await runs.fail(session, run, error.code, error.message, now=runtime.clock.now())
    if again:
        raise error
