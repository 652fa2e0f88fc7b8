"""Files of this machine that are to become recordings."""

import asyncio
import mimetypes
import os
import stat
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from reelkeep.errors import ErrorCode, Invalid, NotFound, ReelkeepError
from reelkeep.media.sniff import HEAD_BYTES, Sniffed, sniff, types_agree

PIECE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class MediaFile:
    """A file of sound or video, looked at."""

    path: Path
    name: str
    size_bytes: int
    content_type: str


def look_at_file(path: Path) -> MediaFile:
    """What a file is, by its first bytes; raises `ReelkeepError` for one that cannot become a recording."""
    try:
        # Not waiting: a named pipe may have no writer, and is refused below.
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
            return look_inside(path, file)
    except FileNotFoundError:
        raise NotFound(f"There is no file {path}.", file=str(path)) from None
    except OSError as error:
        raise _unreadable(path, error) from error


def look_inside(path: Path, file: BinaryIO) -> MediaFile:
    """The same of a file that is open."""
    name = os.fsencode(path.name).decode("utf-8", "replace")
    facts = os.fstat(file.fileno())
    if not stat.S_ISREG(facts.st_mode):
        raise Invalid(f"{path} is not a file; give files, not folders or devices.", file=str(path))
    if not facts.st_size:
        raise Invalid(f"{path} is empty.", ErrorCode.UPLOAD_EMPTY, file=str(path))
    found = sniff(file.read(HEAD_BYTES), facts.st_size)
    if found is None:
        raise Invalid(
            f"{path} is no sound or video that is known here.", ErrorCode.UNSUPPORTED_TYPE, file=str(path)
        )
    return MediaFile(path, name, facts.st_size, content_type_of(name, found))


def content_type_of(name: str, found: Sniffed) -> str:
    """The media type by the bytes; by the name where that knows of sound what the bytes leave open."""
    named = mimetypes.guess_type(name)[0] or ""
    only_sound = named.startswith("audio/") and found.media_type.startswith("video/")
    return named if only_sound and types_agree(named, found) else found.media_type


async def pieces_of(file: MediaFile, tell: Callable[[int], None]) -> AsyncIterator[bytes]:
    """The bytes, 1 MiB at a time; `tell` is given the number of bytes read so far."""
    done = 0
    try:
        with file.path.open("rb") as opened:
            async for piece in read_pieces(opened):
                yield piece
                done += len(piece)
                tell(done)
    except OSError as error:
        raise _unreadable(file.path, error) from error


async def read_pieces(file: BinaryIO) -> AsyncIterator[bytes]:
    """The rest of an open file, 1 MiB at a time, without holding up anybody else."""
    while piece := await asyncio.to_thread(file.read, PIECE_BYTES):
        yield piece


def _unreadable(path: Path, error: OSError) -> ReelkeepError:
    return Invalid(f"{path} cannot be read: {error.strerror}.", file=str(path))
