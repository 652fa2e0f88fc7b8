"""The one place that writes a recording's status, in the transaction of the step that moved it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Uuid, bindparam, select
from sqlalchemy.ext.asyncio import AsyncSession

from reelkeep.events.append import append
from reelkeep.recordings.models import Recording, Status, Step, StepKind, StepState

ENDED = frozenset({StepState.DONE, StepState.FAILED, StepState.SKIPPED})


@dataclass(frozen=True, slots=True)
class Standing:
    """A status, and for `failed` the reason."""

    status: Status
    failure_code: str | None = None
    failure_message: str | None = None


def standing_of(steps: Sequence[Step]) -> Standing:
    """The status that follows from the steps of an uploaded recording.

    `transcribed` as soon as the words are there; `processed` when none were asked for and all else has
    ended; `failed` when the media cannot be read, or the words or (with no words asked for) the playback
    could not be made. A failed waveform spoils nothing.
    """
    by_kind: Mapping[str, Step] = {step.kind: step for step in steps}
    probe, words = by_kind.get(StepKind.PROBE), by_kind.get(StepKind.TRANSCRIBE)
    if probe and probe.state == StepState.FAILED:
        return _failed(probe)
    if words and words.state == StepState.DONE:
        return Standing(Status.TRANSCRIBED)
    if words and words.state == StepState.FAILED:
        return _failed(words)
    if steps and all(step.state in ENDED for step in steps):
        broken = next((s for s in steps if s.kind == StepKind.PLAYBACK and s.state == StepState.FAILED), None)
        return _failed(broken) if broken else Standing(Status.PROCESSED)
    if any(step.state != StepState.TODO for step in steps):
        return Standing(Status.PROCESSING)
    return Standing(Status.UPLOADED)


def _failed(step: Step) -> Standing:
    return Standing(Status.FAILED, step.error_code, step.error_message)


_LOCKED = (
    select(Recording)
    .where(
        Recording.organization_id == bindparam("organization_id", type_=Uuid()),
        Recording.id == bindparam("recording_id", type_=Uuid()),
    )
    .with_for_update(key_share=True)
    .execution_options(populate_existing=True)
)


async def lock_recording(
    session: AsyncSession, organization_id: UUID, recording_id: UUID
) -> Recording | None:
    """The recording's row, locked until the end of the unit of work, so that two steps never race.

    It is read anew under the lock, also when this unit of work has read it before.
    """
    values = {"organization_id": organization_id, "recording_id": recording_id}
    found: Recording | None = await session.scalar(_LOCKED, values)
    return found


async def advance(session: AsyncSession, recording: Recording, now: datetime) -> None:
    """Write the status that follows from the steps as they now are, and its event when it changed.

    The recording's row must be locked (`lock_recording`).
    """
    await session.flush()
    query = select(Step).where(
        Step.organization_id == recording.organization_id, Step.recording_id == recording.id
    )
    standing = standing_of((await session.scalars(query.execution_options(populate_existing=True))).all())
    write_standing(session, recording, standing, now)


def write_standing(session: AsyncSession, recording: Recording, standing: Standing, now: datetime) -> None:
    """Write a status and its reason, and tell of a change by an event."""
    recording.failure_code = standing.failure_code
    recording.failure_message = standing.failure_message
    if recording.status == standing.status:
        return
    recording.status = standing.status
    recording.updated_at = now
    if standing.status in (Status.TRANSCRIBED, Status.PROCESSED, Status.FAILED):
        recording.processed_at = now
    append(
        session,
        recording.organization_id,
        f"recording.{standing.status}",
        recording_id=recording.id,
        code=standing.failure_code,
    )
