"""Uploads whose bytes come through us, in one go or in several: the core under tus and resumable HTTP.

    open_growing → receive, receive, … → (the last byte is in) ripen → seal → the answer

What a request has brought is kept, however it ends. A newer request for the same upload ends the older one.
"""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from reelkeep.errors import Conflict, ErrorCode, Invalid, ReelkeepError, StoreError
from reelkeep.logs import get_logger
from reelkeep.recordings.create import NewRecording
from reelkeep.runtime import Runtime
from reelkeep.uploads.beginning import discard_grown, grown
from reelkeep.uploads.ending import give_up, refuse
from reelkeep.uploads.find import refused_before
from reelkeep.uploads.go import Arrival, Checksum, append, wrong_offset
from reelkeep.uploads.initiate import begin_upload
from reelkeep.uploads.limits import check_size
from reelkeep.uploads.models import Upload, UploadMethod, UploadState
from reelkeep.uploads.seal import complete_upload
from reelkeep.uploads.writers import NotOpen, Stopped, Turn, busy, find_upload, writers_of

__all__ = ["Checksum", "Progress", "discard", "look", "open_growing", "receive"]

T = TypeVar("T")
log = get_logger(__name__)

#: All bytes are here and are not those that were declared. Under this address no others can come, so the
#: upload ends; what came is kept for a while, as that of any upload that has expired.
NOT_MENDED = (ErrorCode.UPLOAD_DIGEST_MISMATCH, ErrorCode.UPLOAD_EMPTY)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an upload is."""

    recording_id: UUID
    upload_id: UUID
    #: Bytes that are safe: where to go on.
    offset: int
    #: None until it is declared.
    length: int | None
    #: `sealed` alone means that the client may delete its own copy.
    state: UploadState
    expires_at: datetime
    size_bytes_max: int
    #: What its client said of it in tus's words, while it is open: names and titles, for those who may read.
    tus_metadata: str | None = None


async def open_growing(
    runtime: Runtime,
    organization_id: UUID,
    user_id: UUID | None,
    new: NewRecording,
    method: UploadMethod,
    *,
    length: int | None,
    tus_metadata: str | None = None,
    client_key: str | None = None,
) -> Upload:
    """Begin an upload in several goes, within the organization's limits and quota; see `begin_upload`."""
    if length == 0:
        raise Invalid("The file is empty; there is nothing to upload.", ErrorCode.UPLOAD_EMPTY)
    declared = replace(new, size_bytes=length)
    return await begin_upload(
        runtime,
        organization_id,
        user_id,
        declared,
        method,
        tus_metadata=tus_metadata,
        client_key=client_key,
    )


async def look(runtime: Runtime, organization_id: UUID, upload_id: UUID) -> Progress:
    """How far the upload is; ends an older request that still hangs on it, and keeps what it brought.

    When all bytes are here and the seal is not done, it is tried again: `SEAL_PENDING` while it needs
    longer, the refusal's own code when the content was refused. Raises `UPLOAD_EXPIRED`, `UPLOAD_BUSY`.
    """
    upload = await find_upload(runtime, organization_id, upload_id)
    if upload.state == UploadState.OPEN and await writers_of(runtime).free(upload, runtime):
        upload = await find_upload(runtime, organization_id, upload_id)
    offset = 0
    if upload.state == UploadState.OPEN:
        offset = await grown(runtime, upload)
        if offset != upload.size_bytes_declared:
            # Sealed meanwhile, its bytes no longer lie where they grew; no client must hear of none.
            upload = await find_upload(runtime, organization_id, upload_id)
    if upload.state != UploadState.OPEN:
        return await _ended(runtime, upload)
    return await _sealed_when_whole(runtime, upload, offset)


async def receive(
    runtime: Runtime,
    organization_id: UUID,
    upload_id: UUID,
    *,
    offset: int,
    body: AsyncIterator[bytes],
    body_length: int | None = None,
    length: int | None = None,
    last: bool = False,
    checksum: Checksum | None = None,
) -> Progress:
    """Append a body at `offset`; seals, before it returns, when the last byte is in.

    `body` raises when its client left (any error of its own): then what came is kept and the error goes on.
    `body_length` is what the request says of it, if anything; a body that does not fit is refused unread.
    `length` declares the whole length where it was deferred; `last` says that the end of this body is the
    end of the upload. Raises `UPLOAD_OFFSET_MISMATCH` (details: offset), `UPLOAD_BUSY`, `UPLOAD_STALLED`,
    `UPLOAD_SIZE_MISMATCH`, `UPLOAD_TOO_LARGE`, `UPLOAD_EXPIRED`, `WRONG_BYTES` (the checksum; nothing of the
    body is kept), and what a seal raises.
    """
    turn = Turn(runtime, organization_id, upload_id)
    arrival = Arrival(offset, body, length, last, checksum)
    try:
        reached = await _in_order(_take(turn, arrival, body_length), turn)
    except NotOpen as ended:
        progress = await _ended(runtime, ended.upload)
        if progress.offset != offset:
            raise wrong_offset(progress.offset, offset) from None
        return progress
    except Stopped:
        raise busy() from None
    return await _sealed_when_whole(runtime, turn.upload, reached)


async def discard(runtime: Runtime, organization_id: UUID, upload_id: UUID) -> None:
    """End the upload and remove what came of it; its recording goes to the trash as `UPLOAD_DISCARDED`.

    Raises `RECORDING_STATE` for an upload that is sealed: its bytes are a recording now.
    """
    turn = Turn(runtime, organization_id, upload_id)
    try:
        async with writers_of(runtime).turn(turn):
            await _discard(turn)
    except NotOpen as ended:
        raise await _why_ended(runtime, ended.upload) from None
    except Stopped:
        raise busy() from None


async def _in_order(work: Coroutine[Any, Any, T], turn: Turn) -> T:
    """Have the work done; when this request is cancelled, stop it and wait until it has kept what came."""
    task = asyncio.create_task(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        turn.stop()
        await asyncio.wait([task])
        if not task.cancelled():
            task.exception()
        raise


async def _take(turn: Turn, arrival: Arrival, body_length: int | None) -> int:
    async with writers_of(turn.runtime).turn(turn):
        try:
            await _check(turn, arrival, body_length)
            return await append(turn, arrival)
        finally:
            if turn.upload.writer_id is not None:  # refused before a byte was taken
                await turn.let_go()


async def _check(turn: Turn, arrival: Arrival, body_length: int | None) -> None:
    """Refuse what cannot be right before any of the body is read; note a length that is declared now."""
    upload = turn.upload
    offset = await grown(turn.runtime, upload)
    if offset != arrival.offset:
        present = await find_upload(turn.runtime, turn.organization_id, turn.upload_id)
        if present.state != UploadState.OPEN:  # sealed meanwhile: its bytes have moved on
            raise NotOpen(present)
        raise wrong_offset(offset, arrival.offset)
    declared = upload.size_bytes_declared
    if arrival.length is not None and declared not in (None, arrival.length):
        raise Conflict(
            f"The upload was declared with {declared:,} bytes and now with {arrival.length:,}; "
            "begin a new upload for another file.",
            ErrorCode.UPLOAD_SIZE_MISMATCH,
            size_bytes_declared=declared,
        )
    length = declared if arrival.length is None else arrival.length
    check_size(arrival.length, upload.size_bytes_max)
    _check_fits(offset + (body_length or 0), length, upload.size_bytes_max)
    if declared is None and arrival.length is not None:
        await turn.save(size_bytes_declared=arrival.length)


def _check_fits(after: int, length: int | None, size_bytes_max: int) -> None:
    if length is not None and after > length:
        raise Invalid(
            f"With these the upload would have {after:,} bytes, and it was declared with {length:,}.",
            ErrorCode.UPLOAD_TOO_LARGE,
            size_bytes_declared=length,
        )
    check_size(after, size_bytes_max)


async def _sealed_when_whole(runtime: Runtime, upload: Upload, offset: int) -> Progress:
    """The progress; an upload whose bytes are all here is sealed first."""
    if offset != upload.size_bytes_declared:
        return _progress(upload, offset, UploadState.OPEN)
    try:
        await complete_upload(runtime, upload.organization_id, upload.recording_id)
    except ReelkeepError as error:
        # Another request, or the sweep, may have sealed it and tidied up under this one's hands.
        if (await find_upload(runtime, upload.organization_id, upload.id)).state != UploadState.SEALED:
            if error.code in NOT_MENDED:
                await refuse(runtime, upload, error, UploadState.EXPIRED)
            raise
    return _progress(upload, offset, UploadState.SEALED)


async def _ended(runtime: Runtime, upload: Upload) -> Progress:
    """The progress of an upload that is sealed; any other that is not open raises why."""
    if upload.state != UploadState.SEALED:
        raise await _why_ended(runtime, upload)
    return _progress(upload, upload.size_bytes_declared or 0, UploadState.SEALED)


async def _why_ended(runtime: Runtime, upload: Upload) -> ReelkeepError:
    if upload.state == UploadState.SEALED:
        return Conflict(
            "This upload is complete: it is a recording now. Delete the recording to remove it.",
            ErrorCode.RECORDING_STATE,
            recording_id=str(upload.recording_id),
        )
    return await refused_before(runtime, upload)


async def _discard(turn: Turn) -> None:
    told = Conflict(
        "The upload was discarded by its client before all bytes had come.", ErrorCode.UPLOAD_DISCARDED
    )
    upload = turn.upload
    # First the row: then whoever dies here leaves bytes that the sweep finds, never an upload without them.
    await give_up(turn.runtime, upload, told)
    try:
        await discard_grown(turn.runtime, upload)
    except StoreError as error:
        if not upload.beginning:
            raise
        log.warning("what came of a discarded upload is left to the sweep", exc_info=error)


def _progress(upload: Upload, offset: int, state: UploadState) -> Progress:
    return Progress(
        recording_id=upload.recording_id,
        upload_id=upload.id,
        offset=offset,
        length=upload.size_bytes_declared,
        state=state,
        expires_at=upload.expires_at,
        size_bytes_max=upload.size_bytes_max,
        tus_metadata=upload.tus_metadata,
    )
