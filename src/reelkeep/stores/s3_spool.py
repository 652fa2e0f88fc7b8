"""The bytes of one part on their way to an S3 service: in a file without a name on this machine's disk."""

import hashlib
import os
import threading
from collections.abc import AsyncIterator, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

from reelkeep.errors import StoreUnavailable
from reelkeep.stores.buffering import Piece
from reelkeep.stores.local_files import in_thread
from reelkeep.stores.s3_requests import Body

_READ_BYTES = 256 * 1024


class Scratch:
    """Where spools lie, and the threads that do their blocking work."""

    def __init__(self, folder: Path, threads: int = 4) -> None:
        self.folder = folder
        self.pool = ThreadPoolExecutor(threads, thread_name_prefix="s3-scratch")

    def close(self) -> None:
        """End the threads."""
        self.pool.shutdown(wait=False)


class Spool:
    """A part's bytes from its first to `size_bytes`.

    Those before `missing_bytes` lie elsewhere until `fill` has brought them. The lock keeps a thread whose
    task was cancelled off a file that was closed.
    """

    def __init__(self, scratch: Scratch, size_bytes_max: int, *, missing_bytes: int = 0) -> None:
        self._scratch = scratch
        self._file: IO[bytes] | None = None
        self._closed = False
        self._lock = threading.Lock()
        self.size_bytes_max = size_bytes_max
        self.missing_bytes = self.size_bytes = missing_bytes

    @property
    def full(self) -> bool:
        """Whether the part has all its bytes."""
        return self.size_bytes == self.size_bytes_max

    def append(self, pieces: Iterable[Piece]) -> None:
        """Blocking: write at the end; the caller sees to it that no more come than there is room for."""
        for piece in pieces:
            self._write(piece, self.size_bytes)
            self.size_bytes += len(piece)

    async def fill(self, start: int, pieces: AsyncIterator[bytes]) -> int:
        """Write what lay elsewhere; where it ends."""
        async for piece in pieces:
            await in_thread(self._scratch.pool, self._scratch.folder, self._write, piece, start)
            start += len(piece)
        return start

    async def body(self, start: int, end: int) -> Body:
        """A range as the body of a request, with its digest."""
        digest = await in_thread(self._scratch.pool, self._scratch.folder, self._digest, start, end)
        return Body(end - start, digest, lambda: self.pieces(start, end))

    async def pieces(self, start: int, end: int) -> AsyncIterator[bytes]:
        """A range, in pieces."""
        for at in range(start, end, _READ_BYTES):
            size = min(_READ_BYTES, end - at)
            yield await in_thread(self._scratch.pool, self._scratch.folder, self._read, at, size)

    def close(self) -> None:
        """Forget the bytes."""
        with self._lock:
            self._closed = True
            if self._file is not None:
                self._file.close()
                self._file = None

    def _digest(self, start: int, end: int) -> str:
        digest = hashlib.sha256()
        for at in range(start, end, _READ_BYTES):
            digest.update(self._read(at, min(_READ_BYTES, end - at)))
        return digest.hexdigest()

    def _read(self, at: int, size: int) -> bytes:
        with self._lock:
            data = os.pread(self._descriptor(), size, at)
        if len(data) != size:
            raise StoreUnavailable("The scratch file of an upload is shorter than what was written to it.")
        return data

    def _write(self, data: Piece, at: int) -> None:
        with self._lock:
            rest = memoryview(data)
            while rest:
                written = os.pwrite(self._descriptor(), rest, at)
                rest, at = rest[written:], at + written

    def _descriptor(self) -> int:
        if self._closed:
            raise StoreUnavailable("The upload's request had ended before its bytes were written.")
        if self._file is None:
            self._file = TemporaryFile(dir=self._scratch.folder, buffering=0)  # noqa: SIM115 - closed by close
        return self._file.fileno()
