"""What the local store's writing and reading of files have in common: its threads, its errors, its reader."""

import asyncio
import errno
import os
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ParamSpec, TypeVar

from reelkeep.errors import StoreError, StoreFull, StoreRefused, StoreUnavailable, WrongBytes
from reelkeep.stores.local_folder import LocalFolder
from reelkeep.stores.protocol import ObjectFacts

#: Bytes held in memory for one object being read: the first piece, and what it grows to while the reader is
#: quick. 1 MiB halves the processor time of 64 KiB; a slow reader does not need it.
READ_BYTES_MIN, READ_BYTES_MAX = 64 * 1024, 1024 * 1024
#: Read in the same step that opens an object to be read through: most are whole then.
READ_AHEAD_BYTES = 256 * 1024
#: A reader that takes a piece sooner gets one of four times the size, and one that needs longer one of half.
QUICK_SECONDS, SLOW_SECONDS = 0.02, 0.2

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


@dataclass(frozen=True, slots=True)
class Opened:
    """An object's facts, a descriptor of the bytes they describe, and those that were read at once."""

    facts: ObjectFacts
    descriptor: int
    ahead: bytes = b""


def open_object(folder: LocalFolder, key: str, ahead: range | None) -> Opened:
    """Open an object, and read the beginning of this range of it."""
    facts, descriptor = folder.open(key)
    if ahead is None:
        return Opened(facts, descriptor)
    try:
        length = min(ahead.stop, facts.size_bytes) - ahead.start
        read = os.pread(descriptor, max(0, min(length, READ_AHEAD_BYTES)), ahead.start)
        return Opened(facts, descriptor, read)
    except BaseException:
        os.close(descriptor)
        raise


class LocalReader:
    """An open object: its facts, and the bytes they describe even if the key is overwritten meanwhile."""

    def __init__(self, folder: LocalFolder, pool: Executor, opened: Opened) -> None:
        self.facts = opened.facts
        self._folder, self._pool, self._descriptor = folder, pool, opened.descriptor
        self._ahead = opened.ahead

    @property
    def descriptor(self) -> int:
        """The open file of its bytes, for whoever sends them without reading; it closes with the reader."""
        return self._descriptor

    async def pieces(self, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """The bytes from `start` up to, not including, `end`, in pieces of 64 KiB to 1 MiB.

        What was read ahead is the first of them, and is given once.
        """
        size, now = self.facts.size_bytes, asyncio.get_running_loop().time
        end = size if end is None else min(end, size)
        most = READ_BYTES_MIN
        piece, self._ahead = self._ahead, b""
        while start < end:
            if not piece:
                piece = await self._read(start, min(most, end - start))
            if not piece:
                raise StoreUnavailable(
                    f"The object {self.facts.key!r} ends at byte {start} of {size}: its file was cut.",
                    key=self.facts.key,
                )
            start += len(piece)
            given = now()
            yield piece
            piece = b""
            most = _next_length(most, now() - given)

    async def _read(self, start: int, length: int) -> bytes:
        return await in_thread(self._pool, self._folder.root, os.pread, self._descriptor, length, start)


def _next_length(length: int, taken_in_seconds: float) -> int:
    if taken_in_seconds < QUICK_SECONDS:
        return min(4 * length, READ_BYTES_MAX)
    return max(length // 2, READ_BYTES_MIN) if taken_in_seconds > SLOW_SECONDS else length
