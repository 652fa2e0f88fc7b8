"""How the local store lies on disk. Everything here blocks; `local.py` calls it from its threads.

    ROOT/temporary/<random>                      bytes and facts being written
    ROOT/locks/<nn>                              one lock for a share of the keys, held across processes
    ROOT/objects/incoming.d/7f.d/a1.json         the facts of `incoming/7f/a1`, written last
    ROOT/objects/incoming.d/7f.d/a1.<random>.bytes   the bytes that these facts name

A facts file is renamed into place in one step and names its data file, so that two writers of one key
never pair one's bytes with the other's digest. Every name gets an ending, so the keys `a`, `a/b` and
`a.json` do not meet.
"""

import fcntl
import json
import os
import secrets
import shutil
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from reelkeep.errors import ObjectNotFound, WrongBytes
from reelkeep.logs import get_logger
from reelkeep.stores.keys import check_key
from reelkeep.stores.protocol import ObjectFacts

log = get_logger(__name__)

FACTS, BYTES, FOLDER = ".json", ".bytes", ".d"
LOCKS = 64
#: How often a race with another writer or remover is tried again before it counts as damage.
RACES_MAX = 20


@dataclass(frozen=True, slots=True)
class Record:
    """An object's facts and the file that they name."""

    facts: ObjectFacts
    data: Path


def nothing_to_check() -> None:
    """The check before a commit that never refuses."""


class LocalFolder:
    """The folder of one local store; folders are made with mode 0700 and files with 0600."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._objects = root / "objects"
        self._temporary = root / "temporary"
        self._locks = root / "locks"

    def new_temporary(self) -> tuple[Path, int]:
        """A new empty file of our own and its open descriptor."""
        _make_folders(self._temporary)
        path = self._temporary / secrets.token_hex(16)
        return path, os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)

    def read(self, key: str) -> Record:
        """The record of an object, or `ObjectNotFound`."""
        path = self._facts_path(key)
        try:
            record = json.loads(path.read_bytes())
            facts = ObjectFacts(
                key=key,
                size_bytes=record["size_bytes"],
                content_type=record["content_type"],
                etag=record["md5"],
                modified_at=datetime.fromisoformat(record["modified_at"]),
                sha256=record["sha256"],
                md5=record["md5"],
            )
            return Record(facts, path.parent / record["data"])
        except (FileNotFoundError, NotADirectoryError) as error:
            raise ObjectNotFound(f"There is no object {key!r} in {self.root}.", key=key) from error
        except (ValueError, KeyError, TypeError) as error:
            raise _damaged(key, path) from error

    def open(self, key: str) -> tuple[ObjectFacts, int]:
        """The facts of an object and a descriptor of exactly the bytes that they describe."""
        for _ in range(RACES_MAX):
            record = self.read(key)
            with suppress(FileNotFoundError):  # replaced between the two: the new facts name the new file
                return record.facts, os.open(record.data, os.O_RDONLY | os.O_CLOEXEC)
        raise _damaged(key, record.data)

    def publish(
        self, temporary: Path, facts: ObjectFacts, check_before_commit: Callable[[], None] = nothing_to_check
    ) -> None:
        """Make a written and fsynced temporary file the object that `facts` describe, durably.

        `check_before_commit` is called right before the one step that makes it visible, and may raise.
        """
        self._commit(facts, temporary.rename, check_before_commit)

    def copy(self, source_key: str, target_key: str) -> ObjectFacts:
        """Give the source's present bytes a second name, with facts of their own."""
        for _ in range(RACES_MAX):
            source = self.read(source_key)
            facts = replace(source.facts, key=target_key, modified_at=datetime.now(UTC))
            try:
                self._commit(facts, partial(_link, source.data))
            except FileNotFoundError:
                continue  # the source was replaced or removed since its facts were read
            return facts
        raise _damaged(source_key, source.data)

    def remove(self, key: str) -> None:
        """Remove an object: its facts first, so that none ever names bytes that are gone.

        Nothing is fsynced: a crash may bring the object back, whole or as facts without bytes, and removing
        it once more is harmless.
        """
        path = self._facts_path(key)
        with self._locked(key):
            try:
                record = self.read(key)
            except ObjectNotFound:
                return
            path.unlink(missing_ok=True)
            record.data.unlink(missing_ok=True)
            self._remove_empty_folders(path.parent)

    def walk(self, prefix: str) -> Iterator[ObjectFacts]:
        """The facts of every object under a prefix, in key order; one folder's names at a time in memory."""
        for key in self._walk_keys(self._objects, "", prefix):
            try:
                yield self.read(key).facts
            except ObjectNotFound:
                continue  # removed since its folder was read
            except WrongBytes as error:
                log.error("object left out of a listing: it is damaged", key=key, exc_info=error)

    def sweep(self, older_than_seconds: float) -> int:
        """Remove what a crash left, temporary files and data that no facts name; says how many."""
        latest = time.time() - older_than_seconds
        removed = 0
        if self._temporary.is_dir():
            removed += sum(_unlink_older(path, latest) for path in self._temporary.iterdir())
        for folder, _, names in os.walk(self._objects):
            for name in names:
                if name.endswith(BYTES):
                    removed += self._sweep_data(Path(folder, name), latest)
        return removed

    def _commit(
        self,
        facts: ObjectFacts,
        place_data: Callable[[Path], object],
        check_before_commit: Callable[[], None] = nothing_to_check,
    ) -> None:
        path = self._facts_path(facts.key)
        data = path.with_name(f"{path.name.removesuffix(FACTS)}.{secrets.token_hex(16)}{BYTES}")
        with self._locked(facts.key):
            old = self._data_of(facts.key)
            written = self._write_facts(facts, data.name)
            try:
                _in_folder(path.parent, lambda: place_data(data))
                if old is not None:
                    # New facts must not outlive a crash that their bytes did not: the old ones are good.
                    _sync_folder(path.parent)
                check_before_commit()
                written.rename(path)
            except BaseException:
                written.unlink(missing_ok=True)
                data.unlink(missing_ok=True)
                raise
            _sync_folder(path.parent)
            if old is not None:
                old.unlink(missing_ok=True)

    def _write_facts(self, facts: ObjectFacts, data_name: str) -> Path:
        record = {
            "key": facts.key,
            "data": data_name,
            "size_bytes": facts.size_bytes,
            "content_type": facts.content_type,
            "md5": facts.md5,
            "sha256": facts.sha256,
            "modified_at": facts.modified_at.isoformat(),
        }
        path, descriptor = self.new_temporary()
        try:
            with os.fdopen(descriptor, "w") as file:
                json.dump(record, file)
                file.flush()
                os.fsync(file.fileno())
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return path

    def _data_of(self, key: str) -> Path | None:
        try:
            return self.read(key).data
        except (ObjectNotFound, WrongBytes):
            return None  # nothing there, or facts that cannot be read and are replaced now

    def _facts_path(self, key: str) -> Path:
        *folders, name = check_key(key).split("/")
        return self._objects.joinpath(*(part + FOLDER for part in folders), name + FACTS)

    def _key_of(self, path: Path, name: str) -> str:
        folders = path.parent.relative_to(self._objects).parts
        return "/".join([*(part.removesuffix(FOLDER) for part in folders), name])

    @contextmanager
    def _locked(self, key: str) -> Iterator[None]:
        """Let one writer or remover of a key through at a time, in all threads and processes."""
        _make_folders(self._locks)
        path = self._locks / f"{zlib.crc32(key.encode()) % LOCKS:02}"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _remove_empty_folders(self, folder: Path) -> None:
        while folder != self._objects:
            try:
                folder.rmdir()
            except OSError:
                return  # not empty, or removed by another
            folder = folder.parent

    def _walk_keys(self, folder: Path, base: str, prefix: str) -> Iterator[str]:
        try:
            names = [path.name for path in folder.iterdir()]
        except FileNotFoundError:
            return
        # A folder's keys all begin with its name and a slash, which sorts them among the files.
        entries = [base + name.removesuffix(FACTS) for name in names if name.endswith(FACTS)]
        entries += [f"{base}{name.removesuffix(FOLDER)}/" for name in names if name.endswith(FOLDER)]
        for entry in sorted(entries):
            if not entry.endswith("/"):
                if entry.startswith(prefix):
                    yield entry
            elif entry.startswith(prefix) or prefix.startswith(entry):
                inner = folder / (entry[len(base) : -1] + FOLDER)
                yield from self._walk_keys(inner, entry, prefix)

    def _sweep_data(self, data: Path, latest: float) -> bool:
        key = self._key_of(data, data.name.removesuffix(BYTES).rpartition(".")[0])
        with self._locked(key):  # a writer that has placed its data and not yet its facts holds this
            if self._data_of(key) == data:
                return False
            removed = _unlink_older(data, latest)
            if removed:
                self._remove_empty_folders(data.parent)
            return removed


def _damaged(key: str, path: Path) -> WrongBytes:
    return WrongBytes(
        f"The object {key!r} is damaged: {path} is missing or unreadable. Restore it from a backup.",
        key=key,
    )


def _make_folders(folder: Path) -> None:
    """Make a folder and those above it, each fsynced in its parent."""
    if folder.is_dir():
        return
    if folder.parent != folder:
        _make_folders(folder.parent)
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
        _sync_folder(folder.parent)


def _in_folder(folder: Path, action: Callable[[], object]) -> None:
    """Do something in a folder, making it again when a remover of its last object took it away."""
    for attempt in range(RACES_MAX):
        try:
            _make_folders(folder)
            action()
        except FileNotFoundError:
            if attempt == RACES_MAX - 1:
                raise
        else:
            return


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except FileNotFoundError:
        raise
    except OSError:  # no hard links on this file system, or too many on this file
        target.touch(mode=0o600)
        with source.open("rb") as reading, target.open("r+b") as writing:
            shutil.copyfileobj(reading, writing, 1 << 20)
            writing.flush()
            os.fsync(writing.fileno())


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unlink_older(path: Path, latest: float) -> bool:
    """Remove a file whose last change is older; a link counts as a change, a copy's age is its own."""
    try:
        if path.stat().st_ctime > latest:
            return False
        path.unlink()
    except FileNotFoundError:
        return False
    return True
