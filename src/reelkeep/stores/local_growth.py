"""Objects of the local store that grow in several goes: one file each, whose size is the offset.

    ROOT/growing/incoming.d/7f.d/a1.bytes    the bytes so far; whoever appends holds its lock
    ROOT/growing/incoming.d/7f.d/a1.sha256   size and digest, where one go from byte 0 saw them all

What is in the file has survived the death of the process; only `finish` makes it survive a power cut, too.
Bytes that must not count yet are beyond `notes["counted"]`, and are cut off when the next go begins.
"""

import asyncio
import fcntl
import hashlib
import os
import secrets
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import Executor
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from reelkeep.errors import ObjectNotFound, StoreRefused, StoreUnavailable
from reelkeep.stores.buffering import BufferBudget, Piece, WriteBuffer
from reelkeep.stores.disk_pace import DiskPace
from reelkeep.stores.keys import check_key
from reelkeep.stores.local_files import in_thread, translated
from reelkeep.stores.local_folder import RACES_MAX, LocalFolder, make_folders
from reelkeep.stores.local_walk import BYTES, FOLDER
from reelkeep.stores.protocol import COUNTED, UNHASHED, GrowthNotes, ObjectFacts, Salvaged

DIGEST = ".sha256"
LOCK_SECONDS_MAX = 5.0
LOCK_POLL_SECONDS = 0.05
RETRY_SECONDS = 2
IOV_MAX = 512


class LocalGrowing:
    """A `Growing` in a file of this machine, which this process has locked."""

    def __init__(
        self, place: "_Place", descriptor: int, start: int, buffers: BufferBudget, *, hashed: bool
    ) -> None:
        self._place, self._descriptor = place, descriptor
        self._written = start
        # A digest can only be had by whoever sees the first byte.
        self._sha256 = hashlib.sha256() if hashed and start == 0 else None
        # Digesting takes its time: a thread does it.
        self.buffer = WriteBuffer(buffers, self._write, self._write_now if self._sha256 is None else None)
        self.offset = start

    async def write(self, data: bytes | memoryview) -> None:
        """Append bytes; waits while the disk is slower than the client."""
        self.offset += len(data)  # before the wait: the buffer has them even when that is cancelled
        await self.buffer.add(data)

    async def flush(self) -> GrowthNotes:
        """On return the file has every byte; it needs no notes."""
        await self.buffer.flush()
        return {}

    async def salvage(self) -> Salvaged | None:
        """None: the bytes are in the file."""
        return None

    async def _write(self, pieces: list[Piece]) -> None:
        await in_thread(self._place.pool, self._place.root, self._append, pieces)

    def _write_now(self, pieces: list[Piece]) -> bool:
        if not self._place.pace.quick():
            return False
        with translated(self._place.root):
            self._append(pieces)
        return True

    def _append(self, pieces: list[Piece]) -> None:
        for at in range(0, len(pieces), IOV_MAX):
            self._append_some(pieces[at : at + IOV_MAX])

    def _append_some(self, pieces: list[Piece]) -> None:
        began = time.monotonic()
        size = sum(map(len, pieces))
        done = os.pwritev(self._descriptor, pieces, self._written)
        if done < size:  # a disk that is nearly full takes a part
            rest = memoryview(b"".join(pieces))
            while done < size:
                done += os.pwrite(self._descriptor, rest[done:], self._written + done)
        self._written += size
        self._place.pace.took(time.monotonic() - began)
        if self._sha256 is not None:
            for piece in pieces:
                self._sha256.update(piece)

    def leave(self) -> None:
        """Note the digest of a first go, for `finish`."""
        if self._sha256 is not None and self._written:
            self._place.digest.write_text(f"{self._written} {self._sha256.hexdigest()}")


@dataclass(frozen=True, slots=True)
class _Place:
    """Where one key grows."""

    root: Path
    pool: Executor
    pace: DiskPace
    path: Path

    @property
    def digest(self) -> Path:
        return self.path.with_suffix(DIGEST)

    def lock(self, *, make: bool) -> int | None:
        """A descriptor of the locked file, or None while somebody else has it."""
        for _ in range(RACES_MAX):
            descriptor = self._open(make=make)
            if descriptor is None:
                continue  # its empty folder was removed just now
            if not _take_lock(descriptor):
                return None
            if os.fstat(descriptor).st_nlink:
                return descriptor
            os.close(descriptor)  # discarded or finished since it was opened
        raise StoreUnavailable(f"{self.path} is removed again and again.", retry_after_seconds=RETRY_SECONDS)

    def _open(self, *, make: bool) -> int | None:
        flags = os.O_RDWR | os.O_CLOEXEC
        try:
            if not make:
                return os.open(self.path, flags)
            make_folders(self.path.parent)
            return os.open(self.path, flags | os.O_CREAT, 0o600)
        except FileNotFoundError as error:
            if make:
                return None
            raise ObjectNotFound(f"Nothing grows at {self.path}.") from error

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)
        self.digest.unlink(missing_ok=True)
        with suppress(OSError):  # not empty, or removed by another
            self.path.parent.rmdir()

    def known_digest(self, size_bytes: int) -> str | None:
        with suppress(FileNotFoundError, ValueError):
            size, digest = self.digest.read_text().split(" ")
            return digest if int(size) == size_bytes else None
        return None


class LocalGrowths:
    """Everything that grows in one local store."""

    def __init__(self, folder: LocalFolder, pool: Executor, buffers: BufferBudget) -> None:
        self._folder, self._pool, self._buffers = folder, pool, buffers
        self._base = folder.root / "growing"
        self._pace = DiskPace(folder.root)

    async def grown(self, key: str, notes: GrowthNotes) -> int:
        """See `Grows.grown`."""
        return await in_thread(self._pool, self._folder.root, self._grown, key, notes)

    @asynccontextmanager
    async def growing(self, key: str, notes: GrowthNotes) -> AsyncIterator[LocalGrowing]:
        """See `Grows.growing`."""
        place = self._place(key)
        async with self._locked(place, make=True) as descriptor:
            start = await in_thread(self._pool, self._folder.root, _go_on, descriptor, notes)
            hashed = not notes.get(UNHASHED)
            growing = LocalGrowing(place, descriptor, start, self._buffers, hashed=hashed)
            async with growing.buffer:
                yield growing
            await in_thread(self._pool, self._folder.root, growing.leave)

    async def finish(self, key: str, notes: GrowthNotes, content_type: str | None) -> ObjectFacts:
        """See `Grows.finish_growth`."""
        place = self._place(key)
        try:
            async with self._locked(place, make=False) as descriptor:
                return await in_thread(
                    self._pool, self._folder.root, self._publish, place, descriptor, key, notes, content_type
                )
        except ObjectNotFound:
            return (await in_thread(self._pool, self._folder.root, self._folder.read, key)).facts

    async def discard(self, key: str) -> None:
        """See `Grows.discard_growth`."""
        await in_thread(self._pool, self._folder.root, self._place(key).remove)

    async def list(self, prefix: str) -> AsyncIterator[ObjectFacts]:
        """See `Grows.list_growths`."""
        for facts in await in_thread(self._pool, self._folder.root, list, self._walk(prefix)):
            yield facts

    def _place(self, key: str) -> _Place:
        *folders, name = check_key(key).split("/")
        path = self._base.joinpath(*(part + FOLDER for part in folders), name + BYTES)
        return _Place(self._folder.root, self._pool, self._pace, path)

    def _grown(self, key: str, notes: GrowthNotes) -> int:
        try:
            return _counted(self._place(key).path.stat().st_size, notes)
        except FileNotFoundError:
            pass
        try:
            return self._folder.read(key).facts.size_bytes  # finished
        except ObjectNotFound:
            return 0

    @asynccontextmanager
    async def _locked(self, place: _Place, *, make: bool) -> AsyncIterator[int]:
        loop = asyncio.get_running_loop()
        until = loop.time() + LOCK_SECONDS_MAX
        while (descriptor := await self._try_lock(place, make=make)) is None:
            if loop.time() > until:
                raise StoreUnavailable(
                    f"Another process of this installation is writing {place.path}; try again.",
                    retry_after_seconds=RETRY_SECONDS,
                )
            await asyncio.sleep(LOCK_POLL_SECONDS)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    async def _try_lock(self, place: _Place, *, make: bool) -> int | None:
        job = asyncio.ensure_future(in_thread(self._pool, self._folder.root, place.lock, make=make))
        try:
            return await asyncio.shield(job)
        except asyncio.CancelledError:
            job.add_done_callback(_close_result)
            raise

    def _publish(
        self, place: _Place, descriptor: int, key: str, notes: GrowthNotes, content_type: str | None
    ) -> ObjectFacts:
        size_bytes = _begin(descriptor, notes)
        os.fsync(descriptor)
        sha256 = place.known_digest(size_bytes)
        facts = ObjectFacts(
            key=key,
            size_bytes=size_bytes,
            content_type=content_type,
            etag=sha256[:32] if sha256 else secrets.token_hex(16),
            modified_at=datetime.now(UTC),
            sha256=sha256,
        )
        self._folder.adopt(place.path, facts)
        place.remove()
        return facts

    def _walk(self, prefix: str) -> Iterator[ObjectFacts]:
        for folder, _, names in os.walk(self._base):
            parts = Path(folder).relative_to(self._base).parts
            for name in names:
                key = "/".join([*(part.removesuffix(FOLDER) for part in parts), name.removesuffix(BYTES)])
                if name.endswith(BYTES) and key.startswith(prefix):
                    with suppress(FileNotFoundError):
                        yield _facts_of_file(key, Path(folder, name))


class GrowsInFiles:
    """The `Grows` ability of a store that has set `_growths`."""

    _growths: LocalGrowths

    async def grown(self, key: str, notes: GrowthNotes) -> int:
        """The size of the file, or of the object that it has become."""
        return await self._growths.grown(key, notes)

    def growing(
        self,
        key: str,
        notes: GrowthNotes,
        *,
        content_type: str | None = None,  # noqa: ARG002 - see Grows
    ) -> AbstractAsyncContextManager[LocalGrowing]:
        """Append to the file, which is locked meanwhile; `content_type` is asked for at the end."""
        return self._growths.growing(key, notes)

    async def finish_growth(
        self, key: str, notes: GrowthNotes, *, content_type: str | None = None
    ) -> ObjectFacts:
        """Fsync the file and make it the object; its bytes are not copied."""
        return await self._growths.finish(key, notes, content_type)

    async def discard_growth(self, key: str, notes: GrowthNotes) -> None:  # noqa: ARG002 - see Grows
        """Remove the file."""
        await self._growths.discard(key)

    def list_growths(self, prefix: str = "") -> AsyncIterator[ObjectFacts]:
        """Every file that grows under a prefix."""
        return self._growths.list(prefix)


def _counted(size_bytes: int, notes: GrowthNotes) -> int:
    counted: int = notes.get(COUNTED, size_bytes)
    return min(size_bytes, counted)


def _begin(descriptor: int, notes: GrowthNotes) -> int:
    """Where to go on from, with whatever does not count cut off."""
    size_bytes = os.fstat(descriptor).st_size
    counted = _counted(size_bytes, notes)
    if counted < size_bytes:
        os.ftruncate(descriptor, counted)
    return counted


def _go_on(descriptor: int, notes: GrowthNotes) -> int:
    if os.fstat(descriptor).st_nlink > 1:  # a process died while it finished: these bytes are an object's
        raise StoreRefused("All bytes are here and are being made an object; nothing can be added.")
    return _begin(descriptor, notes)


def _take_lock(descriptor: int) -> bool:
    """Take the lock of an open file, or close it when another has it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return False
    return True


def _close_result(job: "asyncio.Future[int | None]") -> None:
    if not job.cancelled() and job.exception() is None and (descriptor := job.result()) is not None:
        os.close(descriptor)


def _facts_of_file(key: str, path: Path) -> ObjectFacts:
    found = path.stat()
    modified_at = datetime.fromtimestamp(found.st_mtime, UTC)
    return ObjectFacts(key, found.st_size, None, f"{found.st_mtime_ns:x}", modified_at)
