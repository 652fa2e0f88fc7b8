"""A file that is either whole or not there: written beside its place, made durable, then renamed."""

import os
import tempfile
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from reelkeep.errors import Invalid


@contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """A file to write to; it takes its place when the block ends well, and else nothing has changed."""
    try:
        descriptor, unfinished = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    except OSError as error:
        raise _unwritable(path, error) from error
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        Path(unfinished).replace(path)
    except OSError as error:
        Path(unfinished).unlink(missing_ok=True)
        raise _unwritable(path, error) from error
    except BaseException:
        Path(unfinished).unlink(missing_ok=True)
        raise


def write_whole(path: Path, pieces: Iterable[bytes]) -> None:
    """Write a file whole, or leave what was there."""
    with new_file(path) as file:
        for piece in pieces:
            file.write(piece)


async def copy_to(file: BinaryIO, pieces: AsyncIterator[bytes]) -> int:
    """Write what comes; the number of bytes."""
    count = 0
    async for piece in pieces:
        file.write(piece)
        count += len(piece)
    return count


def _unwritable(path: Path, error: OSError) -> Invalid:
    return Invalid(f"{path} cannot be written: {error.strerror}.", file=str(path))
