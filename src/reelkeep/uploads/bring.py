"""Bring in a file that a process of ours can read; it ends in the same seal as every other upload."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import UUID

from reelkeep.recordings.create import NewRecording, create_recording
from reelkeep.runtime import Runtime
from reelkeep.uploads.initiate import open_upload
from reelkeep.uploads.limits import check_size, check_type
from reelkeep.uploads.models import UploadMethod
from reelkeep.uploads.seal import Claims, seal


@dataclass(frozen=True, slots=True)
class Source:
    """Bytes to bring in."""

    body: AsyncIterator[bytes]
    size_bytes: int


async def bring_in(
    runtime: Runtime, organization_id: UUID, actor_user_id: UUID | None, new: NewRecording, source: Source
) -> UUID:
    """Make a recording of these bytes; its id, when they are durable."""
    settings = runtime.settings
    check_type(settings, new.content_type)
    check_size(source.size_bytes, settings.upload_size_bytes_max)
    async with runtime.database.work(organization_id) as session:
        recording = create_recording(session, organization_id, actor_user_id, new)
        await session.flush()
        upload = open_upload(session, runtime, recording, new, UploadMethod.DIRECT)
    await runtime.stores.get(upload.store).put(
        upload.incoming_key,
        source.body,
        content_type=new.content_type,
        size_bytes=source.size_bytes,
    )
    await seal(runtime, organization_id, recording.id, Claims(size_bytes=source.size_bytes))
    return recording.id
