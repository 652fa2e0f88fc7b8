"""Claim a step, and write what came of it; a worker that lost its claim can write nothing.

Each function is one short piece of a unit of work. `Run.id` is in every later write's condition: a worker
that was only slow, and was taken over, finds that its write changes no row and gets `RunLost`.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CursorResult, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from reelkeep.clock import new_id
from reelkeep.errors import ErrorCode
from reelkeep.events.append import append
from reelkeep.recordings.advance import advance, lock_recording
from reelkeep.recordings.models import Recording, Step, StepKind, StepState


class RunLost(Exception):
    """Another worker has this step now; what this one made of it does not count."""


@dataclass(frozen=True, slots=True)
class Run:
    """One claim of a step by one worker."""

    id: UUID
    organization_id: UUID
    recording_id: UUID
    kind: StepKind
    attempts: int
    parameters: dict[str, Any] = field(default_factory=dict)


async def claim(
    session: AsyncSession,
    organization_id: UUID,
    recording_id: UUID,
    kind: StepKind,
    *,
    now: datetime,
    attempts_max: int,
) -> Run | None:
    """Take a step that is waiting, or that a dead worker left running; None when there is nothing to do.

    Counts an attempt before the work begins, so that a recording that kills its worker stops after
    `attempts_max` of them as failed.
    """
    recording = await lock_recording(session, organization_id, recording_id)
    if recording is None or recording.deleted_at is not None:
        return None
    step = await _step(session, recording, kind)
    if step is None or step.state not in (StepState.TODO, StepState.RUNNING):
        return None
    if step.attempts >= attempts_max:
        _exhaust(step, now)
        await _after_failure(session, recording, step, now)
        return None
    step.state, step.run_id, step.started_at = StepState.RUNNING, new_id(), now
    step.attempts += 1
    step.progress = step.error_code = step.error_message = step.finished_at = None
    await advance(session, recording, now)
    return Run(step.run_id, organization_id, recording_id, kind, step.attempts, step.parameters)


async def finish(
    session: AsyncSession,
    run: Run,
    *,
    now: datetime,
    result: dict[str, Any] | None = None,
    warnings: tuple[str, ...] = (),
) -> Recording:
    """Write that the step is done, and move the recording on; raises `RunLost`."""
    recording = await _fenced(
        session,
        run,
        state=StepState.DONE,
        progress=None,
        result=result or {},
        warnings=list(warnings),
        finished_at=now,
    )
    append(session, run.organization_id, f"step.{run.kind}.done", recording_id=run.recording_id)
    await advance(session, recording, now)
    return recording


async def fail(session: AsyncSession, run: Run, code: ErrorCode, message: str, *, now: datetime) -> None:
    """Write that the step failed for good, and why; raises `RunLost`."""
    recording = await _fenced(
        session,
        run,
        state=StepState.FAILED,
        progress=None,
        error_code=code,
        error_message=message,
        finished_at=now,
    )
    step = await _step(session, recording, run.kind)
    if step is not None:
        await _after_failure(session, recording, step, now)


async def release(
    session: AsyncSession, run: Run, code: ErrorCode | None = None, message: str | None = None
) -> None:
    """Let the step wait again, the attempt given back; raises `RunLost`.

    For orderly stops (a deploy), and with what it waits for when the failure is not the recording's (a
    store that is away).
    """
    await _fenced(
        session,
        run,
        state=StepState.TODO,
        run_id=None,
        progress=None,
        attempts=Step.attempts - 1,
        error_code=code,
        error_message=message,
    )


async def put_back(session: AsyncSession, run: Run, code: ErrorCode, message: str) -> None:
    """Let the step wait again after a failure that counts as an attempt; raises `RunLost`."""
    await _fenced(
        session,
        run,
        state=StepState.TODO,
        run_id=None,
        progress=None,
        error_code=code,
        error_message=message,
    )


async def report_progress(session: AsyncSession, run: Run, fraction: float) -> None:
    """Write how far the step has come, 0 to 1; raises `RunLost`."""
    await _guarded_update(session, run, progress=min(max(fraction, 0.0), 1.0))


async def hold(session: AsyncSession, run: Run) -> None:
    """Make sure, inside the unit of work, that the claim still stands; raises `RunLost`."""
    await _guarded_update(session, run, state=StepState.RUNNING)


async def _fenced(session: AsyncSession, run: Run, **values: Any) -> Recording:
    """Lock the recording first (the order every writer keeps), then write under the fence."""
    recording = await lock_recording(session, run.organization_id, run.recording_id)
    if recording is None:
        raise RunLost(run)
    await _guarded_update(session, run, **values)
    return recording


async def _guarded_update(session: AsyncSession, run: Run, **values: Any) -> None:
    statement = (
        update(Step)
        .where(
            Step.organization_id == run.organization_id,
            Step.recording_id == run.recording_id,
            Step.kind == run.kind,
            Step.run_id == run.id,
            Step.state == StepState.RUNNING,
        )
        .values(**values)
        .execution_options(synchronize_session=False)
    )
    result = await session.execute(statement)
    if not isinstance(result, CursorResult) or result.rowcount != 1:
        raise RunLost(run)


async def _step(session: AsyncSession, recording: Recording, kind: StepKind) -> Step | None:
    query = select(Step).where(
        Step.organization_id == recording.organization_id,
        Step.recording_id == recording.id,
        Step.kind == kind,
    )
    return await session.scalar(query.execution_options(populate_existing=True))


def _exhaust(step: Step, now: datetime) -> None:
    step.state, step.run_id, step.progress, step.finished_at = StepState.FAILED, None, None, now
    step.error_code = ErrorCode.ATTEMPTS_EXHAUSTED
    step.error_message = (
        f"The worker stopped unexpectedly {step.attempts} times while doing this step; it is not tried again "
        "by itself. The recording is kept: look at the worker's log, then run the step again."
    )


async def _after_failure(session: AsyncSession, recording: Recording, step: Step, now: datetime) -> None:
    """Tell of the failure; when the media could not be read, what needs it is skipped."""
    append(
        session,
        recording.organization_id,
        f"step.{step.kind}.failed",
        recording_id=recording.id,
        code=step.error_code,
    )
    if step.kind == StepKind.PROBE:
        await session.execute(
            update(Step)
            .where(
                Step.organization_id == recording.organization_id,
                Step.recording_id == recording.id,
                Step.kind != StepKind.PROBE,
                Step.state == StepState.TODO,
            )
            .values(state=StepState.SKIPPED, finished_at=now)
            .execution_options(synchronize_session=False)
        )
    await advance(session, recording, now)
