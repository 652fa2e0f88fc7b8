"""What people do to a recording: rename it, move it to the trash and back, run a step again."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from reelkeep.errors import Conflict, ErrorCode, NotFound
from reelkeep.events.append import append
from reelkeep.recordings.advance import advance, lock_recording
from reelkeep.recordings.models import Recording, Step, StepKind, StepState
from reelkeep.recordings.queries import get_recording
from reelkeep.recordings.steps import MEDIA, SPEECH, enqueue_once_for_recording, job_of


async def rename(session: AsyncSession, organization_id: UUID, recording_id: UUID, title: str | None) -> None:
    """Give the recording a title, or none."""
    recording = await get_recording(session, organization_id, recording_id)
    recording.title = title or None


async def add_metadata(
    session: AsyncSession, organization_id: UUID, recording_id: UUID, more: dict[str, Any]
) -> None:
    """Let these fields of the host application join the recording's."""
    recording = await _locked(session, organization_id, recording_id)
    recording.recording_metadata = {**recording.recording_metadata, **more}


async def move_to_trash(
    session: AsyncSession,
    organization_id: UUID,
    recording_id: UUID,
    actor_user_id: UUID | None,
    now: datetime,
) -> None:
    """Hide the recording from every list but the trash; nothing of it is removed. Twice is once."""
    recording = await _locked(session, organization_id, recording_id, deleted=True)
    if recording.deleted_at is not None:
        return
    recording.deleted_at, recording.deleted_by_user_id = now, actor_user_id
    _tell(session, recording, "recording.deleted", actor_user_id)


async def restore(
    session: AsyncSession, organization_id: UUID, recording_id: UUID, actor_user_id: UUID | None
) -> None:
    """Take the recording out of the trash; work that waited for it goes on."""
    recording = await _locked(session, organization_id, recording_id, deleted=True)
    if recording.deleted_at is None:
        return
    recording.deleted_at = recording.deleted_by_user_id = None
    _tell(session, recording, "recording.restored", actor_user_id)
    if recording.original_blob_id is not None:
        for job in (MEDIA, SPEECH):
            await enqueue_once_for_recording(session, job, organization_id, recording_id)


async def rerun_step(
    session: AsyncSession,
    organization_id: UUID,
    recording_id: UUID,
    kind: StepKind,
    *,
    parameters: dict[str, Any],
    actor_user_id: UUID | None,
    now: datetime,
) -> None:
    """Do one step again, with the parameters it was first given where no new ones are.

    After a probe that failed, the steps that were skipped for it wait again too.
    """
    recording = await _locked(session, organization_id, recording_id)
    if recording.original_is_gone:
        raise original_gone(recording)
    if recording.original_blob_id is None:
        raise Conflict(
            "The recording's bytes are not here yet; a step can be run again once the upload is complete.",
            ErrorCode.RECORDING_STATE,
            status=recording.status,
        )
    if recording.client_encrypted:
        raise Conflict(
            "The client encrypted this recording: nothing here can look into it, so it has no steps.",
            ErrorCode.RECORDING_STATE,
            client_encrypted=True,
        )
    steps = await _steps_to_rerun(session, recording, kind)
    for step in steps:
        _reset(step, parameters if step.kind == kind else {}, now)
    _tell(session, recording, f"step.{kind}.rerun", actor_user_id)
    await advance(session, recording, now)
    # After a probe the words are asked for by its end.
    await enqueue_once_for_recording(session, job_of(kind), organization_id, recording_id)


def original_gone(recording: Recording) -> Conflict:
    """The refusal for whatever needs an original that a rule has removed."""
    return Conflict(
        "A retention rule (keep originals) has removed the original of this recording. What was made of it "
        "before, its playback and its words, is there still; nothing more can be made of it.",
        ErrorCode.ORIGINAL_PURGED,
        recording_id=str(recording.id),
    )


async def _locked(
    session: AsyncSession, organization_id: UUID, recording_id: UUID, *, deleted: bool = False
) -> Recording:
    """The recording, locked: whoever changes it at the same moment, a seal that ends, is waited for."""
    await lock_recording(session, organization_id, recording_id)
    return await get_recording(session, organization_id, recording_id, deleted=deleted)


async def _steps_to_rerun(session: AsyncSession, recording: Recording, kind: StepKind) -> list[Step]:
    query = select(Step).where(
        Step.organization_id == recording.organization_id, Step.recording_id == recording.id
    )
    steps = {step.kind: step for step in await session.scalars(query)}
    step = steps.get(kind)
    if step is None and kind == StepKind.TRANSCRIBE:
        step = Step(organization_id=recording.organization_id, recording_id=recording.id, kind=kind)
        session.add(step)
        recording.transcribe = True
    if step is None:
        raise NotFound("This recording has no such step.", ErrorCode.STEP_NOT_FOUND, step=kind)
    if step.state == StepState.RUNNING:
        raise Conflict(
            "This step is being done right now; wait until it ends.", ErrorCode.STEP_RUNNING, step=kind
        )
    if kind != StepKind.PROBE:
        return [step]
    return [step, *(s for s in steps.values() if s.state == StepState.SKIPPED)]


def _reset(step: Step, parameters: dict[str, Any], now: datetime) -> None:
    step.state, step.attempts, step.run_id, step.progress = StepState.TODO, 0, None, None
    step.error_code = step.error_message = step.started_at = step.finished_at = None
    step.warnings, step.queued_at = [], now
    step.parameters = {**(step.parameters or {}), **parameters}


def _tell(session: AsyncSession, recording: Recording, kind: str, actor_user_id: UUID | None) -> None:
    append(session, recording.organization_id, kind, recording_id=recording.id, actor_user_id=actor_user_id)
