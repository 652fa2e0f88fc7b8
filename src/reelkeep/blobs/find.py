"""Find a blob's bytes."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from reelkeep.blobs.models import COLD_CLASSES, Blob, Copy, CopyState, RestoreState
from reelkeep.errors import Conflict, ErrorCode, NotFound, ReelkeepError


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
    """The best copy of a blob; raises as `locate_all`."""
    return (await locate_all(session, organization_id, blob_id))[0]


async def locate_all(session: AsyncSession, organization_id: UUID, blob_id: UUID) -> list[Located]:
    """Every copy that can be read now, the best first: where it was wanted, then the oldest.

    Raises `COPY_ARCHIVED` when the only copies have to be asked for first, and `COPY_LOST` when there are
    none.
    """
    query = (
        select(Blob, Copy)
        .join(Copy, (Copy.organization_id == Blob.organization_id) & (Copy.blob_id == Blob.id))
        .where(Blob.organization_id == organization_id, Blob.id == blob_id, Copy.state == CopyState.PRESENT)
        .order_by(Copy.degraded, Copy.id)
    )
    rows = (await session.execute(query)).all()
    found = [located(blob, copy.store, copy.key) for blob, copy in rows if is_readable(copy)]
    if found:
        return found
    raise _archived(blob_id, [copy for _, copy in rows]) if rows else lost(blob_id)


def is_readable(copy: Copy) -> bool:
    """Whether a copy that is present can be read now, not only after it was asked for."""
    return copy.storage_class not in COLD_CLASSES or copy.restore_state == RestoreState.READY


def lost(blob_id: UUID) -> ReelkeepError:
    """The refusal where no store has a copy."""
    return NotFound(
        "No store has a copy of these bytes; `reelkeep storage check` says where they should be.",
        ErrorCode.COPY_LOST,
        blob_id=str(blob_id),
    )


def _archived(blob_id: UUID, copies: list[Copy]) -> ReelkeepError:
    asked = any(copy.restore_state in (RestoreState.ASKED, RestoreState.PENDING) for copy in copies)
    then = "They were asked for and are not ready yet" if asked else "Ask for them first; that takes hours"
    return Conflict(
        f"These bytes lie in an archive class. {then}.",
        ErrorCode.COPY_ARCHIVED,
        blob_id=str(blob_id),
        restore_state=RestoreState.PENDING if asked else None,
        stores=[copy.store for copy in copies],
    )


def located(blob: Blob, store: str, key: str) -> Located:
    """A blob at this key of this store."""
    sha256 = blob.sha256.hex() if blob.sha256 else None
    return Located(blob.id, store, key, blob.size_bytes, blob.content_type, sha256)
