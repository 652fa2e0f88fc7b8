"""Grown bytes become the object under `incoming/`, when all have come; the seal begins there."""

from sqlalchemy import CursorResult, update

from reelkeep.errors import Conflict, ErrorCode, ObjectNotFound
from reelkeep.runtime import Runtime
from reelkeep.uploads.beginning import growing_store, grown
from reelkeep.uploads.models import GROWING, ONE_GO, Upload, UploadState


async def ripen(runtime: Runtime, upload: Upload) -> None:
    """Make the grown bytes the object under `incoming/`; harmless when done twice, or for other methods.

    Raises as `require_whole`. All bytes grow in one store: others are joined before.
    """
    if upload.method not in GROWING and ONE_GO not in upload.growth:
        return
    await require_whole(runtime, upload)
    store = growing_store(runtime, upload)
    try:
        await store.finish_growth(upload.incoming_key, upload.growth, content_type=upload.content_type)
    except ObjectNotFound:  # another has sealed it meanwhile and tidied up, which the seal finds out
        return


async def require_whole(runtime: Runtime, upload: Upload) -> int:
    """The length of an upload that has all its bytes.

    Raises `UPLOAD_INCOMPLETE` (details: offset, length) while some are missing. An upload that never
    declared its length, a live recording whose device is gone, is whole with what came once it has expired.
    """
    offset = await grown(runtime, upload)
    length = upload.size_bytes_declared
    if length is None and offset and await _is_abandoned(runtime, upload, offset):
        length = offset
    if length is None or offset < length:
        raise _incomplete(upload, offset)
    return length


async def _is_abandoned(runtime: Runtime, upload: Upload, offset: int) -> bool:
    """Whether nobody came back in time; then its length is settled, so that nobody adds to it any more."""
    if runtime.clock.now() <= upload.expires_at:
        return False
    settled = (
        update(Upload)
        .where(
            Upload.organization_id == upload.organization_id,
            Upload.id == upload.id,
            Upload.state != UploadState.SEALED,
            Upload.expires_at == upload.expires_at,
            Upload.size_bytes_declared.is_(None),
        )
        .values(size_bytes_declared=offset, writer_id=None)
        .execution_options(synchronize_session=False)
    )
    async with runtime.database.work(upload.organization_id) as session:
        result = await session.execute(settled)
    return isinstance(result, CursorResult) and result.rowcount == 1


def _incomplete(upload: Upload, offset: int) -> Conflict:
    length = upload.size_bytes_declared
    missing = "its length has not been declared" if length is None else f"{length - offset:,} are missing"
    return Conflict(
        f"{offset:,} bytes have arrived and {missing}; go on from there, then complete again.",
        ErrorCode.UPLOAD_INCOMPLETE,
        recording_id=str(upload.recording_id),
        offset=offset,
        length=length,
    )
