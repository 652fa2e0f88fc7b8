"""The job that reconciles, and how it is asked for."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from reelkeep.jobs.queue import JobName, enqueue
from reelkeep.placement.load import InForce

#: A queue of its own: moving terabytes must not hold up anybody's media.
RECONCILE = JobName("reconcile", queue="storage")
MOVES = JobName("moves", queue="storage")
#: Blobs of one job.
BLOBS_MAX = 50

_WAITING = text(
    "select count(*) from (select from procrastinate_jobs"
    " where task_name = :name and status in ('todo', 'doing') limit :most) as waiting"
)
_ASKED = text(
    "select args ->> 'blob_ids' from procrastinate_jobs where task_name = :name"
    " and (status = 'doing' or status = 'todo' and coalesce(scheduled_at, now()) <= now())"
)


async def enqueue_reconcile(session: AsyncSession, organization_id: UUID, blob_ids: Sequence[UUID]) -> None:
    """Ask for blobs to be brought to where they are wanted; runs if the current unit of work commits."""
    for first in range(0, len(blob_ids), BLOBS_MAX):
        batch = ",".join(str(blob_id) for blob_id in blob_ids[first : first + BLOBS_MAX])
        await enqueue(session, RECONCILE, organization_id=str(organization_id), blob_ids=batch)


async def enqueue_moves(session: AsyncSession) -> None:
    """Ask for moves between stores to be gone on with now, not at the next sweep."""
    await enqueue(session, MOVES)


async def enqueue_if_misplaced(
    session: AsyncSession,
    known: InForce,
    organization_id: UUID,
    blob_id: UUID,
    *,
    kind: str,
    store: str,
    degraded: bool = False,
) -> None:
    """Ask for it where a new blob's first copy is not all that is wanted."""
    if known.plain and not degraded:
        return
    places = known.wanted(organization_id, kind, timedelta())
    if degraded or [(place.store, place.storage_class) for place in places] != [(store, "")]:
        await enqueue_reconcile(session, organization_id, [blob_id])


async def reconciles_waiting(session: AsyncSession, most: int) -> int:
    """How many such jobs wait or are being done, counted up to `most`."""
    return int(await session.scalar(_WAITING, {"name": RECONCILE.name, "most": most}) or 0)


async def blobs_asked_for(session: AsyncSession) -> set[UUID]:
    """The blobs of jobs that are being done or about to begin; of those that wait out a failure, none."""
    asked = await session.scalars(_ASKED, {"name": RECONCILE.name})
    return {UUID(blob_id) for batch in asked for blob_id in batch.split(",")}
