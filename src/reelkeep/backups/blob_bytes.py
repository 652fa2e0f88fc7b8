"""A blob's bytes as they lie among backups: encrypted with the backups' key, some with another one before.

Where every copy of a blob lies in stores that we encrypt, its backup is first encrypted with its recording's
data key. So erasing that key makes the backup unreadable too, whoever has the backups' key. The size tells
which it is; the data keys are in the database's dump, wrapped by the master key.
"""

from collections.abc import AsyncIterator
from contextlib import aclosing

from reelkeep.backups.backup_key import BackupKey
from reelkeep.backups.blob_list import ListedBlob
from reelkeep.backups.layout import blob_copy_key
from reelkeep.backups.manifest import Source
from reelkeep.backups.sealed_stream import open_stream, seal_stream, sealed_size
from reelkeep.errors import KeyRefused
from reelkeep.runtime import Runtime
from reelkeep.stores.encrypted import open_pieces, seal_pieces
from reelkeep.stores.key_ring import KeyRing
from reelkeep.stores.sealed_segments import sealed_size as sealed_object_size


def is_shut(runtime: Runtime, blob: ListedBlob) -> bool:
    """Whether a blob is only in stores that we encrypt, as far as they are configured."""
    specs = [runtime.stores.specs[store] for store, _ in blob.copies if store in runtime.stores.specs]
    return bool(specs) and all(spec.encrypted for spec in specs)


def size_among_backups(runtime: Runtime, blob: ListedBlob) -> int:
    """How many bytes its backup has."""
    return sealed_size(sealed_object_size(blob.size_bytes) if is_shut(runtime, blob) else blob.size_bytes)


async def shut_bytes(
    runtime: Runtime, key: BackupKey, blob: ListedBlob, source_key: str, pieces: AsyncIterator[bytes]
) -> AsyncIterator[bytes]:
    """Plain bytes of a blob, from the copy under `source_key`, as they are to lie among backups."""
    name = blob_copy_key(blob.organization_id, blob.blob_id)
    if is_shut(runtime, blob):
        ring = _ring(runtime)
        pieces = seal_pieces(await ring.key_for(source_key), name, pieces)
    async for piece in seal_stream(key, name, pieces):
        yield piece


async def opened_bytes(runtime: Runtime, source: Source, blob: ListedBlob) -> AsyncIterator[bytes]:
    """The plain bytes of a blob from its backup.

    Raises as `sealed_stream.open_stream`; `KEY_ERASED` when its recording's key was erased, `ENCRYPTION_KEY`
    when the master key is not here.
    """
    name = blob_copy_key(blob.organization_id, blob.blob_id)
    facts = await source.store.head(name)
    pieces = open_stream(source.keys, name, source.store.read(name))
    if facts.size_bytes == sealed_size(blob.size_bytes):
        async for piece in pieces:
            yield piece
        return
    # Its own place in the store of recordings says whose it is: the backup's does not begin so.
    async with aclosing(open_pieces(_ring(runtime), name, blob.copies[0][1], pieces)) as plain:
        async for piece in plain:
            yield piece


def _ring(runtime: Runtime) -> KeyRing:
    if runtime.key_ring is None:
        raise KeyRefused(
            "These bytes are encrypted with their recordings' keys. Name the file of master keys by "
            "REELKEEP_ENCRYPTION_KEY_FILE.",
        )
    return runtime.key_ring
