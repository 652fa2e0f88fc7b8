"""Take in a plain folder or bucket of recordings that Reelkeep did not write, by a pattern for its layout.

Every file becomes a recording under an id that follows from its path and how it begins: run again, after a
kill too, nothing is there twice. The files stay where and as they are.
"""

import asyncio
import mimetypes
import os
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Protocol
from uuid import UUID, uuid5

from reelkeep.catalog.import_store import Problem
from reelkeep.catalog.pattern import Pattern, Told
from reelkeep.catalog.take import Became, what_is_known
from reelkeep.errors import ErrorCode, Invalid, ReelkeepError
from reelkeep.logs import get_logger
from reelkeep.media.sniff import HEAD_BYTES, sniff, types_agree
from reelkeep.recordings.create import NewRecording
from reelkeep.runtime import Runtime
from reelkeep.stores.protocol import Store
from reelkeep.uploads.watch import bring_in_once, is_sealed

log = get_logger(__name__)

PIECE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class PlainFile:
    """One file as its place tells of it; parts of the path are joined by `/`."""

    path: str
    size_bytes: int


class Source(Protocol):
    """Where plain files lie."""

    def files(self) -> AsyncIterator[PlainFile]:
        """Every file, in the order of their paths."""
        ...

    def read(self, file: PlainFile, end: int | None = None) -> AsyncIterator[bytes]:
        """The bytes of a file, up to an end."""
        ...


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder of this machine. Links and hidden files are left out."""

    root: Path

    async def files(self) -> AsyncIterator[PlainFile]:
        """Every file below the folder."""
        walk = self._walk()
        while (file := await asyncio.to_thread(next, walk, None)) is not None:
            yield file

    async def read(self, file: PlainFile, end: int | None = None) -> AsyncIterator[bytes]:
        """The bytes of a file, 1 MiB at a time."""
        path = self.root / file.path
        left = file.size_bytes if end is None else min(end, file.size_bytes)
        try:
            descriptor = await asyncio.to_thread(os.open, path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            with os.fdopen(descriptor, "rb") as opened:
                while left and (piece := await asyncio.to_thread(opened.read, min(PIECE_BYTES, left))):
                    left -= len(piece)
                    yield piece
        except OSError as error:
            raise Invalid(f"{path} cannot be read: {error.strerror}.", file=str(path)) from error

    def _walk(self) -> Iterator[PlainFile]:
        for folder, folders, names in os.walk(self.root):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            for name in sorted(names):
                path = Path(folder, name)
                if name.startswith(".") or path.is_symlink() or not path.is_file():
                    continue
                told = os.fsencode(path.relative_to(self.root)).decode("utf-8", "surrogateescape")
                yield PlainFile(told, path.stat().st_size)


@dataclass(frozen=True, slots=True)
class Bucket:
    """What lies in a configured store under a prefix, as objects that Reelkeep did not write."""

    store: Store
    prefix: str = ""

    async def files(self) -> AsyncIterator[PlainFile]:
        """Every object under the prefix; what comes after it is the path."""
        async for facts in self.store.list_objects(self.prefix):
            if not facts.key.startswith(("incoming/", "recordings/")):
                yield PlainFile(facts.key[len(self.prefix) :], facts.size_bytes)

    async def read(self, file: PlainFile, end: int | None = None) -> AsyncIterator[bytes]:
        """The bytes of an object."""
        async for piece in self.store.read(self.prefix + file.path, 0, end):
            yield piece


@dataclass(slots=True)
class PlainReport:
    """What an import of plain files found and did; in a dry run: would do."""

    dry_run: bool
    files: int = 0
    taken: int = 0
    bytes_taken: int = 0
    there: int = 0
    erased: int = 0
    #: Files that are laid out otherwise than the pattern says.
    unlike: int = 0
    problems: list[Problem] = field(default_factory=list)
    #: What the first files would become, for people to look at.
    examples: list[dict[str, object]] = field(default_factory=list)


EXAMPLES_MAX = 5
Tell = Callable[[PlainReport], None]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What every recording of an import is."""

    organization_id: UUID
    pattern: Pattern
    recording_type: str = "recording"
    transcribe: bool = True


async def import_plain(
    runtime: Runtime,
    source: Source,
    wanted: Wanted,
    *,
    dry_run: bool = False,
    tell: Tell = lambda _report: None,
) -> PlainReport:
    """Make a recording of every file that the pattern fits; what is wrong with one is in the report.

    A dry run reads the beginning of each file and writes nothing.
    """
    report = PlainReport(dry_run)
    async for file in source.files():
        report.files += 1
        told = wanted.pattern.read(file.path)
        if told is None:
            report.unlike += 1
            continue
        try:
            await _take(runtime, source, wanted, report, file, told)
        except ReelkeepError as error:
            log.warning("file not imported", error_code=error.code)
            report.problems.append(Problem(shown(file.path), error.code, error.message))
        tell(report)
    return report


async def _take(  # noqa: PLR0917
    runtime: Runtime, source: Source, wanted: Wanted, report: PlainReport, file: PlainFile, told: Told
) -> None:
    head = b"".join([piece async for piece in source.read(file, HEAD_BYTES)])
    new = _recording(wanted, file, told, head)
    assert new.id is not None
    if len(report.examples) < EXAMPLES_MAX:
        told_of = {**told.fields, **told.metadata}
        report.examples.append({"path": shown(file.path), "recording_id": new.id, **told_of})
    async with runtime.database.work(wanted.organization_id) as session:
        known = (await what_is_known(session, wanted.organization_id, [new.id])).get(new.id)
    # One whose bytes had not all come when it was begun is gone on with.
    if known == Became.ERASED:
        report.erased += 1
        return
    if known == Became.THERE and await is_sealed(runtime, wanted.organization_id, new.id):
        report.there += 1
        return
    if not report.dry_run:
        await bring_in_once(runtime, wanted.organization_id, new, lambda: source.read(file))
    report.taken += 1
    report.bytes_taken += file.size_bytes


def shown(path: str) -> str:
    """A path as people read it: bytes that are no text are replaced."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _recording(wanted: Wanted, file: PlainFile, told: Told, head: bytes) -> NewRecording:
    name = shown(file.path.rpartition("/")[2])
    found = sniff(head, file.size_bytes) if head else None
    if found is None:
        raise Invalid(
            f"{shown(file.path)} is no sound or video that is known here.", ErrorCode.UNSUPPORTED_TYPE
        )
    named = mimetypes.guess_type(name)[0] or ""
    only_sound = named.startswith("audio/") and found.media_type.startswith("video/")
    identity = f"{file.path}\n{file.size_bytes}\n{sha256(head).hexdigest()}"
    fields = {"recording_type": wanted.recording_type, **told.fields}
    return NewRecording(
        id=uuid5(wanted.organization_id, identity.encode("utf-8", "surrogateescape").hex()),
        original_filename=name,
        content_type=named if only_sound and types_agree(named, found) else found.media_type,
        size_bytes=file.size_bytes,
        transcribe=wanted.transcribe,
        recording_metadata=dict(told.metadata),
        **fields,
    )
