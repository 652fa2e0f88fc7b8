"""One file of a watched folder on its way into a recording."""

import asyncio
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO
from uuid import UUID

from reelkeep.cli.files import MediaFile, look_inside, read_pieces
from reelkeep.cli.watching.folder import Found
from reelkeep.cli.watching.journal import Entry, Identity, Journal
from reelkeep.errors import Conflict, ErrorCode, ReelkeepError
from reelkeep.recordings.create import NewRecording
from reelkeep.runtime import Runtime
from reelkeep.uploads.watch import bring_in_once, give_up, is_sealed

#: What no waiting mends: the file itself is not what is taken here.
FINAL = frozenset(
    {
        ErrorCode.UNSUPPORTED_TYPE,
        ErrorCode.TYPE_MISMATCH,
        ErrorCode.UPLOAD_TOO_LARGE,
        ErrorCode.UPLOAD_EMPTY,
        ErrorCode.MEDIA_TOO_LONG,
    }
)


class Vanished(Exception):
    """The file is not there any more, or is another one by now."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What every recording of the folder is."""

    organization_id: UUID
    recording_type: str
    transcribe: bool


@dataclass(frozen=True, slots=True)
class Taker:
    """Takes files one at a time; what it has begun it notes before."""

    runtime: Runtime
    journal: Journal
    root: Path
    wanted: Wanted

    async def recover(self) -> None:
        """End what was begun by a watcher before and has no file any more."""
        for entry in list(self.journal.entries.values()):
            now = _identity(self.root / entry.path)
            if entry.ended or now == entry.identity:
                continue
            if not await is_sealed(self.runtime, self.wanted.organization_id, entry.recording_id):
                if now is not None:
                    continue  # changed meanwhile; it is taken under the same recording once it has settled
                await give_up(
                    self.runtime, self.wanted.organization_id, entry.recording_id, _vanished(entry.path)
                )
            self.journal.forget(entry)

    async def take(self, found: Found) -> Entry:
        """Make the file a recording; its entry, ended well or with why it cannot be one.

        Raises `Vanished`, and whatever may pass.
        """
        entry = await self._entry(found)
        if entry.ended:
            return entry
        try:
            await self._bring_in(entry)
        except ReelkeepError as error:
            if error.code not in FINAL:
                raise
            await give_up(self.runtime, self.wanted.organization_id, entry.recording_id, error)
            return self.journal.end(entry, (error.code, error.message))
        return self.journal.end(entry)

    async def _entry(self, found: Found) -> Entry:
        """The entry of this very file: an earlier one goes on where its recording is not sealed."""
        known = self.journal.entries.get(found.path)
        if known is None:
            return self.journal.begin(found.path, found.identity)
        if known.identity == found.identity:
            return known
        sealed = await is_sealed(self.runtime, self.wanted.organization_id, known.recording_id)
        if known.ended or sealed:
            self.journal.forget(known)  # its file has gone, and this is another one under its name
            return self.journal.begin(found.path, found.identity)
        changed = replace(known, identity=found.identity)
        self.journal.write(changed)
        return changed

    async def _bring_in(self, entry: Entry) -> None:
        path = self.root / entry.path
        with _opened(path) as file:
            if Identity.of(os.fstat(file.fileno())) != entry.identity:
                raise Vanished
            media = look_inside(path, file)
            await bring_in_once(
                self.runtime,
                self.wanted.organization_id,
                self._recording(entry, media),
                lambda: _whole(file, entry),
            )

    def _recording(self, entry: Entry, media: MediaFile) -> NewRecording:
        return NewRecording(
            id=entry.recording_id,
            original_filename=media.name,
            content_type=media.content_type,
            recording_type=self.wanted.recording_type,
            size_bytes=media.size_bytes,
            transcribe=self.wanted.transcribe,
        )


def _identity(path: Path) -> Identity | None:
    try:
        return Identity.of(path.lstat())
    except OSError:
        return None


def _opened(path: Path) -> BinaryIO:
    """The file itself, never what a link points to; not waiting for one that is a pipe by now."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise Vanished from None
    except OSError as error:
        raise Conflict(f"{path} cannot be read: {error.strerror}.", file=str(path)) from error
    return os.fdopen(descriptor, "rb")


async def _whole(file: BinaryIO, entry: Entry) -> AsyncIterator[bytes]:
    """All bytes; an error at the end, so that nothing is kept, where the file changed while it was read."""
    await asyncio.to_thread(file.seek, 0)
    async for piece in read_pieces(file):
        yield piece
    if Identity.of(os.fstat(file.fileno())) != entry.identity:
        raise Conflict("The file changed while it was read; it is taken once it has settled.")


def _vanished(path: Path) -> ReelkeepError:
    name = os.fsencode(path).decode("utf-8", "replace")
    return Conflict(
        f"{name} was taken away from the watched folder before all of it was here; put it back.",
        ErrorCode.UPLOAD_INCOMPLETE,
    )
