"""Find a blob's bytes."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from reelkeep.blobs.models import Blob, Copy, CopyState
from reelkeep.errors import ErrorCode, NotFound


@dataclass(frozen=True, slots=True)
class Located:
    """A blob and the copy to read it from."""

    blob_id: UUID
    store: str
    key: str
    size_bytes: int
    content_type: str
    sha256: str | None


async def locate(session: AsyncSession, organization_id: UUID, blob_id: UUID) -> Located:
    """The best copy of a blob: the oldest that is present."""
    query = (
        select(Blob, Copy)
        .join(Copy, (Copy.organization_id == Blob.organization_id) & (Copy.blob_id == Blob.id))
        .where(Blob.organization_id == organization_id, Blob.id == blob_id, Copy.state == CopyState.PRESENT)
        .order_by(Copy.id)
        .limit(1)
    )
    row = (await session.execute(query)).first()
    if row is None:
        raise NotFound(
            "No store has a copy of these bytes; run `reelkeep doctor`.",
            ErrorCode.OBJECT_NOT_FOUND,
            blob_id=str(blob_id),
        )
    blob, copy = row
    return located(blob, copy.store, copy.key)


def located(blob: Blob, store: str, key: str) -> Located:
    """A blob at this key of this store."""
    sha256 = blob.sha256.hex() if blob.sha256 else None
    return Located(blob.id, store, key, blob.size_bytes, blob.content_type, sha256)
