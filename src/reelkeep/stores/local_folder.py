"""How the local store lies on disk. Everything here blocks; `local.py` calls it from its threads.

    ROOT/temporary/<random>                      bytes and facts being written
    ROOT/parts/                                  multipart uploads (`local_parts.py`)
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
import stat
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from reelkeep.errors import ObjectNotFound, WrongBytes
from reelkeep.logs import get_logger
from reelkeep.stores.keys import check_key
from reelkeep.stores.local_walk import BYTES, FACTS, FOLDER, Within, walk_entries
from reelkeep.stores.metadata import described, description_in, others_in
from reelkeep.stores.protocol import ObjectFacts

log = get_logger(__name__)

LOCKS = 64
#: How often a race with another writer or remover is tried again before it counts as damage.
RACES_MAX = 20


@dataclass(frozen=True, slots=True)
class Record:
    """An object's facts and the file that they name."""

    facts: ObjectFacts
    data: Path
    #: The multipart upload that made it, so that completing one twice is told from another.
    upload_id: str | None = None


#: Called with the facts of what a key holds (None: nothing) right before it is replaced; may raise.
CheckBeforeCommit = Callable[[ObjectFacts | None], None]


def nothing_to_check(_present: ObjectFacts | None) -> None:
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
        path = self.temporary_name()
        return path, os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)

    def new_temporary_folder(self) -> Path:
        """A new empty folder of our own."""
        path = self.temporary_name()
        path.mkdir(mode=0o700)
        return path

    def temporary_name(self) -> Path:
        """A path that nothing has yet, on the same file system as everything else here."""
        make_folders(self._temporary)
        return self._temporary / secrets.token_hex(16)

    def read(self, key: str) -> Record:
        """The record of an object, or `ObjectNotFound`."""
        path = self._facts_path(key)
        try:
            record = json.loads(path.read_bytes())
            facts = ObjectFacts(
                key=key,
                size_bytes=record["size_bytes"],
                content_type=record["content_type"],
                etag=record.get("etag") or record["md5"],
                modified_at=datetime.fromisoformat(record["modified_at"]),
                sha256=record["sha256"],
                md5=record["md5"],
                storage_class=record.get("storage_class", ""),
                metadata=described(record.get("description", {})) | record.get("metadata", {}),
            )
            return Record(facts, path.parent / record["data"], record.get("upload_id"))
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
        self,
        temporary: Path,
        facts: ObjectFacts,
        check_before_commit: CheckBeforeCommit = nothing_to_check,
        *,
        upload_id: str | None = None,
    ) -> None:
        """Make a written and fsynced temporary file the object that `facts` describe, durably.

        `check_before_commit` is called right before the one step that makes it visible, and may raise.
        """
        self._commit(facts, temporary.rename, check_before_commit, upload_id)

    def adopt(self, file: Path, facts: ObjectFacts) -> None:
        """Give the bytes of a fsynced file that stays where it is a second name, as the object of `facts`."""
        self._commit(facts, partial(_link, file))

    def copy(
        self,
        source_key: str,
        target_key: str,
        *,
        storage_class: str = "",
        tell: Callable[[ObjectFacts], ObjectFacts] = lambda facts: facts,
    ) -> ObjectFacts:
        """Give the source's present bytes a second name, with facts of their own.

        Type and metadata are the source's, unless `tell` makes others of them.
        """
        for _ in range(RACES_MAX):
            source = self.read(source_key)
            facts = replace(
                tell(source.facts),
                key=target_key,
                modified_at=datetime.now(UTC),
                storage_class=storage_class,
            )
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
        with self.locked(key):
            try:
                record = self.read(key)
            except ObjectNotFound:
                return
            path.unlink(missing_ok=True)
            record.data.unlink(missing_ok=True)
            self._remove_empty_folders(path.parent)

    def walk(self, prefix: str) -> Iterator[ObjectFacts]:
        """The facts of every object under a prefix, in key order; one folder's names at a time in memory."""
        for entry in walk_entries(self._objects, Within(prefix)):
            facts = self.facts_of(entry)
            if facts is not None:
                yield facts

    def page(self, within: Within, entries_max: int) -> list[ObjectFacts | str]:
        """The first entries of a listing: facts of objects, and common prefixes as texts."""
        page: list[ObjectFacts | str] = []
        for entry in walk_entries(self._objects, within):
            found = entry if within.is_prefix(entry) else self.facts_of(entry)
            if found is not None:
                page.append(found)
            if len(page) >= entries_max:
                break
        return page

    def facts_of(self, key: str) -> ObjectFacts | None:
        """The facts of an object that was listed; None when it has gone since, or is damaged."""
        try:
            return self.read(key).facts
        except ObjectNotFound:
            return None
        except WrongBytes as error:
            log.error("object left out of a listing: it is damaged", key=key, exc_info=error)
            return None

    def sweep(self, older_than_seconds: float) -> int:
        """Remove what a crash left, temporary files and data that no facts name; says how many."""
        latest = time.time() - older_than_seconds
        removed = 0
        if self._temporary.is_dir():
            removed += sum(_remove_older(path, latest) for path in self._temporary.iterdir())
        for folder, _, names in os.walk(self._objects):
            for name in names:
                if name.endswith(BYTES):
                    removed += self._sweep_data(Path(folder, name), latest)
        return removed

    def _commit(
        self,
        facts: ObjectFacts,
        place_data: Callable[[Path], object],
        check_before_commit: CheckBeforeCommit = nothing_to_check,
        upload_id: str | None = None,
    ) -> None:
        path = self._facts_path(facts.key)
        data = path.with_name(f"{path.name.removesuffix(FACTS)}.{secrets.token_hex(16)}{BYTES}")
        with self.locked(facts.key):
            old = self._record_of(facts.key)
            written = self._write_facts(facts, data.name, upload_id)
            try:
                _in_folder(path.parent, lambda: place_data(data))
                if old is not None:
                    # New facts must not outlive a crash that their bytes did not: the old ones are good.
                    sync_folder(path.parent)
                check_before_commit(old.facts if old else None)
                written.rename(path)
            except BaseException:
                written.unlink(missing_ok=True)
                data.unlink(missing_ok=True)
                raise
            sync_folder(path.parent)
            if old is not None:
                old.data.unlink(missing_ok=True)

    def _write_facts(self, facts: ObjectFacts, data_name: str, upload_id: str | None) -> Path:
        record: dict[str, Any] = {
            "key": facts.key,
            "data": data_name,
            "size_bytes": facts.size_bytes,
            "content_type": facts.content_type,
            "md5": facts.md5,
            "sha256": facts.sha256,
            "modified_at": facts.modified_at.isoformat(),
        }
        if facts.etag != facts.md5:
            record["etag"] = facts.etag
        if facts.storage_class:
            record["storage_class"] = facts.storage_class
        if upload_id is not None:
            record["upload_id"] = upload_id
        if description := description_in(facts.metadata):
            record["description"] = description
        if others := others_in(facts.metadata):
            record["metadata"] = others
        return self.write_json(record)

    def write_json(self, record: dict[str, Any]) -> Path:
        """A temporary file with this record, fsynced, to be renamed to where it belongs."""
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

    def _record_of(self, key: str) -> Record | None:
        try:
            return self.read(key)
        except (ObjectNotFound, WrongBytes):
            return None  # nothing there, or facts that cannot be read and are replaced now

    def _facts_path(self, key: str) -> Path:
        *folders, name = check_key(key).split("/")
        return self._objects.joinpath(*(part + FOLDER for part in folders), name + FACTS)

    def _key_of(self, path: Path, name: str) -> str:
        folders = path.parent.relative_to(self._objects).parts
        return "/".join([*(part.removesuffix(FOLDER) for part in folders), name])

    @contextmanager
    def locked(self, key: str) -> Iterator[None]:
        """Let one writer or remover of a key through at a time, in all threads and processes."""
        make_folders(self._locks)
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

    def _sweep_data(self, data: Path, latest: float) -> bool:
        key = self._key_of(data, data.name.removesuffix(BYTES).rpartition(".")[0])
        with self.locked(key):  # a writer that has placed its data and not yet its facts holds this
            record = self._record_of(key)
            if record is not None and record.data == data:
                return False
            removed = _remove_older(data, latest)
            if removed:
                self._remove_empty_folders(data.parent)
            return removed


def _damaged(key: str, path: Path) -> WrongBytes:
    return WrongBytes(
        f"The object {key!r} is damaged: {path} is missing or unreadable. Restore it from a backup.",
        key=key,
    )


def make_folders(folder: Path) -> None:
    """Make a folder and those above it, each fsynced in its parent."""
    if folder.is_dir():
        return
    if folder.parent != folder:
        make_folders(folder.parent)
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
        sync_folder(folder.parent)


def _in_folder(folder: Path, action: Callable[[], object]) -> None:
    """Do something in a folder, making it again when a remover of its last object took it away."""
    for attempt in range(RACES_MAX):
        try:
            make_folders(folder)
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


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove_older(path: Path, latest: float) -> bool:
    """Remove what was last changed before; a link counts as a change, a copy's age is its own."""
    try:
        facts = path.stat()
        if facts.st_ctime > latest:
            return False
        if stat.S_ISDIR(facts.st_mode):
            shutil.rmtree(path)
        else:
            path.unlink()
    except FileNotFoundError:
        return False
    return True
