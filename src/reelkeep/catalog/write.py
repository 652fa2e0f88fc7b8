"""Write what describes a recording into the store where its original lies, and keep it as it is now.

    gather → put under a key that follows from the content → commit, if it is still so → remove older ones

The process may die between any two of these, and two may do it at once: the same facts give the same blob
under the same key, and under the recording's lock only what is true then is committed.
"""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from uuid import UUID

from sqlalchemy import Update, delete, exists, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from reelkeep.blobs.keep import KeptBytes, insert_blob, write_bytes
from reelkeep.blobs.models import Blob, BlobKind, Copy, CopyState
from reelkeep.blobs.usage import count_usage
from reelkeep.catalog.about import ABOUT_TYPE, About, id_of, to_bytes
from reelkeep.catalog.state import Known, gather
from reelkeep.errors import StoreError
from reelkeep.logs import get_logger
from reelkeep.recordings.advance import lock_recording
from reelkeep.recordings.blob_keys import plan_blob
from reelkeep.runtime import Runtime
from reelkeep.stores.erase import delete_for_good

log = get_logger(__name__)

#: So often the facts may change while they are written; the next job writes them otherwise.
TRIES_MAX = 5


async def describe_recording(runtime: Runtime, organization_id: UUID, recording_id: UUID) -> None:
    """Make the file beside the recording's original tell what is known now; nothing where it does already.

    Raises what the store raises; then the job that asked comes again.
    """
    for _ in range(TRIES_MAX):
        async with runtime.database.work(organization_id) as session:
            known = await gather(session, organization_id, recording_id)
        if known is None or await _describe(runtime, known):
            break
    await _remove_older(runtime, organization_id, recording_id)


async def _describe(runtime: Runtime, known: Known) -> bool:
    """Whether what was gathered is written, and was still so at the end."""
    about = known.about
    body = await asyncio.to_thread(to_bytes, about)
    blob_id = id_of(about.recording_id, body)
    async with runtime.database.work(about.organization_id) as session:
        if await session.get(Blob, (about.organization_id, blob_id)):
            return True
    planned = await plan_blob(
        runtime,
        known.store,
        BlobKind.SIDECAR,
        ABOUT_TYPE,
        organization_id=about.organization_id,
        recording_id=about.recording_id,
        blob_id=blob_id,
    )
    store = runtime.stores.get(known.store)
    kept = await write_bytes(store, planned, one_piece(body), size_bytes=len(body))
    async with runtime.database.work(about.organization_id) as session:
        await lock_recording(session, about.organization_id, about.recording_id)
        if await gather(session, about.organization_id, about.recording_id) == known:
            older = _let_older_go(about, blob_id, runtime.clock.now())
            await keep_once(session, about.organization_id, BlobKind.SIDECAR, kept, older)
            return True
    await delete_for_good(store, planned.key)
    return False


async def keep_once(
    session: AsyncSession, organization_id: UUID, kind: BlobKind, kept: KeptBytes, beside: Update
) -> None:
    """Add the blob unless it is there, and with it what follows from that.

    The recording must be locked; the last of its unit of work.
    """
    is_new = await session.get(Blob, (organization_id, kept.blob_id)) is None
    if is_new:
        insert_blob(session, organization_id, kind, kept)
        await session.flush()
    await session.execute(beside.execution_options(synchronize_session=False))
    if is_new:
        await count_usage(session, organization_id, bytes_used=kept.size_bytes)


async def one_piece(body: bytes) -> AsyncIterator[bytes]:
    """Bytes in memory as a body."""
    yield body


def _let_older_go(about: About, blob_id: UUID, now: datetime) -> Update:
    older = select(Blob.id).where(
        Blob.organization_id == about.organization_id,
        Blob.recording_id == about.recording_id,
        Blob.kind == BlobKind.SIDECAR,
        Blob.id != blob_id,
    )
    return (
        update(Copy)
        .where(Copy.organization_id == about.organization_id, Copy.blob_id.in_(older))
        .values(state=CopyState.DELETING, remove_after=now)
    )


async def _remove_older(runtime: Runtime, organization_id: UUID, recording_id: UUID) -> None:
    """Remove files that were let go, each from every store; one that is away keeps its own until the next
    time."""
    for blob_id, places in (await _older(runtime, organization_id, recording_id)).items():
        try:
            for store, key in places:
                await delete_for_good(runtime.stores.get(store), key)
        except StoreError as error:
            log.info("an older description stays for now", blob_id=str(blob_id), error_code=error.code)
            continue
        async with runtime.database.work(organization_id) as session:
            this = (Blob.organization_id == organization_id, Blob.id == blob_id)
            gone = await session.scalar(delete(Blob).where(*this).returning(Blob.size_bytes))
            if gone is not None:
                await count_usage(session, organization_id, bytes_used=-gone)


async def _older(
    runtime: Runtime, organization_id: UUID, recording_id: UUID
) -> dict[UUID, list[tuple[str, str]]]:
    """Those of which every copy is let go, or gone, with where they still lie."""
    stays = aliased(Copy)
    wanted = exists().where(
        stays.organization_id == Blob.organization_id,
        stays.blob_id == Blob.id,
        stays.state != CopyState.DELETING,
    )
    query = (
        select(Blob.id, Copy.store, Copy.key)
        .outerjoin(Copy, (Copy.organization_id == Blob.organization_id) & (Copy.blob_id == Blob.id))
        .where(
            Blob.organization_id == organization_id,
            Blob.recording_id == recording_id,
            Blob.kind == BlobKind.SIDECAR,
            ~wanted,
        )
    )
    async with runtime.database.work(organization_id) as session:
        rows = (await session.execute(query)).all()
    found: dict[UUID, list[tuple[str, str]]] = {}
    for blob_id, store, key in rows:
        places = found.setdefault(blob_id, [])
        if store is not None:
            places.append((store, key))
    return found
