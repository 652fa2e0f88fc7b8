"""Bring a blob's bytes onto this machine for as long as they are worked on, and check them on the way."""

import asyncio
import fcntl
import hashlib
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp

from reelkeep.blobs.find import Located
from reelkeep.errors import ErrorCode, MediaError, ObjectNotFound, ReelkeepError, WrongBytes
from reelkeep.stores.protocol import OpensFiles, Store

WRITE_BYTES = 1 << 20
PREFIX = "work-"
#: The name of a blob that was brought into such a folder.
BROUGHT = "original"


@dataclass(frozen=True, slots=True)
class OnScratch:
    """A blob as a file, and the digest of the bytes when they were read in full to bring it here."""

    path: Path
    sha256: str | None


@asynccontextmanager
async def scratch_folder(parent: Path, bytes_needed: int, bytes_max: int) -> AsyncIterator[Path]:
    """A private folder inside `parent`, gone afterwards.

    Raises `MEDIA_LIMIT` when the work may never take so much, and `SCRATCH_FULL` until the disk has room.
    """
    if bytes_needed > bytes_max:
        raise MediaError(
            f"The work needs {bytes_needed:,} bytes of scratch and may use {bytes_max:,}; "
            "raise REELKEEP_SCRATCH_BYTES_MAX, then run the step again.",
            ErrorCode.MEDIA_LIMIT,
        )
    free = shutil.disk_usage(parent).free
    if free < bytes_needed:
        raise ReelkeepError(
            f"The disk under the scratch folder has {free:,} bytes free and the work needs {bytes_needed:,}; "
            "make room.",
            ErrorCode.SCRATCH_FULL,
            retry_after_seconds=60,
        )
    folder = Path(mkdtemp(prefix=PREFIX, dir=parent))
    in_use = _lock(folder)
    try:
        yield folder
    finally:
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
        os.close(in_use)


def sweep_scratch(parent: Path) -> int:
    """Remove the folders of processes that died (their locks are free); how many."""
    removed = 0
    for folder in parent.glob(f"{PREFIX}*"):
        try:
            in_use = _lock(folder)
        except OSError:  # somebody works there, or it has just gone
            continue
        shutil.rmtree(folder, ignore_errors=True)
        os.close(in_use)
        removed += 1
    return removed


def _lock(folder: Path) -> int:
    """Hold the folder for as long as this process lives; OSError when another holds it."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


async def bring(store: Store, located: Located, folder: Path) -> OnScratch:
    """The blob as a file: where the store keeps files, a second name of the same one; else a download.

    A blob whose SHA-256 is not known yet is read in full here, and its digest is returned; one whose
    length, or whose digest where it is known, differs raises `WrongBytes`, and one that is not there
    `ObjectNotFound`.
    """
    path = folder / BROUGHT
    if isinstance(store, OpensFiles):
        await asyncio.to_thread(_second_name, store, located, path)
        return OnScratch(path, located.sha256)
    sha256 = await _download(store, located, path)
    if located.sha256 and located.sha256 != sha256:
        raise WrongBytes(
            "The store gave other bytes than were sealed: the SHA-256 differs.",
            store=located.store,
            blob_id=str(located.blob_id),
        )
    return OnScratch(path, sha256)


def _second_name(store: OpensFiles, located: Located, target: Path) -> None:
    source = store.path_of(located.key)
    try:
        size_bytes = source.stat().st_size
    except FileNotFoundError as error:
        raise ObjectNotFound(
            f"The bytes in {source} are gone. Put them back from a backup, then run the step again.",
            store=located.store,
            blob_id=str(located.blob_id),
        ) from error
    if size_bytes != located.size_bytes:
        raise WrongBytes(
            f"{located.size_bytes:,} bytes were sealed and {source} has {size_bytes:,}. "
            "Put it back from a backup, then run the step again.",
            store=located.store,
            blob_id=str(located.blob_id),
        )
    try:
        os.link(source, target)
    except OSError:
        target.symlink_to(source)


async def _download(store: Store, located: Located, path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("xb") as file:
        async for piece in store.read(located.key):
            digest.update(piece)
            await asyncio.to_thread(file.write, piece)
    return digest.hexdigest()


async def read_file(path: Path) -> AsyncIterator[bytes]:
    """The bytes of a file on scratch, in pieces of 1 MiB."""
    with path.open("rb") as file:
        while piece := await asyncio.to_thread(file.read, WRITE_BYTES):
            yield piece
