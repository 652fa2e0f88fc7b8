"""How the copies of an organization are: what is missing or damaged, on its way, and when they were verified.

Read from indexes that hold only what is not as it should be, so that a million good copies cost nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, literal_column, or_, select

from reelkeep.blobs.models import Copy, CopyState
from reelkeep.events.models import BAD_COPY_KINDS, Event
from reelkeep.runtime import Runtime

#: More than this many are told as "at least".
COUNTED_MAX = 10_000
#: What was found bad is told for so long, also when it was made good at once.
FOUND_FOR = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Unsettled:
    """Copies in one store that are in a state other than present."""

    store: str
    state: str
    copies: int


@dataclass(frozen=True, slots=True)
class FoundBad:
    """Copies that were found missing or damaged lately, by whatever read them; most are good again."""

    since: datetime
    copies: int
    last_at: datetime | None


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
    found_bad: FoundBad
    #: Days in which every copy is read once, as set; None: none is read by itself.
    reading_days: int | None


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
    since = runtime.clock.now() - FOUND_FOR
    async with runtime.database.work(organization_id) as session:
        unsettled = [Unsettled(*row) for row in await session.execute(counted)]
        last, longest_ago, has_unverified = (await session.execute(verified)).one()
        found = (await session.execute(_found_bad(organization_id, since))).one()
    all_counted = sum(one.copies for one in unsettled) <= COUNTED_MAX
    return CopyStates(
        unsettled,
        all_counted,
        last,
        longest_ago,
        bool(has_unverified),
        FoundBad(since, *found),
        runtime.settings.scrub_days or None,
    )


def _found_bad(organization_id: UUID, since: datetime) -> Any:
    # Written out for the same reason: the index holds only these kinds.
    bad = or_(*(Event.kind == literal_column(f"'{kind}'") for kind in BAD_COPY_KINDS))
    return select(func.count(), func.max(Event.at)).where(
        Event.organization_id == organization_id, bad, Event.at >= since
    )
