"""Which file is which recording, kept in the data folder from before a file is taken until it is put away.

One small file for each, written whole and fsynced. With it a watcher that was killed at any moment knows
again what it had begun, so that no file becomes two recordings and none is put away unsaved.
"""

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import UUID

from reelkeep.clock import new_id


@dataclass(frozen=True, slots=True)
class Identity:
    """Tells a file from another one under the same name, and from itself when it was changed."""

    size_bytes: int
    mtime_ns: int
    inode: int

    @classmethod
    def of(cls, facts: os.stat_result) -> "Identity":
        """What a file is now."""
        return cls(facts.st_size, facts.st_mtime_ns, facts.st_ino)


@dataclass(frozen=True, slots=True)
class Entry:
    """One file on its way."""

    recording_id: UUID
    #: Below the watched folder.
    path: Path
    identity: Identity
    #: Set when all that remains is to put the file away.
    ended: bool = False
    #: Why it was not brought in: a code and a sentence.
    failure: tuple[str, str] | None = None
    #: Where it is put, once that is chosen.
    target: Path | None = None


def text_of(path: Path) -> str:
    """A path as text that JSON keeps, whatever bytes are in it."""
    return os.fsencode(path).hex()


def path_of(text: str) -> Path:
    """The path again."""
    return Path(os.fsdecode(bytes.fromhex(text)))


class Journal:
    """The entries of one watched folder."""

    def __init__(self, data: Path, watched: Path) -> None:
        name = hashlib.sha256(os.fsencode(watched)).hexdigest()[:16]
        self._folder = data / "watch" / name
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.entries: dict[Path, Entry] = {entry.path: entry for entry in self._read()}

    def begin(self, path: Path, identity: Identity, recording_id: UUID | None = None) -> Entry:
        """Note a file before anything is done with it."""
        entry = Entry(recording_id or new_id(), path, identity)
        self.write(entry)
        return entry

    def write(self, entry: Entry) -> None:
        """Keep an entry durably, in place of the one before."""
        kept = {
            "path": text_of(entry.path),
            "identity": [entry.identity.size_bytes, entry.identity.mtime_ns, entry.identity.inode],
            "ended": entry.ended,
            "failure": entry.failure,
            "target": text_of(entry.target) if entry.target else None,
        }
        fresh = self._folder / f".{entry.recording_id}"
        with fresh.open("w") as file:
            json.dump(kept, file)
            file.flush()
            os.fsync(file.fileno())
        fresh.rename(self._file(entry))
        sync_folder(self._folder)
        self.entries[entry.path] = entry

    def end(self, entry: Entry, failure: tuple[str, str] | None = None) -> Entry:
        """Note that nothing is left but to put the file away."""
        ended = replace(entry, ended=True, failure=failure)
        self.write(ended)
        return ended

    def forget(self, entry: Entry) -> None:
        """The file has been put away."""
        self._file(entry).unlink(missing_ok=True)
        sync_folder(self._folder)
        if self.entries.get(entry.path) == entry:
            del self.entries[entry.path]

    def _file(self, entry: Entry) -> Path:
        return self._folder / f"{entry.recording_id}.json"

    def _read(self) -> Iterator[Entry]:
        for file in self._folder.glob("*.json"):
            kept = json.loads(file.read_text())
            failure = kept["failure"]
            yield Entry(
                UUID(file.stem),
                path_of(kept["path"]),
                Identity(*kept["identity"]),
                ended=kept["ended"],
                failure=(failure[0], failure[1]) if failure else None,
                target=path_of(kept["target"]) if kept["target"] else None,
            )


def sync_folder(folder: Path) -> None:
    """Make what was renamed or removed in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
