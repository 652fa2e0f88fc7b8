"""Finish what clients left: seal what arrived and nobody completed, end what never came, tidy `incoming/`."""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select
from sqlalchemy import update as update_rows

from reelkeep.blobs.keys import INCOMING, upload_of_key
from reelkeep.errors import Conflict, ErrorCode, ReelkeepError
from reelkeep.logs import get_logger, log_context
from reelkeep.runtime import Runtime
from reelkeep.stores.protocol import ObjectFacts, Store
from reelkeep.uploads.models import Upload, UploadState
from reelkeep.uploads.seal import SEALABLE, Claims, refuse, seal

log = get_logger(__name__)

BATCH = 100
#: A form that was begun just before its ticket ended may still be coming in.
GRACE = timedelta(minutes=5)
#: Bytes under `incoming/` that no open upload needs are removed when they are this old.
LEFTOVER_AGE = timedelta(hours=1)
UNKNOWN_AGE = timedelta(hours=24)
#: Bytes that are not those that were declared, under a ticket that can bring no others, are kept so long.
UNSEALED_AGE = timedelta(days=7)
SEND_AGAIN = frozenset(
    {ErrorCode.UPLOAD_SIZE_MISMATCH, ErrorCode.UPLOAD_DIGEST_MISMATCH, ErrorCode.UPLOAD_EMPTY}
)


async def sweep_uploads(runtime: Runtime) -> int:
    """Look at every upload that is due; how many were looked at."""
    now = runtime.clock.now()
    due = (
        select(Upload.organization_id, Upload.id)
        .where(Upload.state == UploadState.OPEN, Upload.sweep_after <= now)
        .order_by(Upload.sweep_after)
        .limit(BATCH)
    )
    async with runtime.database.sweep() as session:
        rows = (await session.execute(due)).all()
    for organization_id, upload_id in rows:
        with log_context(organization_id=organization_id, upload_id=upload_id):
            await _settle(runtime, organization_id, upload_id, now)
    return len(rows)


async def _settle(
    runtime: Runtime, organization_id: UUID, upload_id: UUID, now: datetime
) -> ErrorCode | None:
    """Seal the upload if its bytes came, end it if its time is over, else look again later.

    The code says why it was not sealed.
    """
    async with runtime.database.work(organization_id) as session:
        upload = await session.get(Upload, (organization_id, upload_id))
    if upload is None or upload.state not in SEALABLE:
        return None
    try:
        await seal(runtime, organization_id, upload.recording_id, Claims())
        log.info("upload sealed that nobody completed")
        return None
    except ReelkeepError as error:
        log.info("upload not sealed by the sweep", error_code=error.code)
        code = error.code
        over = now > upload.expires_at + GRACE
        if over and upload.state == UploadState.OPEN and error.retry_after_seconds is None:
            await refuse(runtime, upload, _expired(upload, error), UploadState.EXPIRED)
            return code
    except Exception as error:  # one that nobody can seal must not hold up all that are due after it
        log.error("upload not sealed by the sweep, unexpectedly", exc_info=error)
        code = ErrorCode.INTERNAL_ERROR
    await _look_again(runtime, upload, now)
    return code


def _expired(upload: Upload, error: ReelkeepError) -> ReelkeepError:
    if error.code != ErrorCode.UPLOAD_INCOMPLETE:
        return error
    return Conflict(
        "The ticket ended and no bytes had arrived. If the file still exists, upload it again.",
        ErrorCode.UPLOAD_EXPIRED,
        recording_id=str(upload.recording_id),
    )


async def _look_again(runtime: Runtime, upload: Upload, now: datetime) -> None:
    """Next time after as long again as the upload is old, so that a long wait costs few looks."""
    age = max(now - upload.created_at, timedelta(minutes=1))
    async with runtime.database.work(upload.organization_id) as session:
        await session.execute(
            update_rows(Upload)
            .where(Upload.organization_id == upload.organization_id, Upload.id == upload.id)
            .values(sweep_after=min(now + age, max(upload.expires_at + GRACE, now + GRACE)))
        )


async def sweep_incoming(runtime: Runtime) -> int:
    """Walk `incoming/` of every store: seal what came late, remove what nothing needs; how many removed."""
    removed = 0
    for store in runtime.stores.by_name.values():
        async for facts in store.list_objects(INCOMING):
            if await _tidy_one(runtime, store, facts):
                removed += 1
    return removed


async def _tidy_one(runtime: Runtime, store: Store, facts: ObjectFacts) -> bool:
    now = runtime.clock.now()
    age = now - facts.modified_at
    ids = upload_of_key(facts.key)
    upload = await _find(runtime, *ids) if ids else None
    if upload is None:
        return age > UNKNOWN_AGE and await _remove(store, facts.key)
    if upload.state == UploadState.EXPIRED:
        code = await _settle(runtime, upload.organization_id, upload.id, now)
        over = min(age, now - upload.expires_at) > UNSEALED_AGE
        return over and code in SEND_AGAIN and await _remove(store, facts.key)
    if upload.state == UploadState.OPEN:
        return False
    return age > LEFTOVER_AGE and await _remove(store, facts.key)


async def _find(runtime: Runtime, organization_id: UUID, upload_id: UUID) -> Upload | None:
    async with runtime.database.work(organization_id) as session:
        upload: Upload | None = await session.get(Upload, (organization_id, upload_id))
        return upload


async def _remove(store: Store, key: str) -> bool:
    await store.delete(key)
    log.info("leftover under incoming removed", key=key)
    return True
