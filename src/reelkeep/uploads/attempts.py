"""Remember which copies a seal makes before it makes them: a death in its midst leaves no bytes unknown."""

from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Text, cast, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from reelkeep.blobs.keys import blob_key
from reelkeep.logs import get_logger
from reelkeep.runtime import Runtime
from reelkeep.uploads.ending import SEALABLE
from reelkeep.uploads.models import Upload

log = get_logger(__name__)


_NOTE = text("""
update upload set seal_attempts = seal_attempts || to_jsonb(cast(:blob_id as text))
 where organization_id = :organization_id and id = :id and state in ('open', 'expired')
""")


async def note_attempt(session: AsyncSession, upload: Upload, blob_id: UUID) -> None:
    """Add the blob that is about to be made, where the upload can still be sealed; the commit that wins
    takes its own off the list."""
    values = {"organization_id": upload.organization_id, "id": upload.id, "blob_id": str(blob_id)}
    if upload.state in SEALABLE:
        await session.execute(_NOTE, values)


async def forget_attempts(runtime: Runtime, upload: Upload, *blob_ids: str) -> None:
    """Take blobs off the list whose bytes are gone."""
    rest: ColumnElement[Any] = Upload.seal_attempts.expression
    for blob_id in blob_ids:
        rest = rest.op("-")(cast(blob_id, Text))
    async with runtime.database.work(upload.organization_id) as session:
        await session.execute(
            update(Upload)
            .where(Upload.organization_id == upload.organization_id, Upload.id == upload.id)
            .values(seal_attempts=rest)
            .execution_options(synchronize_session=False)
        )


async def remove_attempts(runtime: Runtime, upload: Upload) -> int:
    """Remove what seals left that did not win; only once none can win any more."""
    store = runtime.stores.get(upload.store)
    left = [str(blob_id) for blob_id in upload.seal_attempts]
    for blob_id in left:
        await store.delete(blob_key(upload.organization_id, upload.recording_id, UUID(blob_id)))
    await forget_attempts(runtime, upload, *left)
    log.info("leftovers of seals removed", upload_id=str(upload.id), attempts=len(left))
    return len(left)
