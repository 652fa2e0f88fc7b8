"""Bring in a file as a recording whose id was noted before: doing it again makes no second one."""

from collections.abc import AsyncIterator, Callable
from uuid import UUID

from sqlalchemy import select, update

from reelkeep.errors import ReelkeepError
from reelkeep.recordings.create import NewRecording
from reelkeep.runtime import Runtime
from reelkeep.uploads.ending import SEALABLE, refuse
from reelkeep.uploads.find import refused_before
from reelkeep.uploads.initiate import begin_upload
from reelkeep.uploads.models import Upload, UploadMethod, UploadState
from reelkeep.uploads.seal import Claims, seal


async def bring_in_once(
    runtime: Runtime, organization_id: UUID, new: NewRecording, read: Callable[[], AsyncIterator[bytes]]
) -> None:
    """Make these bytes the recording `new.id`, from wherever an earlier try ended; return when it is sealed.

    Nothing is given up here: after an error that passes, the same call goes on. Raises as `begin_upload`
    and `seal`; what ended the upload before is raised again.
    """
    assert new.id is not None
    upload = await upload_of_recording(runtime, organization_id, new.id)
    if upload is None:
        upload = await begin_upload(runtime, organization_id, None, new, UploadMethod.DIRECT)
    if upload.state == UploadState.SEALED:
        return
    if upload.state not in SEALABLE:
        raise await refused_before(runtime, upload)
    await _declare(runtime, upload, new)
    await runtime.stores.get(upload.store).put(
        upload.incoming_key, read(), content_type=new.content_type, size_bytes=new.size_bytes
    )
    await seal(runtime, organization_id, new.id, Claims(size_bytes=new.size_bytes))


async def is_sealed(runtime: Runtime, organization_id: UUID, recording_id: UUID) -> bool:
    """Whether the recording's bytes are durable."""
    upload = await upload_of_recording(runtime, organization_id, recording_id)
    return upload is not None and upload.state == UploadState.SEALED


async def give_up(runtime: Runtime, organization_id: UUID, recording_id: UUID, reason: ReelkeepError) -> None:
    """End what was begun and cannot be finished, with the reason; nothing where it was never begun."""
    upload = await upload_of_recording(runtime, organization_id, recording_id)
    if upload is not None and upload.state == UploadState.OPEN:
        await refuse(runtime, upload, reason)


async def upload_of_recording(runtime: Runtime, organization_id: UUID, recording_id: UUID) -> Upload | None:
    """The recording's upload, or None where it was never begun."""
    query = select(Upload).where(
        Upload.organization_id == organization_id, Upload.recording_id == recording_id
    )
    async with runtime.database.work(organization_id) as session:
        found: Upload | None = await session.scalar(query.order_by(Upload.id.desc()).limit(1))
        return found


async def _declare(runtime: Runtime, upload: Upload, new: NewRecording) -> None:
    """The file may have changed since the last try."""
    if (upload.size_bytes_declared, upload.content_type) == (new.size_bytes, new.content_type):
        return
    async with runtime.database.work(upload.organization_id) as session:
        await session.execute(
            update(Upload)
            .where(
                Upload.organization_id == upload.organization_id,
                Upload.id == upload.id,
                Upload.state.in_(SEALABLE),
            )
            .values(size_bytes_declared=new.size_bytes, content_type=new.content_type)
        )
