"""Rounds over all rows of all organizations, page by page: bounded in memory, resumable after any death.

How far a round is stands in its row. A page's jobs and the step forward commit together, so that nothing is
skipped and, of two processes that read the same page, one goes on and the other finds it done.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from uuid import UUID

from sqlalchemy import CursorResult, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from reelkeep.placement.models import PlacementPass
from reelkeep.placement.queue import enqueue_reconcile, reconciles_waiting
from reelkeep.runtime import Runtime

#: A round waits while so many jobs do: the queue stays short, whatever there is to move.
JOBS_MAX = 200


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a round is: after this row of this organization."""

    organization_id: UUID | None = None
    after_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Rows that were looked at, and the blobs among them that are not as they should be."""

    looked_at: int
    #: The last row; None when there was none.
    last: Spot | None
    blobs: Sequence[tuple[UUID, UUID]]
    #: Whether these were the last rows.
    ends: bool


Look = Callable[[AsyncSession, Spot], Awaitable[Page]]
"""Read the next page, in a unit of work of the sweep's role."""


async def begin_round(runtime: Runtime, name: str) -> None:
    """Begin at the beginning, whether a round of this name is under way or not."""
    fresh = {
        "organization_id": None,
        "after_id": None,
        "looked_at": 0,
        "found": 0,
        "began_at": runtime.clock.now(),
        "ended_at": None,
    }
    row = insert(PlacementPass).values(name=name, **fresh)
    async with runtime.database.directory() as session:
        await session.execute(row.on_conflict_do_update(index_elements=[PlacementPass.name], set_=fresh))


async def find_round(runtime: Runtime, name: str) -> PlacementPass | None:
    """The round of this name, also one that has ended."""
    async with runtime.database.directory() as session:
        return await session.get(PlacementPass, name)


async def advance_round(runtime: Runtime, name: str, look: Look, *, pages_max: int = 1_000) -> bool:
    """Take pages until the queue is full or the round ends; whether it has ended."""
    for _ in range(pages_max):
        row = await find_round(runtime, name)
        if row is None or row.ended_at is not None:
            return True
        async with runtime.database.directory() as session:
            if await reconciles_waiting(session, JOBS_MAX) >= JOBS_MAX:
                return False
        spot = Spot(row.organization_id, row.after_id)
        async with runtime.database.sweep() as session:
            page = await look(session, spot)
        await _take(runtime, name, spot, page)
    return False


async def _take(runtime: Runtime, name: str, spot: Spot, page: Page) -> bool:
    """Step over the page and ask for its jobs, unless another process has done so."""
    last = page.last or spot
    async with runtime.database.directory() as session:
        stepped = await session.execute(
            update(PlacementPass)
            .where(
                PlacementPass.name == name,
                PlacementPass.ended_at.is_(None),
                PlacementPass.organization_id.is_not_distinct_from(spot.organization_id),
                PlacementPass.after_id.is_not_distinct_from(spot.after_id),
            )
            .values(
                organization_id=last.organization_id,
                after_id=last.after_id,
                looked_at=PlacementPass.looked_at + page.looked_at,
                found=PlacementPass.found + len(page.blobs),
                ended_at=runtime.clock.now() if page.ends else None,
            )
            .execution_options(synchronize_session=False)
        )
        if not isinstance(stepped, CursorResult) or stepped.rowcount != 1:
            return False
        for organization_id, found in groupby(page.blobs, key=lambda blob: blob[0]):
            await enqueue_reconcile(session, organization_id, [blob_id for _, blob_id in found])
    return True
