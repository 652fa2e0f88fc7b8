"""Read events in the order in which they were committed, missing none."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select, text, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from reelkeep.events.models import Event


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """How far a reader has come."""

    epoch: int = 0
    xid: int = 0
    seq: int = 0


def position_of(event: Event) -> Position:
    """The position after this event."""
    return Position(event.epoch, int(event.xid), event.seq)


async def read_after(session: AsyncSession, position: Position, limit: int = 500) -> Sequence[Event]:
    """The next events of the organization in use, oldest first.

    Only transactions that no running one can precede are read: a slow writer's event is seen later,
    in its own place, and never skipped.
    """
    query = (
        select(Event)
        .where(
            text("event.xid < pg_snapshot_xmin(pg_current_snapshot())"),
            tuple_(Event.epoch, text("event.xid::text::bigint"), Event.seq)
            > (position.epoch, position.xid, position.seq),
        )
        .order_by(Event.epoch, Event.xid, Event.seq)
        .limit(limit)
    )
    return (await session.scalars(query)).all()
