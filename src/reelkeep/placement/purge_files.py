"""Removing the files that describe a recording which was purged: its words and facts, beside its original.

Rules may still want them somewhere, since no table names their owner, so reconcile would keep them: this job
takes them away, from every store, before their rows.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, exists, select
from sqlalchemy.ext.asyncio import AsyncSession

from reelkeep.blobs.invalidate import invalidate
from reelkeep.blobs.models import Blob, Copy, CopyState
from reelkeep.blobs.usage import count_usage
from reelkeep.clock import new_id
from reelkeep.errors import ReelkeepError, StoreUnavailable
from reelkeep.jobs.queue import JobName, enqueue
from reelkeep.placement.queue import BLOBS_MAX
from reelkeep.placement.remove import append_removed
from reelkeep.recordings.models import Recording
from reelkeep.runtime import Runtime
from reelkeep.stores.erase import delete_for_good

PURGE_FILES = JobName("purge_files", queue="storage")


async def enqueue_removal(session: AsyncSession, organization_id: UUID, blob_ids: Sequence[UUID]) -> None:
    """Ask for such files to be removed; runs if the current unit of work commits."""
    for first in range(0, len(blob_ids), BLOBS_MAX):
        batch = ",".join(str(blob_id) for blob_id in blob_ids[first : first + BLOBS_MAX])
        await enqueue(session, PURGE_FILES, organization_id=str(organization_id), blob_ids=batch)


async def remove_files(runtime: Runtime, organization_id: UUID, blob_ids: Sequence[UUID]) -> None:
    """The job's body: remove what is left of them; twice is once.

    Raises the first failure when all have been tried, so that the job comes again.
    """
    failures: list[ReelkeepError] = []
    for blob_id in blob_ids:
        try:
            await _remove(runtime, organization_id, blob_id)
        except ReelkeepError as error:  # one store that is away must not keep the bytes of the others
            failures.append(error)
    if failures:
        raise failures[0]


def is_being_written(copy: Copy, now: datetime) -> bool:
    """Whether somebody is believed to be writing it."""
    return copy.state == CopyState.MAKING and copy.claimed_until is not None and copy.claimed_until > now


async def _remove(runtime: Runtime, organization_id: UUID, blob_id: UUID) -> None:
    for copy in await _claim(runtime, organization_id, blob_id):
        whole = await delete_for_good(runtime.stores.get(copy.store), copy.key)
        async with runtime.database.work(organization_id) as session:
            this = (Copy.organization_id == organization_id, Copy.id == copy.id, Copy.key == copy.key)
            await session.execute(delete(Copy).where(*this, Copy.state == CopyState.DELETING))
            append_removed(session, copy, versions_left=not whole)
            await invalidate(session, runtime, copy.store, [copy.key])
    async with runtime.database.work(organization_id) as session:
        left = exists().where(Copy.organization_id == organization_id, Copy.blob_id == blob_id)
        this_blob = (Blob.organization_id == organization_id, Blob.id == blob_id)
        gone = await session.scalar(delete(Blob).where(*this_blob, ~left).returning(Blob.size_bytes))
        if gone is not None:
            await count_usage(session, organization_id, bytes_used=-gone)


async def _claim(runtime: Runtime, organization_id: UUID, blob_id: UUID) -> Sequence[Copy]:
    """Its copies, each marked as one whose removal has begun: from then on nobody takes it back.

    None where its recording is there after all. One that is being written is waited for.
    """
    now = runtime.clock.now()
    async with runtime.database.work(organization_id) as session:
        this = (Blob.organization_id == organization_id, Blob.id == blob_id)
        blob = await session.scalar(select(Blob).where(*this).with_for_update())
        if blob is None or blob.recording_id is None:
            return ()
        if await session.get(Recording, (organization_id, blob.recording_id)) is not None:
            return ()
        query = select(Copy).where(Copy.organization_id == organization_id, Copy.blob_id == blob_id)
        copies = (await session.scalars(query)).all()
        for copy in copies:
            if is_being_written(copy, now):
                raise StoreUnavailable("A copy of a purged file is being written; it is removed later.")
            if copy.state != CopyState.DELETING or copy.claim_id is None:
                copy.state, copy.claim_id, copy.remove_after = CopyState.DELETING, new_id(), now
        return copies
