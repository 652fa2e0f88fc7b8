"""Bring in a file that a process of ours can read; it ends in the same seal as every other upload."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from uuid import UUID

from reelkeep.errors import ReelkeepError
from reelkeep.recordings.create import NewRecording
from reelkeep.runtime import Runtime
from reelkeep.uploads.ending import refuse
from reelkeep.uploads.initiate import begin_upload
from reelkeep.uploads.limits import check_size
from reelkeep.uploads.models import UploadMethod
from reelkeep.uploads.seal import Claims, seal


@dataclass(frozen=True, slots=True)
class Source:
    """Bytes to bring in."""

    body: AsyncIterator[bytes]
    #: None: known when the body ends.
    size_bytes: int | None


async def bring_in(
    runtime: Runtime,
    organization_id: UUID,
    actor_user_id: UUID | None,
    new: NewRecording,
    source: Source,
    *,
    method: UploadMethod = UploadMethod.DIRECT,
) -> UUID:
    """Make a recording of these bytes; its id, when they are durable. Raises as `begin_upload` and `seal`."""
    new = replace(new, size_bytes=source.size_bytes)
    upload = await begin_upload(runtime, organization_id, actor_user_id, new, method)
    try:
        await runtime.stores.get(upload.store).put(
            upload.incoming_key,
            _bounded(source.body, upload.size_bytes_max),
            content_type=new.content_type,
            size_bytes=source.size_bytes,
        )
        await seal(runtime, organization_id, upload.recording_id, Claims(size_bytes=source.size_bytes))
    except ReelkeepError as error:
        # Whoever has the file is told now and nobody comes back to this upload: its space is given back.
        await refuse(runtime, upload, error)
        raise
    return upload.recording_id


async def _bounded(body: AsyncIterator[bytes], size_bytes_max: int) -> AsyncIterator[bytes]:
    taken = 0
    async for piece in body:
        taken += len(piece)
        check_size(taken, size_bytes_max)
        yield piece
