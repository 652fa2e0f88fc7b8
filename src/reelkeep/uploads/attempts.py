"""Remember which copies a seal makes before it makes them: a death in its midst leaves no bytes unknown.

An attempt is noted by its key. Older versions noted the blob's id alone, when every key had one form.
"""

from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Text, cast, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from reelkeep.blobs.keys import blob_key
from reelkeep.logs import get_logger
from reelkeep.runtime import Runtime
from reelkeep.stores.erase import delete_for_good
from reelkeep.uploads.ending import SEALABLE
from reelkeep.uploads.models import Upload

log = get_logger(__name__)


_NOTE = text("""
update upload set seal_attempts = seal_attempts || to_jsonb(cast(:key as text))
 where organization_id = :organization_id and id = :id and state in ('open', 'expired')
""")


async def note_attempt(session: AsyncSession, upload: Upload, key: str) -> None:
    """Add the key that is about to be written, where the upload can still be sealed; the commit that wins
    takes its own off the list."""
    values = {"organization_id": upload.organization_id, "id": upload.id, "key": key}
    if upload.state in SEALABLE:
        await session.execute(_NOTE, values)


async def forget_attempts(runtime: Runtime, upload: Upload, *attempts: str) -> None:
    """Take attempts off the list whose bytes are gone."""
    rest: ColumnElement[Any] = Upload.seal_attempts.expression
    for attempt in attempts:
        rest = rest.op("-")(cast(attempt, Text))
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
    left = [str(attempt) for attempt in upload.seal_attempts]
    for attempt in left:
        await delete_for_good(store, _key_of(upload, attempt))
    await forget_attempts(runtime, upload, *left)
    log.info("leftovers of seals removed", upload_id=str(upload.id), attempts=len(left))
    return len(left)


def _key_of(upload: Upload, attempt: str) -> str:
    if "/" in attempt:
        return attempt
    return blob_key(upload.organization_id, upload.recording_id, UUID(attempt))
