"""How an upload ends: by one guarded move, its space given back in the same unit of work."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ScalarSelect, null, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from reelkeep.blobs.usage import count_usage
from reelkeep.errors import ReelkeepError
from reelkeep.events.append import append
from reelkeep.recordings.advance import Standing, lock_recording, write_standing
from reelkeep.recordings.change import move_to_trash
from reelkeep.recordings.models import Status
from reelkeep.runtime import Runtime
from reelkeep.uploads.models import Upload, UploadState

#: An expired upload whose bytes did come is sealed all the same: nothing that arrived is lost.
SEALABLE = (UploadState.OPEN, UploadState.EXPIRED)


@dataclass(frozen=True, slots=True)
class Taken:
    """What an upload held before it was moved on."""

    was_open: bool
    size_bytes_reserved: int
    #: What was asked beside it.
    found: Any


async def take_upload(
    session: AsyncSession,
    upload: Upload,
    state: UploadState,
    *,
    out_of: Sequence[UploadState] = SEALABLE,
    beside: ScalarSelect[UUID] | None = None,
    beside_values: Mapping[str, object] | None = None,
    **values: Any,
) -> Taken | None:
    """Move the upload out of one of these states; None when somebody else did first.

    What it held is in the answer, and the caller gives it back in this unit of work.
    """
    this = (Upload.organization_id == upload.organization_id, Upload.id == upload.id)
    # One that was gone on with, or renewed, since it was looked at has not expired.
    as_seen = [Upload.expires_at == upload.expires_at] if state == UploadState.EXPIRED else []
    # Two statements by the key: a join of the row with itself was planned by the organization's uploads.
    old = select(Upload.state, Upload.size_bytes_reserved, null() if beside is None else beside)
    locked = old.where(*this, Upload.state.in_(out_of), *as_seen).with_for_update()
    row = (await session.execute(locked, beside_values)).first()
    if row is None:
        return None
    if state != UploadState.EXPIRED:  # which a renewed ticket opens again
        values["tus_metadata"] = None
    ended = update(Upload).where(*this).values(state=state, size_bytes_reserved=0, **values)
    await session.execute(ended.execution_options(synchronize_session=False))
    return Taken(row[0] == UploadState.OPEN, row[1], row[2])


async def refuse(
    runtime: Runtime, upload: Upload, error: ReelkeepError, state: UploadState = UploadState.REFUSED
) -> bool:
    """End the upload, and its recording as `failed` with the reason; False when it had ended before."""
    return await _end(runtime, upload, error, state, f"upload.{state}")


async def give_up(runtime: Runtime, upload: Upload, error: ReelkeepError) -> bool:
    """End an upload that its client took back, its recording in the trash; False when it had ended before.

    Nobody misses it, so it does not stand among the recordings as one that failed.
    """
    return await _end(runtime, upload, error, UploadState.REFUSED, "upload.discarded", to_trash=True)


async def _end(
    runtime: Runtime,
    upload: Upload,
    error: ReelkeepError,
    state: UploadState,
    event: str,
    *,
    to_trash: bool = False,
) -> bool:
    out_of = (UploadState.OPEN,) if state == UploadState.EXPIRED else SEALABLE
    async with runtime.database.work(upload.organization_id) as session:
        recording = await lock_recording(session, upload.organization_id, upload.recording_id)
        if recording is None:
            return False
        taken = await take_upload(
            session, upload, state, out_of=out_of, error_code=error.code, source_url=None
        )
        if taken is None:
            return False
        append(
            session,
            upload.organization_id,
            event,
            recording_id=upload.recording_id,
            upload_id=upload.id,
            code=error.code,
        )
        standing = Standing(Status.FAILED, error.code, error.message)
        write_standing(session, recording, standing, runtime.clock.now())
        if to_trash:
            await move_to_trash(session, recording.organization_id, recording.id, None, runtime.clock.now())
        if taken.was_open:
            await session.flush()
            await count_usage(
                session,
                upload.organization_id,
                bytes_reserved=-taken.size_bytes_reserved,
                uploads_open=-1,
            )
    return True
