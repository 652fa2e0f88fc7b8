"""Under which key another copy of a blob is written; `blobs.keys` builds it."""

from sqlalchemy.ext.asyncio import AsyncSession

from reelkeep.blobs.keys import KeyedBlob
from reelkeep.blobs.models import BlobKind
from reelkeep.clock import new_id
from reelkeep.placement.view import View
from reelkeep.recordings.blob_keys import blob_key_for
from reelkeep.runtime import Runtime


async def key_of_copy(session: AsyncSession, runtime: Runtime, view: View, store: str) -> str:
    """A key that no attempt before has had, by the template in force there; in the current unit of work."""
    blob = KeyedBlob(new_id(), BlobKind(view.blob.kind), view.blob.content_type)
    return await blob_key_for(
        session,
        runtime.stores,
        store,
        blob,
        organization_id=view.blob.organization_id,
        recording_id=view.recording_id,
    )
