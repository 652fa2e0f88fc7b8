"""How the copies of an organization are: what is missing or damaged, on its way, and when they were verified.

Read from indexes that hold only what is not as it should be, so that a million good copies cost nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, literal_column, select

from reelkeep.blobs.models import Copy, CopyState
from reelkeep.runtime import Runtime

#: More than this many are told as "at least".
COUNTED_MAX = 10_000


@dataclass(frozen=True, slots=True)
class Unsettled:
    """Copies in one store that are in a state other than present."""

    store: str
    state: str
    copies: int


@dataclass(frozen=True, slots=True)
class CopyStates:
    """How an organization's copies are."""

    unsettled: Sequence[Unsettled]
    #: False: there are more than were counted.
    all_counted: bool
    #: When a copy was last read back and found right; None: none ever was.
    verified_last: datetime | None
    #: Of the copies that ever were, the one whose turn was longest ago.
    verified_longest_ago: datetime | None
    has_unverified: bool


async def copy_states_of(runtime: Runtime, organization_id: UUID) -> CopyStates:
    """How they are now."""
    mine = Copy.organization_id == organization_id
    # Written out, not a parameter: only so does every plan see that the index of the unsettled will do.
    unsettled_ones = Copy.state != literal_column(f"'{CopyState.PRESENT}'")
    some = select(Copy.store, Copy.state).where(mine, unsettled_ones).limit(COUNTED_MAX + 1).subquery()
    counted = (
        select(some.c.store, some.c.state, func.count())
        .group_by(some.c.store, some.c.state)
        .order_by(some.c.store, some.c.state)
    )
    verified = select(
        select(func.max(Copy.verified_at)).where(mine).scalar_subquery(),
        select(func.min(Copy.verified_at)).where(mine).scalar_subquery(),
        select(Copy.id).where(mine, Copy.verified_at.is_(None)).exists(),
    )
    async with runtime.database.work(organization_id) as session:
        unsettled = [Unsettled(*row) for row in await session.execute(counted)]
        last, longest_ago, has_unverified = (await session.execute(verified)).one()
    all_counted = sum(one.copies for one in unsettled) <= COUNTED_MAX
    return CopyStates(unsettled, all_counted, last, longest_ago, bool(has_unverified))
