"""The keys of a recording's blobs: what a template may say of it, and the key of a new blob or a new copy."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from reelkeep.blobs.keep import PlannedBlob
from reelkeep.blobs.key_templates import load_templates
from reelkeep.blobs.keys import KeyedBlob, KeyFacts, blob_key
from reelkeep.blobs.models import Blob, BlobKind
from reelkeep.clock import new_id
from reelkeep.errors import ErrorCode, NotFound
from reelkeep.recordings.models import Recording
from reelkeep.runtime import Runtime, Stores

COMPRESSED = "application/gzip"


async def blob_key_for(
    session: AsyncSession,
    stores: Stores,
    store: str,
    blob: KeyedBlob,
    *,
    organization_id: UUID,
    recording_id: UUID | None,
) -> str:
    """The key of a blob in a store, by the template in force there now.

    One that belongs to no recording that is still there gets a key of ids alone: bytes must find a place
    whatever became of their row.
    """
    recording = None
    if recording_id is not None:
        recording = await session.get(Recording, (organization_id, recording_id))
    if recording is None:
        return blob_key(organization_id, recording_id or blob.id, blob.id)
    templates = await load_templates(session, organization_id)
    compressed = blob.content_type == COMPRESSED
    return templates.for_store(stores, store).build(facts_of(recording), blob, compressed=compressed)


async def key_in_store(
    session: AsyncSession, stores: Stores, store: str, organization_id: UUID, blob_id: UUID
) -> str:
    """The key of a further copy of a blob in a store: moving between stores lays it out anew.

    Raises `NOT_FOUND` when there is no such blob.
    """
    blob = await session.get(Blob, (organization_id, blob_id))
    if blob is None:
        raise NotFound("There is no such blob.", ErrorCode.NOT_FOUND, blob_id=str(blob_id))
    keyed = KeyedBlob(blob.id, BlobKind(blob.kind), blob.content_type)
    return await blob_key_for(
        session, stores, store, keyed, organization_id=organization_id, recording_id=blob.recording_id
    )


async def plan_blob(
    runtime: Runtime,
    store: str,
    kind: BlobKind,
    content_type: str,
    *,
    organization_id: UUID,
    recording_id: UUID,
    blob_id: UUID | None = None,
) -> PlannedBlob:
    """A new blob of a recording and the key that its bytes get in a store."""
    blob = KeyedBlob(blob_id or new_id(), kind, content_type)
    async with runtime.database.work(organization_id) as session:
        key = await blob_key_for(
            session,
            runtime.stores,
            store,
            blob,
            organization_id=organization_id,
            recording_id=recording_id,
        )
    return PlannedBlob(blob.id, recording_id, key, content_type)


def facts_of(recording: Recording) -> KeyFacts:
    """What a template may say of a recording."""
    return KeyFacts(
        organization_id=recording.organization_id,
        recording_id=recording.id,
        created_at=recording.created_at,
        user_id=recording.recorded_by_user_id,
        recording_type=recording.recording_type,
        appointment_id=recording.appointment_id,
        visit_id=recording.visit_id,
        session_id=recording.session_external_id,
        filename=recording.original_filename,
        metadata=recording.recording_metadata,
    )
