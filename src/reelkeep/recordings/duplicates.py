"""The same bytes again: an older recording with them is noted and told; nothing is dropped for it."""

from uuid import UUID

from sqlalchemy import LargeBinary, ScalarSelect, Uuid, bindparam, select
from sqlalchemy.ext.asyncio import AsyncSession

from reelkeep.blobs.models import Blob
from reelkeep.recordings.models import Recording

#: Blobs with the same bytes that are looked at; where so many are in the trash, none is told.
LOOKED_AT_MAX = 32


def _older_with_same_bytes() -> ScalarSelect[UUID]:
    # The recording is asked for blob by blob, each by its index: written as a join, a plan that was made
    # while the tables were small reads every recording of the organization, at every seal.
    of_blob = (
        select(Recording.id)
        .where(
            Recording.organization_id == Blob.organization_id,
            Recording.original_blob_id == Blob.id,
            Recording.deleted_at.is_(None),
        )
        .limit(1)
        .scalar_subquery()
    )
    older = (
        select(of_blob.label("recording_id"))
        .where(
            Blob.organization_id == bindparam("same_organization_id", type_=Uuid()),
            Blob.sha256 == bindparam("same_sha256", type_=LargeBinary()),
            Blob.id < bindparam("same_before_blob_id", type_=Uuid()),
        )
        .order_by(Blob.id)
        .limit(LOOKED_AT_MAX)
        .subquery("older")
    )
    return select(older.c.recording_id).where(older.c.recording_id.is_not(None)).limit(1).scalar_subquery()


#: The first recording of the organization, outside the trash, that brought the same bytes before; with the
#: parameters of `same_bytes`. Ids are made in the order of time, so the first blobs are the oldest.
OLDER_WITH_SAME_BYTES = _older_with_same_bytes()


def same_bytes(organization_id: UUID, blob_id: UUID, sha256: bytes | None) -> dict[str, object]:
    """The parameters of `OLDER_WITH_SAME_BYTES`; without a digest nothing is found."""
    return {
        "same_organization_id": organization_id,
        "same_before_blob_id": blob_id,
        "same_sha256": sha256,
    }


async def note_duplicate(session: AsyncSession, recording: Recording) -> None:
    """Note it once the digest is known; for what the seal did not know, or could not see yet.

    Two seals of the same bytes at the same moment do not see each other; a later step does.
    """
    if recording.duplicate_of_recording_id or recording.uploaded_at is None:
        return
    blob = await session.get(Blob, (recording.organization_id, recording.original_blob_id))
    if blob is not None and blob.sha256 is not None:
        recording.duplicate_of_recording_id = await session.scalar(
            select(OLDER_WITH_SAME_BYTES), same_bytes(recording.organization_id, blob.id, blob.sha256)
        )
