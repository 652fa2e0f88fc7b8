"""Files being written and read for the local store, with the blocking work in its threads."""

import asyncio
import errno
import hashlib
import os
import threading
import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import ParamSpec, TypeVar

from reelkeep.errors import StoreError, StoreFull, StoreRefused, StoreUnavailable, WrongBytes
from reelkeep.stores.local_folder import LocalFolder
from reelkeep.stores.protocol import ObjectFacts

#: Bytes held in memory for one object being written.
WRITE_BUFFER_BYTES = 256 * 1024
#: Bytes held in memory for one object being read.
READ_BUFFER_BYTES = 512 * 1024

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_REFUSED = {errno.EACCES, errno.EPERM, errno.EROFS}

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ExpectedBytes:
    """What a writer was told of the bytes beforehand, digests in lower-case hex; checked where given."""

    size_bytes: int | None = None
    sha256: str | None = None
    md5: str | None = None
    crc32: str | None = None


@contextmanager
def translated(root: Path) -> Iterator[None]:
    """Raise the machine's errors as the store's."""
    try:
        yield
    except OSError as error:
        raise _translate(error, root) from error


def _translate(error: OSError, root: Path) -> StoreError:
    if error.errno in _FULL:
        return StoreFull(
            f"No space is left for {root}: {error.strerror}. Make room on that disk.", root=str(root)
        )
    if error.errno in _REFUSED:
        return StoreRefused(
            f"{error.filename or root} may not be used: {error.strerror}. "
            "Give the user that runs Reelkeep the right to write there.",
            root=str(root),
        )
    return StoreUnavailable(f"The disk under {root} failed: {error}.", root=str(root))


async def in_thread(pool: Executor, root: Path, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Do blocking work in the store's own threads."""

    def run() -> T:
        with translated(root):
            return work(*args, **kwargs)

    return await asyncio.get_running_loop().run_in_executor(pool, run)


class _Sink:
    """The blocking half of a writer. Its lock keeps a late write of a cancelled task off a closed file."""

    def __init__(self, folder: LocalFolder, key: str, content_type: str | None, expected: ExpectedBytes):
        self._folder = folder
        self._key = key
        self._content_type = content_type
        self._expected = expected
        self._lock = threading.Lock()
        self._open: tuple[Path, int] | None = None
        self._ended = False
        self.cancelled = False
        self._size_bytes = 0
        self._sha256 = hashlib.sha256()
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._crc32 = 0

    def append(self, data: bytes | bytearray) -> None:
        with self._lock:
            _, descriptor = self._file()
            self._sha256.update(data)
            self._md5.update(data)
            if self._expected.crc32 is not None:
                self._crc32 = zlib.crc32(data, self._crc32)
            self._size_bytes += len(data)
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(descriptor, rest) :]

    def publish(self) -> ObjectFacts:
        with self._lock:
            path, descriptor = self._file()
            facts = self._facts()
            self._check(facts)
            os.fsync(descriptor)
            self._folder.publish(path, facts, self._refuse_when_cancelled)
            return facts

    def discard(self) -> None:
        """Close the file, and remove it unless it was published."""
        with self._lock:
            self._ended = True
            if self._open is not None:
                path, descriptor = self._open
                self._open = None
                os.close(descriptor)
                path.unlink(missing_ok=True)

    def _file(self) -> tuple[Path, int]:
        if self._ended:
            raise StoreUnavailable(f"The write of {self._key!r} had been given up.", key=self._key)
        if self._open is None:
            self._open = self._folder.new_temporary()
        return self._open

    def _facts(self) -> ObjectFacts:
        md5 = self._md5.hexdigest()
        return ObjectFacts(
            key=self._key,
            size_bytes=self._size_bytes,
            content_type=self._content_type,
            etag=md5,
            modified_at=datetime.now(UTC),
            sha256=self._sha256.hexdigest(),
            md5=md5,
        )

    def _check(self, facts: ObjectFacts) -> None:
        expected = self._expected
        for check, wanted, found in (
            ("size_bytes", expected.size_bytes, facts.size_bytes),
            ("md5", expected.md5, facts.md5),
            ("sha256", expected.sha256, facts.sha256),
            ("crc32", expected.crc32, f"{self._crc32:08x}"),
        ):
            if wanted is not None and wanted != found:
                raise wrong_bytes(self._key, check, wanted, found)

    def _refuse_when_cancelled(self) -> None:
        if self.cancelled:
            raise StoreUnavailable(f"The write of {self._key!r} was cancelled.", key=self._key)


def wrong_bytes(key: str, check: str, wanted: object, found: object) -> WrongBytes:
    """The error for bytes that are not those declared."""
    return WrongBytes(
        f"The bytes for {key!r} are not those declared: {check} should be {wanted} and is {found}. "
        "Nothing was kept; send them again.",
        key=key,
        check=check,
        wanted=wanted,
        found=found,
    )


class LocalWriter:
    """An object being written; nothing is seen under its key before `commit` returns."""

    def __init__(
        self,
        folder: LocalFolder,
        pool: Executor,
        key: str,
        content_type: str | None,
        expected: ExpectedBytes,
    ) -> None:
        self._sink = _Sink(folder, key, content_type, expected)
        self._folder, self._pool = folder, pool
        self._key, self._expected = key, expected
        self._buffer = bytearray()
        #: Bytes taken so far, written or still in the buffer.
        self.size_bytes = 0

    async def write(self, data: bytes | memoryview) -> None:
        """Take bytes; returns when at most `WRITE_BUFFER_BYTES` of them are still in memory."""
        self.size_bytes += len(data)
        wanted = self._expected.size_bytes
        if wanted is not None and self.size_bytes > wanted:
            raise wrong_bytes(self._key, "size_bytes", wanted, f"{self.size_bytes} or more")
        rest = memoryview(data)
        while rest:
            room = WRITE_BUFFER_BYTES - len(self._buffer)
            self._buffer += rest[:room]
            rest = rest[room:]
            if len(self._buffer) == WRITE_BUFFER_BYTES:
                await self._flush()

    async def commit(self) -> ObjectFacts:
        """Check, fsync and publish what was written, or raise and leave the key as it was."""
        await self._flush()
        job = asyncio.ensure_future(in_thread(self._pool, self._folder.root, self._sink.publish))
        try:
            return await asyncio.shield(job)
        except asyncio.CancelledError:
            # The thread goes on; it must neither publish later nor be left behind.
            self._sink.cancelled = True
            await asyncio.wait([job])
            if not job.cancelled():
                job.exception()
            raise

    async def close(self) -> None:
        """Give up what was not committed; safe after a commit."""
        job = in_thread(self._pool, self._folder.root, self._sink.discard)
        await asyncio.shield(asyncio.ensure_future(job))

    async def _flush(self) -> None:
        if self._buffer:
            full, self._buffer = self._buffer, bytearray()
            await in_thread(self._pool, self._folder.root, self._sink.append, full)


class LocalReader:
    """An open object: its facts, and the bytes they describe even if the key is overwritten meanwhile."""

    def __init__(self, folder: LocalFolder, pool: Executor, facts: ObjectFacts, descriptor: int) -> None:
        self.facts = facts
        self._folder, self._pool, self._descriptor = folder, pool, descriptor

    async def pieces(self, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """The bytes from `start` up to, not including, `end`, in pieces of `READ_BUFFER_BYTES`."""
        size = self.facts.size_bytes
        end = size if end is None else min(end, size)
        while start < end:
            length = min(READ_BUFFER_BYTES, end - start)
            piece = await in_thread(self._pool, self._folder.root, os.pread, self._descriptor, length, start)
            if not piece:
                raise StoreUnavailable(
                    f"The object {self.facts.key!r} ends at byte {start} of {size}: its file was cut.",
                    key=self.facts.key,
                )
            start += len(piece)
            yield piece
