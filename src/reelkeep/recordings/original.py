"""Bring a recording's original onto this machine, once for a job, and check it when all bytes are read."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from uuid import UUID

from reelkeep.blobs.find import Located, locate
from reelkeep.blobs.models import Blob
from reelkeep.blobs.scratch import bring, scratch_folder
from reelkeep.errors import ErrorCode, WrongBytes
from reelkeep.media.facts import MediaLimits
from reelkeep.recordings.models import Recording
from reelkeep.runtime import Runtime

#: Scratch for what is made beside the original: the speech sound of a day is 2.8 GB.
MADE_BYTES_MAX = 3_000_000_000


class Original:
    """A recording's original on scratch; brought when it is first asked for."""

    def __init__(self, runtime: Runtime, recording: Recording, located: Located, folder: Path) -> None:
        self.located = located
        self.folder = folder
        self._runtime, self._recording = runtime, recording
        self._path: Path | None = None
        self._lock = asyncio.Lock()

    async def path(self) -> Path:
        """The file; raises `WrongBytes` when its digest is not the one that was promised or sealed."""
        async with self._lock:
            if self._path is None:
                store = self._runtime.stores.get(self.located.store)
                brought = await bring(store, self.located, self.folder)
                if brought.sha256:
                    await self._note_digest(brought.sha256)
                self._path = brought.path
            return self._path

    async def _note_digest(self, sha256: str) -> None:
        declared = self._recording.sha256_declared
        if declared is not None and declared.hex() != sha256:
            raise WrongBytes(
                "The bytes that arrived are not those that were declared (SHA-256 differs); upload it again.",
                ErrorCode.UPLOAD_DIGEST_MISMATCH,
                sha256=sha256,
                sha256_declared=declared.hex(),
            )
        if self.located.sha256 is not None:
            return
        organization_id = self._recording.organization_id
        async with self._runtime.database.work(organization_id) as session:
            blob = await session.get(Blob, (organization_id, self.located.blob_id))
            if blob is not None and blob.sha256 is None:
                blob.sha256 = bytes.fromhex(sha256)


@asynccontextmanager
async def original_of(
    runtime: Runtime, organization_id: UUID, recording_id: UUID
) -> AsyncIterator[Original | None]:
    """The recording's original with a scratch folder of its own; None: gone, in the trash, not uploaded."""
    async with AsyncExitStack() as stack:
        async with runtime.database.work(organization_id) as session:
            recording = await session.get(Recording, (organization_id, recording_id))
            if recording is None or recording.deleted_at or recording.original_blob_id is None:
                located = None
            else:
                located = await locate(session, organization_id, recording.original_blob_id)
        if recording is None or located is None:
            yield None
            return
        bytes_max = runtime.settings.scratch_bytes_max
        needed = max(located.size_bytes, min(located.size_bytes + MADE_BYTES_MAX, bytes_max))
        folder = await stack.enter_async_context(scratch_folder(runtime.scratch, needed, bytes_max))
        yield Original(runtime, recording, located, folder)


def media_limits(runtime: Runtime) -> MediaLimits:
    """The bounds on work on media, from the settings."""
    settings = runtime.settings
    return MediaLimits(
        seconds_max=settings.media_seconds_max,
        memory_bytes_max=settings.media_memory_bytes_max,
        duration_seconds_max=settings.duration_seconds_max,
    )
