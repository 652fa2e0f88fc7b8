"""Bring a recording's original onto this machine, once for a job, and check it when all bytes are read.

Whatever can go wrong here goes wrong inside a step, under its claim, so that the recording tells of it.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from reelkeep.blobs.find import Located, locate_all
from reelkeep.blobs.models import Blob
from reelkeep.blobs.scratch import BROUGHT, OnScratch, bring, scratch_folder
from reelkeep.errors import ErrorCode, ReelkeepError, WrongBytes
from reelkeep.logs import get_logger
from reelkeep.media.facts import MediaLimits
from reelkeep.recordings.models import Recording
from reelkeep.runtime import Runtime

log = get_logger(__name__)

#: Scratch for what is made beside the original: the speech sound of a day is 2.8 GB, and hardly any sound
#: that people make grows more than a hundredfold when it is decoded.
MADE_BYTES_MAX = 3_000_000_000
MADE_BYTES_MIN = 100_000_000
MADE_GROWTH = 100


@dataclass(frozen=True, slots=True)
class Brought:
    """An original on this machine, and the folder for what is made of it."""

    path: Path
    folder: Path
    located: Located


class Original:
    """A recording's original; brought to scratch when it is first asked for."""

    def __init__(self, runtime: Runtime, recording: Recording, blob_id: UUID, stack: AsyncExitStack) -> None:
        self._runtime, self._recording = runtime, recording
        self._blob_id, self._stack = blob_id, stack
        self._brought: Brought | None = None
        self._lock = asyncio.Lock()

    @property
    def organization_id(self) -> UUID:
        """Whose it is."""
        return self._recording.organization_id

    @property
    def recording_id(self) -> UUID:
        """The recording that it is the original of."""
        return self._recording.id

    async def bring(self) -> Brought:
        """The original as a file.

        Raises `SCRATCH_FULL`, `MEDIA_LIMIT` (more than scratch may ever hold), what the store raises, and
        `WrongBytes` when the digest is not the one that was promised or sealed.
        """
        async with self._lock:
            if self._brought is None:
                self._brought = await self._bring()
            return self._brought

    async def _bring(self) -> Brought:
        runtime = self._runtime
        async with runtime.database.work(self._recording.organization_id) as session:
            copies = await locate_all(session, self._recording.organization_id, self._blob_id)
        located = copies[0]
        bytes_max = runtime.settings.scratch_bytes_max
        made = min(max(located.size_bytes * MADE_GROWTH, MADE_BYTES_MIN), MADE_BYTES_MAX)
        needed = max(located.size_bytes, min(located.size_bytes + made, bytes_max))
        async with AsyncExitStack() as stack:
            folder = await stack.enter_async_context(scratch_folder(runtime.scratch, needed, bytes_max))
            located, on_scratch = await _bring_any(runtime, copies, folder)
            if on_scratch.sha256:
                await self._note_digest(located, on_scratch.sha256)
            # Kept until the job ends; when bringing failed, the next step begins with an empty folder.
            self._stack.push_async_callback(stack.pop_all().aclose)
        return Brought(on_scratch.path, folder, located)

    async def _note_digest(self, located: Located, sha256: str) -> None:
        declared = self._recording.sha256_declared
        if declared is not None and declared.hex() != sha256:
            raise WrongBytes(
                "The bytes that arrived are not those that were declared (SHA-256 differs); upload it again.",
                ErrorCode.UPLOAD_DIGEST_MISMATCH,
                sha256=sha256,
                sha256_declared=declared.hex(),
            )
        if located.sha256 is not None:
            return
        organization_id = self._recording.organization_id
        async with self._runtime.database.work(organization_id) as session:
            blob = await session.get(Blob, (organization_id, located.blob_id))
            if blob is not None and blob.sha256 is None:
                blob.sha256 = bytes.fromhex(sha256)


async def _bring_any(runtime: Runtime, copies: Sequence[Located], folder: Path) -> tuple[Located, OnScratch]:
    """The first copy that can be brought; raises what the last one raised."""
    for copy in copies[:-1]:
        try:
            return copy, await bring(runtime.stores.get(copy.store), copy, folder)
        except ReelkeepError as error:
            log.warning("a copy cannot be used; the next one is tried", store=copy.store, exc_info=error)
            (folder / BROUGHT).unlink(missing_ok=True)
    return copies[-1], await bring(runtime.stores.get(copies[-1].store), copies[-1], folder)


@asynccontextmanager
async def original_of(
    runtime: Runtime, organization_id: UUID, recording_id: UUID
) -> AsyncIterator[Original | None]:
    """The recording's original for the length of a job; None: gone, or not uploaded.

    One in the trash is told by the claim, under the lock that its restoring takes.
    """
    async with runtime.database.work(organization_id) as session:
        recording = await session.get(Recording, (organization_id, recording_id))
    if recording is None or recording.original_blob_id is None:
        yield None
        return
    async with AsyncExitStack() as stack:
        yield Original(runtime, recording, recording.original_blob_id, stack)


def media_limits(runtime: Runtime) -> MediaLimits:
    """The bounds on work on media, from the settings."""
    settings = runtime.settings
    return MediaLimits(
        seconds_max=settings.media_seconds_max,
        memory_bytes_max=settings.media_memory_bytes_max,
        duration_seconds_max=settings.duration_seconds_max,
    )
