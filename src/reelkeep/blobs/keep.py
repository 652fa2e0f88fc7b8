"""Write a blob and its first copy, or note bytes that a seal has put in place."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from reelkeep.blobs.models import Blob, BlobKind, Copy, CopyState
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
    #: Whose bytes they are.
    recording_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class PlannedBlob:
    """A blob before its bytes are written, and the key that they get; `recordings.blob_keys` plans one."""

    id: UUID
    recording_id: UUID
    key: str
    content_type: str


async def write_bytes(
    store: Store, planned: PlannedBlob, body: AsyncIterator[bytes], *, size_bytes: int
) -> KeptBytes:
    """Write new bytes under the key that was planned for them. Outside of any unit of work."""
    facts = await store.put(planned.key, body, content_type=planned.content_type, size_bytes=size_bytes)
    return KeptBytes(
        planned.id,
        store.name,
        planned.key,
        facts.size_bytes,
        planned.content_type,
        facts.sha256,
        planned.recording_id,
    )


def insert_blob(
    session: AsyncSession,
    organization_id: UUID,
    kind: BlobKind,
    kept: KeptBytes,
    *,
    degraded: bool = False,
) -> Blob:
    """Add the blob and its first copy in the current unit of work, which counts it last (`blobs.usage`)."""
    blob = Blob(
        organization_id=organization_id,
        id=kept.blob_id,
        recording_id=kept.recording_id,
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
        size_bytes=kept.size_bytes,
        degraded=degraded,
    )
    session.add_all([blob, copy])
    return blob
