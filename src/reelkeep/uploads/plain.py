"""One plain request: its bytes pass through this process into the store, never held, and are then sealed.

Nothing of it can be gone on with: when it breaks off, its recording fails with the reason, and its bytes go.
"""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

from reelkeep.errors import Conflict, ErrorCode, Invalid, ReelkeepError, WrongBytes
from reelkeep.logs import get_logger
from reelkeep.recordings.create import NewRecording
from reelkeep.runtime import Runtime
from reelkeep.uploads.beginning import discard_grown
from reelkeep.uploads.ending import refuse
from reelkeep.uploads.initiate import begin_upload
from reelkeep.uploads.limits import COMPRESS_OR_PARTS
from reelkeep.uploads.models import Upload, UploadMethod
from reelkeep.uploads.one_go import grow_in_one_go, may_go_over
from reelkeep.uploads.seal import Claims, Sealed, complete_upload

log = get_logger(__name__)


async def take_plain(
    runtime: Runtime, organization_id: UUID, user_id: UUID, new: NewRecording, body: AsyncIterator[bytes]
) -> tuple[UUID, Sealed | None]:
    """Make a recording of these bytes; its id, and what was sealed where it was this call that sealed.

    `body` raises when its client left, or what is wrong with what it sent: then nothing is kept. Raises what
    giving a ticket and sealing raise; after `SEAL_PENDING` (details: recording_id) a job goes on sealing.
    """
    upload = await begin_upload(runtime, organization_id, user_id, new, UploadMethod.PLAIN)
    begun_in = upload.store
    try:
        await _put(runtime, upload, new, body)
        return upload.recording_id, await complete_upload(
            runtime, organization_id, upload.recording_id, Claims()
        )
    except BaseException as error:
        if not isinstance(error, ReelkeepError) or error.code != ErrorCode.SEAL_PENDING:
            await asyncio.shield(_end(runtime, upload, begun_in, error))
        raise


async def _put(runtime: Runtime, upload: Upload, new: NewRecording, body: AsyncIterator[bytes]) -> None:
    bounded = _bounded(body, new.size_bytes, upload.size_bytes_max)
    try:
        if may_go_over(runtime, upload.store):
            await grow_in_one_go(runtime, upload, bounded, sha256=new.sha256)
            return
        await runtime.stores.get(upload.store).put(
            upload.incoming_key,
            bounded,
            content_type=new.content_type,
            size_bytes=new.size_bytes,
            sha256=new.sha256,
        )
    except WrongBytes as error:
        raise Conflict(
            "The bytes that came are not those that were declared; nothing was kept. Send the file again.",
            ErrorCode.UPLOAD_DIGEST_MISMATCH,
            **error.details,
        ) from error


async def _bounded(body: AsyncIterator[bytes], declared: int | None, bytes_max: int) -> AsyncIterator[bytes]:
    """The body, refused as soon as it is over what was declared or what is allowed."""
    received = 0
    async for piece in body:
        received += len(piece)
        if received > bytes_max:
            raise Invalid(
                f"More came than the limit of {bytes_max:,} bytes; {COMPRESS_OR_PARTS}.",
                ErrorCode.UPLOAD_TOO_LARGE,
                size_bytes_max=bytes_max,
                remedy=COMPRESS_OR_PARTS,
            )
        if declared is not None and received > declared:
            raise _wrong_length(f"More than the {declared:,} bytes that were declared came", declared)
        yield piece
    if received == 0:
        raise Invalid("The file is empty: the request brought no byte of it.", ErrorCode.UPLOAD_EMPTY)
    if declared is not None and received < declared:
        raise _wrong_length(f"{received:,} bytes came and {declared:,} were declared", declared)


def _wrong_length(what: str, declared: int) -> Conflict:
    return Conflict(
        f"{what}; nothing was kept. Send the file again.",
        ErrorCode.UPLOAD_SIZE_MISMATCH,
        size_bytes_declared=declared,
    )


async def _end(runtime: Runtime, upload: Upload, begun_in: str, error: BaseException) -> None:
    """Nobody can bring the rest: the recording fails now, and its quota is free again."""
    if not isinstance(error, ReelkeepError):
        log.info("a plain upload broke off", recording_id=str(upload.recording_id), exc_info=error)
        error = Conflict(
            "The connection broke off before the file was whole; nothing was kept. Send it again.",
            ErrorCode.UPLOAD_INCOMPLETE,
        )
    try:
        await refuse(runtime, upload, error)
        if may_go_over(runtime, begun_in):
            await discard_grown(runtime, upload, begun_in)
        await runtime.stores.get(upload.store).delete(upload.incoming_key)
    except ReelkeepError as failed:
        log.warning("a plain upload that broke off is left to the sweep", exc_info=failed)
