"""Under which keys further copies of blobs are written; `blobs.keys` builds them."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, any_, literal, select
from sqlalchemy.ext.asyncio import AsyncSession

from reelkeep.blobs.key_templates import load_templates
from reelkeep.blobs.keys import KeyedBlob, blob_key
from reelkeep.blobs.models import BlobKind
from reelkeep.clock import new_id
from reelkeep.placement.view import View
from reelkeep.recordings.blob_keys import COMPRESSED, facts_of
from reelkeep.recordings.models import Recording
from reelkeep.runtime import Runtime


async def keys_of_copies(
    session: AsyncSession, runtime: Runtime, organization_id: UUID, wanted: Sequence[tuple[View, str]]
) -> list[str]:
    """A key that no attempt before has had for each of these blobs in its store, by the template in force."""
    templates = await load_templates(session, organization_id)
    owners = {view.recording_id or view.blob.recording_id for view, _ in wanted} - {None}
    among = any_(literal(list(owners), ARRAY(Uuid)))
    query = select(Recording).where(Recording.organization_id == organization_id, Recording.id == among)
    recordings = {recording.id: recording for recording in await session.scalars(query)}
    keys = []
    for view, store in wanted:
        owner = view.recording_id or view.blob.recording_id
        blob = KeyedBlob(new_id(), BlobKind(view.blob.kind), view.blob.content_type)
        recording = recordings.get(owner) if owner else None
        if recording is None:
            keys.append(blob_key(organization_id, owner or view.blob.id, blob.id))
            continue
        template = templates.for_store(runtime.stores, store)
        compressed = view.blob.content_type == COMPRESSED
        keys.append(template.build(facts_of(recording), blob, compressed=compressed))
    return keys
