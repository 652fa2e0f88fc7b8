"""The same bytes again: an older recording with them is noted and told; nothing is dropped for it."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Select, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from reelkeep.blobs.models import Blob
from reelkeep.recordings.models import Recording


def older_with_same_bytes(
    organization_id: UUID, recording_id: UUID, uploaded_at: datetime, sha256: bytes
) -> Select[UUID]:
    """The first recording of the organization, outside the trash, that brought these bytes before."""
    return (
        select(Recording.id)
        .join(
            Blob,
            (Blob.organization_id == Recording.organization_id) & (Blob.id == Recording.original_blob_id),
        )
        .where(
            Blob.organization_id == organization_id,
            Blob.sha256 == sha256,
            Recording.deleted_at.is_(None),
            tuple_(Recording.uploaded_at, Recording.id) < (uploaded_at, recording_id),
        )
        .order_by(Recording.uploaded_at, Recording.id)
        .limit(1)
    )


async def note_duplicate(session: AsyncSession, recording: Recording) -> None:
    """Note it once the digest is known; for what the seal did not know, or could not see yet.

    Two seals of the same bytes at the same moment do not see each other; a later step does.
    """
    if recording.duplicate_of_recording_id or recording.uploaded_at is None:
        return
    blob = await session.get(Blob, (recording.organization_id, recording.original_blob_id))
    if blob is not None and blob.sha256 is not None:
        older = older_with_same_bytes(
            recording.organization_id, recording.id, recording.uploaded_at, blob.sha256
        )
        recording.duplicate_of_recording_id = await session.scalar(older)
