"""Finish what clients left: seal what arrived and nobody completed, end what never came."""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select
from sqlalchemy import update as update_rows

from reelkeep.errors import Conflict, ErrorCode, ReelkeepError, StoreFull, StoreRefused
from reelkeep.logs import get_logger, log_context
from reelkeep.runtime import Runtime
from reelkeep.uploads.ending import SEALABLE, refuse
from reelkeep.uploads.models import Upload, UploadState
from reelkeep.uploads.parts import arrived_parts
from reelkeep.uploads.seal import Claims, seal
from reelkeep.uploads.unkept import not_kept, takes_new

log = get_logger(__name__)

BATCH = 100
#: A form that was begun just before its ticket ended may still be coming in.
GRACE = timedelta(minutes=5)
#: Parts that nobody named are put together when none has come for so long: no client is at work on them.
QUIET = timedelta(minutes=5)


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
            await settle(runtime, organization_id, upload_id, now)
    return len(rows)


async def settle(runtime: Runtime, organization_id: UUID, upload_id: UUID, now: datetime) -> ErrorCode | None:
    """Seal the upload if its bytes came, end it if its time is over, else look again later.

    The code says why it was not sealed.
    """
    async with runtime.database.work(organization_id) as session:
        upload = await session.get(Upload, (organization_id, upload_id))
    if upload is None or upload.state not in SEALABLE:
        return None
    if not takes_new(runtime, upload.method):
        await refuse(runtime, upload, not_kept())
        return ErrorCode.STORAGE_DISABLED
    over = now > upload.expires_at + GRACE
    if not over and not await _is_quiet(runtime, upload, now):
        await _look_again(runtime, upload, now)
        return ErrorCode.UPLOAD_INCOMPLETE
    try:
        await seal(runtime, organization_id, upload.recording_id, Claims())
        log.info("upload sealed that nobody completed")
        return None
    except ReelkeepError as error:
        log.info("upload not sealed by the sweep", error_code=error.code)
        code = error.code
        if over and upload.state == UploadState.OPEN and not _may_pass(error):
            await refuse(runtime, upload, _expired(upload, error), UploadState.EXPIRED)
            return code
    except Exception as error:  # one that nobody can seal must not hold up all that are due after it
        log.error("upload not sealed by the sweep, unexpectedly", exc_info=error)
        code = ErrorCode.INTERNAL_ERROR
    await _look_again(runtime, upload, now)
    return code


def _may_pass(error: ReelkeepError) -> bool:
    """Whether it is no fault of the upload, whose bytes may all be here: a store that refuses or is full."""
    return error.retry_after_seconds is not None or isinstance(error, StoreRefused | StoreFull)


async def _is_quiet(runtime: Runtime, upload: Upload, now: datetime) -> bool:
    """Whether no part came lately. The client may be sending one again before it completes."""
    try:
        parts = await arrived_parts(runtime, upload)
    except ReelkeepError as error:
        log.info("parts could not be looked at by the sweep", error_code=error.code)
        return False
    return all(now - part.modified_at > QUIET for part in parts)


def _expired(upload: Upload, error: ReelkeepError) -> ReelkeepError:
    if error.code != ErrorCode.UPLOAD_INCOMPLETE:
        return error
    return Conflict(
        "The upload's time ended before all bytes had arrived. If the file still exists, renew the ticket or "
        "upload it again.",
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
