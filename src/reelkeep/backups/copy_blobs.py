"""Bring the bytes of listed blobs into the store of backups: those that are not there yet, each proved.

Two sorted streams are walked side by side, the list and what the store has, so that neither is ever held
whole in memory and no blob is asked for by itself.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

from reelkeep.backups.backup_key import BackupKey
from reelkeep.backups.blob_bytes import shut_bytes, size_among_backups
from reelkeep.backups.blob_list import ListedBlob
from reelkeep.backups.layout import BLOBS, blob_copy_key
from reelkeep.errors import ReelkeepError, StoreUnavailable, WrongBytes
from reelkeep.logs import get_logger
from reelkeep.runtime import Runtime
from reelkeep.stores.protocol import ObjectFacts, Store

AT_ONCE = 4

log = get_logger(__name__)


@dataclass(slots=True)
class Copied:
    """What the copying of one backup came to."""

    blobs: int = 0
    bytes: int = 0
    missing: int = 0


async def copy_blobs(
    runtime: Runtime, store: Store, key: BackupKey, blobs: AsyncIterator[ListedBlob]
) -> Copied:
    """Copy what is not there; a blob that no store can give is counted, told in the log, and no failure."""
    copied = Copied()
    gate = asyncio.Semaphore(AT_ONCE)
    async with asyncio.TaskGroup() as group:
        async for blob in _not_there(runtime, blobs, store.list_objects(BLOBS)):
            await gate.acquire()
            task = group.create_task(_copy(runtime, store, key, blob, copied))
            task.add_done_callback(lambda _: gate.release())
    return copied


async def _not_there(
    runtime: Runtime, blobs: AsyncIterator[ListedBlob], objects: AsyncIterator[ObjectFacts]
) -> AsyncIterator[ListedBlob]:
    there = await anext(objects, None)
    async for blob in blobs:
        key = blob_copy_key(blob.organization_id, blob.blob_id)
        while there is not None and there.key < key:
            there = await anext(objects, None)
        if there is None or there.key != key or there.size_bytes != size_among_backups(runtime, blob):
            yield blob


async def _copy(runtime: Runtime, store: Store, key: BackupKey, blob: ListedBlob, copied: Copied) -> None:
    name = blob_copy_key(blob.organization_id, blob.blob_id)
    for source, source_key in blob.copies:
        if source not in runtime.stores.by_name:
            continue
        pieces = proved(runtime.stores.get(source).read(source_key), blob)
        try:
            await store.put(
                name,
                shut_bytes(runtime, key, blob, source_key, pieces),
                content_type="application/octet-stream",
                size_bytes=size_among_backups(runtime, blob),
            )
        except StoreUnavailable:
            raise
        except ReelkeepError as error:
            log.warning(
                "a copy cannot be backed up", blob_id=str(blob.blob_id), store=source, error=error.message
            )
            continue
        copied.blobs += 1
        copied.bytes += blob.size_bytes
        return
    log.error("no store has these bytes, so no backup has them", blob_id=str(blob.blob_id))
    copied.missing += 1


async def proved(pieces: AsyncIterator[bytes], blob: ListedBlob) -> AsyncIterator[bytes]:
    """The bytes of a blob; raises `WrongBytes` at their end when they are not those that were sealed."""
    digest, size_bytes = hashlib.sha256(), 0
    async for piece in pieces:
        digest.update(piece)
        size_bytes += len(piece)
        yield piece
    if size_bytes != blob.size_bytes or blob.sha256 not in (None, digest.hexdigest()):
        raise WrongBytes(
            "The store gave other bytes than were sealed.", blob_id=str(blob.blob_id), size_bytes=size_bytes
        )
