"""Holds: as long as a recording has one, nothing of it may be removed for good, whatever a rule says.

Whoever removes takes the recording's lock first and asks here; whoever places a hold takes it too. So a hold
that was acknowledged is seen by every removal that begins afterwards.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from reelkeep.clock import new_id
from reelkeep.errors import Conflict, ErrorCode, Invalid
from reelkeep.events.append import append
from reelkeep.recordings.advance import lock_recording
from reelkeep.recordings.models import Hold
from reelkeep.recordings.queries import get_recording

REASON_CHARACTERS_MAX = 500


async def place_hold(
    session: AsyncSession,
    organization_id: UUID,
    recording_id: UUID,
    reason: str,
    *,
    actor_user_id: UUID | None,
    now: datetime,
) -> Hold:
    """Hold a recording, one in the trash too; the same reason again is the same hold.

    The reason stays in the database and is in no event. Raises `RECORDING_NOT_FOUND` and `INVALID_REQUEST`.
    """
    reason = reason.strip()
    if not 0 < len(reason) <= REASON_CHARACTERS_MAX:
        raise Invalid(f"A hold needs a reason of at most {REASON_CHARACTERS_MAX} characters.")
    await _lock(session, organization_id, recording_id)
    for hold in await list_holds(session, organization_id, recording_id):
        if hold.reason == reason:
            return hold
    hold = Hold(organization_id=organization_id, id=new_id(), recording_id=recording_id, reason=reason)
    hold.created_at = now
    session.add(hold)
    append(
        session,
        organization_id,
        "recording.held",
        recording_id=recording_id,
        actor_user_id=actor_user_id,
        hold_id=str(hold.id),
    )
    return hold


async def release_holds(
    session: AsyncSession,
    organization_id: UUID,
    recording_id: UUID,
    *,
    actor_user_id: UUID | None,
    now: datetime,
    hold_id: UUID | None = None,
) -> int:
    """Release one hold, or all that the recording has; how many there were. Twice is once."""
    await _lock(session, organization_id, recording_id)
    found = await list_holds(session, organization_id, recording_id)
    released = [hold for hold in found if hold_id in (None, hold.id)]
    for hold in released:
        hold.released_at = now
        append(
            session,
            organization_id,
            "recording.released",
            recording_id=recording_id,
            actor_user_id=actor_user_id,
            hold_id=str(hold.id),
        )
    return len(released)


async def list_holds(session: AsyncSession, organization_id: UUID, recording_id: UUID) -> Sequence[Hold]:
    """The holds that are in force, the oldest first."""
    query = (
        select(Hold)
        .where(
            Hold.organization_id == organization_id,
            Hold.recording_id == recording_id,
            Hold.released_at.is_(None),
        )
        .order_by(Hold.id)
    )
    return (await session.scalars(query)).all()


async def refuse_held(session: AsyncSession, organization_id: UUID, recording_id: UUID) -> None:
    """Raise `RECORDING_HELD` where a hold is in force. The recording must be locked."""
    for hold in await list_holds(session, organization_id, recording_id):
        raise Conflict(
            f"The recording is held ({hold.reason}); nothing of it may go before that is released.",
            ErrorCode.RECORDING_HELD,
            recording_id=str(recording_id),
        )


async def _lock(session: AsyncSession, organization_id: UUID, recording_id: UUID) -> None:
    """Locked, so that a removal at the same moment comes before, or sees the hold."""
    await lock_recording(session, organization_id, recording_id)
    await get_recording(session, organization_id, recording_id, deleted=True)
