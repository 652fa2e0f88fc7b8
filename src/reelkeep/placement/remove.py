"""The end of copies, of renditions that are made again on demand, and of blobs that nothing needs."""

from typing import Any

from sqlalchemy import delete, func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from reelkeep.blobs.invalidate import invalidate
from reelkeep.blobs.models import Blob, Copy, CopyState
from reelkeep.blobs.usage import count_usage
from reelkeep.events.append import append
from reelkeep.placement.view import OWNED_KINDS, View, owners_of
from reelkeep.runtime import Runtime

# Not of a recording whose original a retention rule has removed: nothing could make it again.
UNMAKE = text(
    "delete from rendition m using recording r where m.organization_id = :organization_id"
    " and m.blob_id = :blob_id and r.organization_id = m.organization_id and r.id = m.recording_id"
    " and r.original_blob_id is not null returning m.id"
)


async def unmake(runtime: Runtime, view: View) -> None:
    """Forget a rendition that is made again on demand; its blob is then needed by nothing."""
    blob = view.blob
    async with runtime.database.work(blob.organization_id) as session:
        values = {"organization_id": blob.organization_id, "blob_id": blob.id}
        if await session.scalar(UNMAKE, values) is None:
            return
        append(
            session,
            blob.organization_id,
            "rendition.unmade",
            recording_id=view.recording_id,
            blob_id=str(blob.id),
            of=blob.kind,
        )


def append_removed(session: AsyncSession, copy: Copy, *, versions_left: bool) -> None:
    """Tell that a copy's bytes are gone, and where older versions of them could not be removed."""
    left: dict[str, Any] = {"versions_left": True} if versions_left else {}
    append(session, copy.organization_id, "copy.removed", blob_id=str(copy.blob_id), store=copy.store, **left)


async def forget_copy(runtime: Runtime, copy: Copy, *, versions_left: bool = False) -> None:
    """Take away the row of a copy whose bytes are gone; with the last, a blob that nothing needs."""
    async with runtime.database.work(copy.organization_id) as session:
        query = select(Blob).where(Blob.organization_id == copy.organization_id, Blob.id == copy.blob_id)
        blob = await session.scalar(query.with_for_update())
        gone = delete(Copy).where(
            Copy.organization_id == copy.organization_id,
            Copy.id == copy.id,
            Copy.state == CopyState.DELETING,
            Copy.key == copy.key,
        )
        await session.execute(gone.execution_options(synchronize_session=False))
        append_removed(session, copy, versions_left=versions_left)
        await invalidate(session, runtime, copy.store, [copy.key])
        if blob is not None:
            await _forget_blob(session, blob)


async def _forget_blob(session: AsyncSession, blob: Blob) -> None:
    left = select(func.count()).where(Copy.organization_id == blob.organization_id, Copy.blob_id == blob.id)
    if blob.kind not in OWNED_KINDS or await session.scalar(left):
        return
    if await owners_of(session, blob.organization_id, [blob.id]):
        return
    size_bytes = blob.size_bytes
    await session.delete(blob)
    await session.flush()
    await count_usage(session, blob.organization_id, bytes_used=-size_bytes)
