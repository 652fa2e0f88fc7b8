"""Write a blob and its first copy, or note bytes that a seal has put in place."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from reelkeep.blobs.keys import blob_key
from reelkeep.blobs.models import Blob, BlobKind, Copy, CopyState
from reelkeep.clock import new_id
from reelkeep.stores.protocol import Store


@dataclass(frozen=True, slots=True)
class KeptBytes:
    """Durable bytes in one store that no row tells of yet: an orphan until `insert_blob` commits."""

    blob_id: UUID
    store: str
    key: str
    size_bytes: int
    content_type: str
    sha256: str | None


async def write_bytes(
    store: Store,
    organization_id: UUID,
    recording_id: UUID,
    body: AsyncIterator[bytes],
    *,
    content_type: str,
    size_bytes: int,
) -> KeptBytes:
    """Write new bytes under a key of their own. Outside of any unit of work."""
    blob_id = new_id()
    key = blob_key(organization_id, recording_id, blob_id)
    facts = await store.put(key, body, content_type=content_type, size_bytes=size_bytes)
    return KeptBytes(blob_id, store.name, key, facts.size_bytes, content_type, facts.sha256)


def insert_blob(session: AsyncSession, organization_id: UUID, kind: BlobKind, kept: KeptBytes) -> Blob:
    """Add the blob and its first copy in the current unit of work, which counts it last (`blobs.usage`)."""
    blob = Blob(
        organization_id=organization_id,
        id=kept.blob_id,
        kind=kind,
        size_bytes=kept.size_bytes,
        content_type=kept.content_type,
        sha256=bytes.fromhex(kept.sha256) if kept.sha256 else None,
    )
    copy = Copy(
        organization_id=organization_id,
        blob_id=kept.blob_id,
        store=kept.store,
        key=kept.key,
        state=CopyState.PRESENT,
    )
    session.add_all([blob, copy])
    return blob
