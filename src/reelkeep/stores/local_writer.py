"""Writes one file of the local store: bytes go through a buffer to a thread that digests and writes them.

What becomes of the finished file, an object or a part of one, is the `publish` that the writer is given.
"""

import asyncio
import hashlib
import os
import secrets
import threading
import zlib
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from reelkeep.errors import StoreUnavailable
from reelkeep.stores.buffering import BufferBudget, Piece, WriteBuffer
from reelkeep.stores.local_files import ExpectedBytes, in_thread, wrong_bytes
from reelkeep.stores.local_folder import LocalFolder

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Written:
    """A file that is whole and fsynced: its size and digests, in lower-case hex."""

    size_bytes: int
    #: Where nobody asked for digests, a tag that no other file has.
    md5: str
    #: None where nobody asked for it.
    sha256: str | None
    digested: bool = True


#: Makes a written file what it is to be, durably, and tells its facts. In a thread; calls the check that it
#: is given right before the one step that makes it visible, and lets what that raises pass.
Publish = Callable[[Path, Written, Callable[[], None]], T]


class LocalWriter(Generic[T]):
    """A file being written: `async with`, `write` and `commit`. Without `commit` nothing is kept."""

    def __init__(
        self,
        folder: LocalFolder,
        pool: Executor,
        budget: BufferBudget,
        *,
        key: str,
        expected: ExpectedBytes,
        publish: Publish[T],
        with_sha256: bool = True,
        digested: bool = True,
    ) -> None:
        wants_sha256 = (digested and with_sha256) or expected.sha256 is not None
        self._sink = _Sink(
            folder,
            key,
            expected,
            publish,
            wants_sha256=wants_sha256,
            wants_md5=digested or expected.md5 is not None,
        )
        self._root, self._pool = folder.root, pool
        self._key, self._expected = key, expected
        self._buffer = WriteBuffer(budget, self._append)
        self._open = AsyncExitStack()
        #: Bytes taken so far, written or still in the buffer.
        self.size_bytes = 0

    async def __aenter__(self) -> "LocalWriter[T]":
        """Begin; no file is made before there are bytes to write."""
        await self._open.enter_async_context(self._buffer)
        return self

    async def __aexit__(self, *_error: object) -> None:
        """Give up what was not committed; harmless after a commit."""
        try:
            await self._open.aclose()
        finally:
            job = in_thread(self._pool, self._root, self._sink.discard)
            await asyncio.shield(asyncio.ensure_future(job))

    async def write(self, data: bytes | memoryview) -> None:
        """Take bytes; returns when little of them is still in memory."""
        self.size_bytes += len(data)
        wanted = self._expected.size_bytes
        if wanted is not None and self.size_bytes > wanted:
            raise wrong_bytes(self._key, "size_bytes", wanted, f"{self.size_bytes} or more")
        await self._buffer.add(data)

    async def commit(self) -> T:
        """Check, fsync and publish what was written, or raise and leave everything as it was."""
        await self._buffer.flush()
        job = in_thread(self._pool, self._root, self._sink.publish)
        return await finished(job, self._sink.give_up)

    async def _append(self, pieces: list[Piece]) -> None:
        await in_thread(self._pool, self._root, self._sink.append, pieces)


async def finished(job: Awaitable[T], give_up: Callable[[], None]) -> T:
    """The result of blocking work. Cancelled, it is told to give up, and awaited all the same.

    Else the thread would publish later, or leave something behind that its owner believes removed.
    """
    running = asyncio.ensure_future(job)
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        give_up()
        await asyncio.wait([running])
        if not running.cancelled():
            running.exception()
        raise


class _Sink(Generic[T]):
    """The blocking half of a writer. Its lock keeps a late write of a cancelled task off a closed file."""

    def __init__(
        self,
        folder: LocalFolder,
        key: str,
        expected: ExpectedBytes,
        publish: Publish[T],
        *,
        wants_sha256: bool,
        wants_md5: bool,
    ) -> None:
        self._folder, self._key, self._expected, self._publish = folder, key, expected, publish
        self._lock = threading.Lock()
        self._open: tuple[Path, int] | None = None
        self._ended = False
        self._given_up = False
        self._size_bytes = 0
        self._md5 = hashlib.md5(usedforsecurity=False) if wants_md5 else None
        self._sha256 = hashlib.sha256() if wants_sha256 else None
        self._crc32 = 0

    def append(self, pieces: list[Piece]) -> None:
        with self._lock:
            _, descriptor = self._file()
            for piece in pieces:
                self._digest(piece)
            write_all(descriptor, pieces)

    def publish(self) -> T:
        with self._lock:
            path, descriptor = self._file()
            sha256 = self._sha256.hexdigest() if self._sha256 is not None else None
            md5 = self._md5.hexdigest() if self._md5 is not None else secrets.token_hex(16)
            written = Written(self._size_bytes, md5, sha256, digested=self._md5 is not None)
            self._check(written)
            os.fsync(descriptor)
            return self._publish(path, written, self._refuse_when_given_up)

    def discard(self) -> None:
        """Close the file, and remove it unless it was published."""
        with self._lock:
            self._ended = True
            if self._open is not None:
                path, descriptor = self._open
                self._open = None
                os.close(descriptor)
                path.unlink(missing_ok=True)

    def give_up(self) -> None:
        """Let a publishing that is under way stop before its last step."""
        self._given_up = True

    def _digest(self, piece: Piece) -> None:
        self._size_bytes += len(piece)
        if self._md5 is not None:
            self._md5.update(piece)
        if self._sha256 is not None:
            self._sha256.update(piece)
        if self._expected.crc32 is not None:
            self._crc32 = zlib.crc32(piece, self._crc32)

    def _file(self) -> tuple[Path, int]:
        if self._ended:
            raise StoreUnavailable(f"The write of {self._key!r} had been given up.", key=self._key)
        if self._open is None:
            self._open = self._folder.new_temporary()
        return self._open

    def _check(self, written: Written) -> None:
        expected = self._expected
        for check, wanted, found in (
            ("size_bytes", expected.size_bytes, written.size_bytes),
            ("md5", expected.md5, written.md5),
            ("sha256", expected.sha256, written.sha256),
            ("crc32", expected.crc32, f"{self._crc32:08x}"),
        ):
            if wanted is not None and wanted != found:
                raise wrong_bytes(self._key, check, wanted, found)

    def _refuse_when_given_up(self) -> None:
        if self._given_up:
            raise StoreUnavailable(f"The write of {self._key!r} was cancelled.", key=self._key)


def write_all(descriptor: int, pieces: list[Piece]) -> None:
    """Write pieces in order, all of them; blocks."""
    left: list[Piece] = pieces
    while left:
        written = os.writev(descriptor, left)
        while left and written >= len(left[0]):
            written -= len(left[0])
            left = left[1:]
        if written:
            left = [memoryview(left[0])[written:], *left[1:]]
