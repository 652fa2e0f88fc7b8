"""Which files of a folder are whole: nobody writes to them, and nothing of them has changed for a while."""

import fcntl
import fnmatch
import os
import stat
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from reelkeep.cli.watching.journal import Identity
from reelkeep.errors import Conflict, Invalid, NotFound
from reelkeep.logs import get_logger

log = get_logger(__name__)

#: What other programs call a file that they have not finished.
UNFINISHED = (".part", ".partial", ".crdownload", ".download", ".filepart", ".tmp", ".temp", ".swp", "~")
WRITES = os.O_WRONLY | os.O_RDWR


@dataclass(frozen=True, slots=True)
class Found:
    """A file that is there now."""

    #: Below the watched folder.
    path: Path
    identity: Identity
    device: int


@dataclass(slots=True)
class Folder:
    """A watched folder, and since when each of its files has been as it is."""

    root: Path
    recursive: bool
    pattern: str
    settle_seconds: float
    #: Folders inside that are not watched.
    apart: tuple[Path, ...]
    clock: Callable[[], float] = time.monotonic
    _since: dict[Path, tuple[Identity, float]] = field(default_factory=dict)

    def look(self) -> tuple[list[Found], int]:
        """The files that are whole, oldest first, and how many are still being written."""
        now = self.clock()
        there = {found.path: found for found in self._walk(self.root)}
        for path in self._since.keys() - there.keys():
            del self._since[path]
        settled = []
        for path, found in there.items():
            before = self._since.get(path)
            if before is None or before[0] != found.identity:
                before = self._since[path] = (found.identity, now)
            if now - before[1] >= self.settle_seconds:
                settled.append(found)
        written = being_written((found.device, found.identity.inode) for found in settled)
        whole = [found for found in settled if (found.device, found.identity.inode) not in written]
        whole.sort(key=lambda found: (found.identity.mtime_ns, os.fsencode(found.path)))
        return whole, len(there) - len(whole)

    def _walk(self, folder: Path) -> Iterator[Found]:
        try:
            with os.scandir(folder) as listed:
                for one in listed:
                    yield from self._one(Path(one.path), one)
        except FileNotFoundError:
            if folder == self.root:
                raise NotFound(f"The folder {folder} is not there any more.", folder=str(folder)) from None
        except OSError as error:
            log.warning("a folder cannot be read", folder=str(folder), error=error.strerror)

    def _one(self, path: Path, entry: os.DirEntry[str]) -> Iterator[Found]:
        if entry.name.startswith("."):
            return
        try:
            facts = entry.stat(follow_symlinks=False)
        except OSError:  # it has vanished
            return
        if stat.S_ISDIR(facts.st_mode):
            if self.recursive and path not in self.apart:
                yield from self._walk(path)
        elif stat.S_ISREG(facts.st_mode) and self._is_wanted(entry.name):
            yield Found(path.relative_to(self.root), Identity.of(facts), facts.st_dev)

    def _is_wanted(self, name: str) -> bool:
        lower = name.lower()
        return not lower.endswith(UNFINISHED) and fnmatch.fnmatchcase(lower, self.pattern.lower())


def being_written(files: Iterable[tuple[int, int]]) -> set[tuple[int, int]]:
    """Those of the files (device and inode) that a process has open for writing, where /proc can tell."""
    wanted = set(files)
    if not wanted:
        return set()
    return {found for folder in Path("/proc").glob("[0-9]*/fd") for found in _written_by(folder, wanted)}


def _written_by(folder: Path, wanted: set[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    try:
        descriptors = list(folder.iterdir())
    except OSError:  # not ours to see, or gone
        return
    for descriptor in descriptors:
        try:
            facts = descriptor.stat()
            if (facts.st_dev, facts.st_ino) not in wanted:
                continue
            info = (folder.parent / "fdinfo" / descriptor.name).read_text()
        except OSError:
            continue
        flags = next((line.split()[1] for line in info.splitlines() if line.startswith("flags:")), "0")
        if int(flags, 8) & WRITES:
            yield facts.st_dev, facts.st_ino


def lock_folder(root: Path) -> int:
    """Let this process alone watch the folder; the descriptor holds the lock until it is closed."""
    try:
        descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        raise NotFound(f"There is no folder {root}.", folder=str(root)) from None
    except OSError as error:
        raise Invalid(f"{root} cannot be watched: {error.strerror}.", folder=str(root)) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise Conflict(f"Another `reelkeep watch` watches {root} already.", folder=str(root)) from None
    except OSError as error:  # a file system without locks
        log.warning("the folder cannot be locked; do not watch it twice", error=error.strerror)
    return descriptor
