"""Put a file away once it is a recording, or has failed: moved or removed, never another one in its place.

    name → .ID.reelkeep in the same folder → looked at again → done/name

First the file is taken off its name. A new file may come under that name at any moment; if it was there
already, it is given its name back and waits for its turn. Each step may be done twice.
"""

import errno
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from reelkeep.cli.output import clean
from reelkeep.cli.watching.journal import Entry, Identity, Journal, sync_folder

NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)


@dataclass(frozen=True, slots=True)
class Places:
    """Where files go."""

    root: Path
    #: None: removed.
    done: Path | None
    failed: Path


def put_away(journal: Journal, places: Places, entry: Entry) -> None:
    """Take the file out of the watched folder; raises `OSError` when that cannot be done now."""
    apart = _taken_off(places, entry)
    if apart is not None:
        folder = places.failed if entry.failure else places.done
        if folder is None:
            apart.unlink()
        else:
            _move(journal, entry, apart, folder / entry.path)
        sync_folder(apart.parent)
    journal.forget(journal.entries.get(entry.path, entry))


def _taken_off(places: Places, entry: Entry) -> Path | None:
    """The file under a name of its own; None when it is not there (any more)."""
    path = places.root / entry.path
    apart = path.with_name(f".{entry.recording_id}.reelkeep")
    if _identity(apart) == entry.identity:
        return apart
    if _identity(path) != entry.identity:
        return None
    path.rename(apart)
    if _identity(apart) == entry.identity:
        return apart
    _give_back(apart, path)
    return None


def _identity(path: Path) -> Identity | None:
    try:
        return Identity.of(path.lstat())
    except FileNotFoundError:
        return None


def _give_back(apart: Path, path: Path) -> None:
    """Another file had come under the name in this very moment."""
    for name in _names(path):
        if _link(apart, name):
            apart.unlink()
            return


def _names(path: Path) -> Iterator[Path]:
    """`visit.wav`, `visit (2).wav`, `visit (3).wav`, …"""
    yield path
    for number in range(2, 100_000):
        yield path.with_name(f"{path.stem} ({number}){path.suffix}")


def _move(journal: Journal, entry: Entry, apart: Path, wanted: Path) -> None:
    wanted.parent.mkdir(parents=True, exist_ok=True)
    target = entry.target
    if target is None or (os.path.lexists(target) and not _is_there(target, apart)):
        target = next(name for name in _names(wanted) if not os.path.lexists(name))
    entry = replace(entry, target=target)
    journal.write(entry)
    if entry.failure:
        _write_reason(target, entry.failure)
    if not _is_there(target, apart):
        _bring_over(apart, target)
    sync_folder(target.parent)
    apart.unlink(missing_ok=True)


def _write_reason(target: Path, failure: tuple[str, str]) -> None:
    code, message = failure
    reason = target.with_name(f"{target.name}.txt")
    reason.write_text(f"{clean(message)}\n({code})\n", encoding="utf-8")


def _is_there(target: Path, apart: Path) -> bool:
    """Whether an earlier try came so far: the same file, or its whole copy on another disk."""
    try:
        there, here = target.lstat(), apart.lstat()
    except FileNotFoundError:
        return False
    if there.st_dev == here.st_dev:
        return there.st_ino == here.st_ino
    return (there.st_size, there.st_mtime_ns) == (here.st_size, here.st_mtime_ns)


def _bring_over(apart: Path, target: Path) -> None:
    try:
        if _link(apart, target):
            return
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        copied = target.with_name(apart.name)
        shutil.copy2(apart, copied)
        with copied.open("rb") as file:
            os.fsync(file.fileno())
        copied.rename(target)
        return
    raise FileExistsError(errno.EEXIST, "another file has come under the name", str(target))


def _link(source: Path, target: Path) -> bool:
    """Give a file a second name unless that is taken; a rename where there are no links."""
    try:
        os.link(source, target, follow_symlinks=False)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        if os.path.lexists(target):
            return False
        source.rename(target)
    return True
