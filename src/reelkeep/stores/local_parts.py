"""Multipart uploads of the local store. Everything here blocks; `local.py` calls it from its threads.

    ROOT/parts/<upload id>/upload.json           the key and the content type, there from the first moment
    ROOT/parts/<upload id>/00007.json            the facts of part 7, written last
    ROOT/parts/<upload id>/00007.<random>.bytes  the bytes that these facts name

An upload appears and goes by one rename of its folder, so that a process killed between any two steps
leaves a whole upload or none; what it left in `temporary/` is swept. An object made of parts notes the
upload that made it: whoever completes an upload again is told of that object.
"""

import errno
import fcntl
import json
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from reelkeep.errors import ObjectNotFound, WrongBytes
from reelkeep.logs import get_logger
from reelkeep.stores.conditions import OnlyIf
from reelkeep.stores.keys import check_key
from reelkeep.stores.local_folder import LocalFolder, make_folders, sync_folder
from reelkeep.stores.local_walk import BYTES, FACTS
from reelkeep.stores.local_writer import Publish, Written
from reelkeep.stores.part_rules import check_part_number, check_parts, etag_of_parts
from reelkeep.stores.protocol import PART_BYTES_MIN, ObjectFacts, PartFacts, PartsUpload

log = get_logger(__name__)

UPLOAD = "upload.json"
#: What one call of the kernel copies; between two of them a cancelled complete stops.
COPY_BYTES = 64 * 1024 * 1024
#: How often a part that is being sent again is looked for under its new name.
TRIES_MAX = 20

_UPLOAD_ID = re.compile(r"[0-9a-f]{32}")
#: The file system cannot copy by itself.
_CANNOT_COPY = {errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM}


@dataclass(frozen=True, slots=True)
class Part:
    """A part's facts and the file that they name."""

    facts: PartFacts
    data: Path


class Busy(Exception):
    """Another complete or abort of the same upload is under way."""


class LocalParts:
    """The multipart uploads in the folder of one local store."""

    def __init__(self, folder: LocalFolder) -> None:
        self._folder = folder
        self._root = folder.root / "parts"

    def create(self, key: str, content_type: str | None, metadata: Mapping[str, str]) -> str:
        """Begin an upload, durably; its id."""
        upload_id = secrets.token_hex(16)
        record: dict[str, Any] = {
            "key": key,
            "content_type": content_type,
            "begun_at": datetime.now(UTC).isoformat(),
        }
        if metadata:
            record["metadata"] = dict(metadata)
        made = self._folder.new_temporary_folder()
        self._folder.write_json(record).rename(made / UPLOAD)
        sync_folder(made)
        make_folders(self._root)
        made.rename(self._root / upload_id)
        sync_folder(self._root)
        return upload_id

    def know(self, key: str, upload_id: str) -> None:
        """`ObjectNotFound` when there is no such upload of this key (any more)."""
        self._record(key, upload_id)

    def publisher(self, key: str, upload_id: str, number: int) -> Publish[PartFacts]:
        """How a writer's file becomes a part, in place of an older one of its number."""
        check_part_number(number)

        def publish(path: Path, written: Written, refuse_when_given_up: Callable[[], None]) -> PartFacts:
            self._record(key, upload_id)
            facts = PartFacts(number, written.size_bytes, written.md5, datetime.now(UTC))
            try:
                with self._folder.locked(f"{upload_id}/{number}"):
                    self._place(path, upload_id, facts, refuse_when_given_up)
            except FileNotFoundError as error:  # completed or aborted meanwhile
                raise not_known(key, upload_id) from error
            return facts

        return publish

    def arrived(self, key: str, upload_id: str) -> list[PartFacts]:
        """The parts that have arrived, by number."""
        self._record(key, upload_id)
        names = sorted(path.name for path in self._path(upload_id).glob(f"[0-9]*{FACTS}"))
        found = (self._part(upload_id, int(name.removesuffix(FACTS))) for name in names)
        return [part.facts for part in found if part is not None]

    def complete(
        self,
        key: str,
        upload_id: str,
        parts: Sequence[tuple[int, str]],
        only_if: OnlyIf,
        refuse_when_given_up: Callable[[], None],
    ) -> ObjectFacts:
        """Make these parts the object; see `TakesParts.complete_parts`. Raises `Busy`."""
        named = check_parts(parts)
        etag = etag_of_parts([etag for _, etag in named])
        with self._alone(upload_id):
            made = self._made_before(key, upload_id)
            if made is None:
                begun = self._record(key, upload_id)
                chosen = self._choose(key, upload_id, named)
                made = ObjectFacts(
                    key=key,
                    size_bytes=sum(part.facts.size_bytes for part in chosen),
                    content_type=begun["content_type"],
                    etag=str(etag),
                    modified_at=datetime.now(UTC),
                    metadata=begun.get("metadata", {}),
                )
                self._make(made, upload_id, chosen, only_if, refuse_when_given_up)
            self._forget(upload_id)
        if made.etag != etag:
            raise not_known(key, upload_id)
        return made

    def abort(self, upload_id: str) -> None:
        """Remove an upload and its parts, if it is there. Raises `Busy`."""
        with self._alone(upload_id):
            self._forget(upload_id)

    def uploads(self, prefix: str) -> Sequence[PartsUpload]:
        """The uploads under way whose keys begin with a prefix, by key and id."""
        found = []
        for path in self._root.iterdir() if self._root.is_dir() else ():
            record = _load(path / UPLOAD)
            if record is not None and record["key"].startswith(prefix):
                begun_at = datetime.fromisoformat(record["begun_at"])
                found.append(PartsUpload(record["key"], path.name, begun_at))
        return sorted(found, key=lambda upload: (upload.key, upload.upload_id))

    def _path(self, upload_id: str) -> Path:
        return self._root / upload_id

    def _record(self, key: str, upload_id: str) -> dict[str, Any]:
        """What is known of an upload, provided that it is one of this key."""
        check_key(key)
        if not _UPLOAD_ID.fullmatch(upload_id):
            raise not_known(key, upload_id)
        record = _load(self._path(upload_id) / UPLOAD)
        if record is None or record["key"] != key:
            raise not_known(key, upload_id)
        return record

    def _place(
        self, path: Path, upload_id: str, facts: PartFacts, refuse_when_given_up: Callable[[], None]
    ) -> None:
        into = self._path(upload_id)
        data = into / f"{facts.number:05}.{secrets.token_hex(16)}{BYTES}"
        old = self._part(upload_id, facts.number)
        record = self._folder.write_json(_written(facts, data.name))
        try:
            path.rename(data)
            if old is not None:
                sync_folder(into)  # as for objects: old facts are good until the new bytes are durable
            refuse_when_given_up()
            record.rename(into / f"{facts.number:05}{FACTS}")
        except BaseException:
            record.unlink(missing_ok=True)
            data.unlink(missing_ok=True)
            raise
        sync_folder(into)
        if old is not None:
            old.data.unlink(missing_ok=True)

    def _part(self, upload_id: str, number: int) -> Part | None:
        record = _load(self._path(upload_id) / f"{number:05}{FACTS}")
        if record is None:
            return None
        modified_at = datetime.fromisoformat(record["modified_at"])
        facts = PartFacts(number, record["size_bytes"], record["md5"], modified_at)
        return Part(facts, self._path(upload_id) / record["data"])

    def _choose(self, key: str, upload_id: str, named: Sequence[tuple[int, str]]) -> list[Part]:
        """The parts named, each as large as it must be."""
        chosen = []
        for number, etag in named:
            part = self._part(upload_id, number)
            if part is None or part.facts.etag != etag:
                raise _wrong_part(key, number, etag, part.facts.etag if part else "missing")
            chosen.append(part)
        for part in chosen[:-1]:
            if part.facts.size_bytes < PART_BYTES_MIN:
                raise WrongBytes(
                    f"Part {part.facts.number} of {key!r} has {part.facts.size_bytes:,} bytes; all but the "
                    f"last need {PART_BYTES_MIN:,}. Send it again, longer.",
                    key=key,
                    check="part_size",
                    wanted=PART_BYTES_MIN,
                    found=part.facts.size_bytes,
                    part_number=part.facts.number,
                    etag=part.facts.etag,
                )
        return chosen

    def _make(
        self,
        facts: ObjectFacts,
        upload_id: str,
        parts: Sequence[Part],
        only_if: OnlyIf,
        refuse_when_given_up: Callable[[], None],
    ) -> None:
        """Join the parts in a new file and publish it; the parts stay until that is done."""

        def check(present: ObjectFacts | None) -> None:
            refuse_when_given_up()
            only_if.check(present)

        path, descriptor = self._folder.new_temporary()
        try:
            for part in parts:
                self._append(descriptor, facts.key, upload_id, part, refuse_when_given_up)
            os.fsync(descriptor)
            self._folder.publish(path, facts, check, upload_id=upload_id)
        finally:
            os.close(descriptor)
            path.unlink(missing_ok=True)

    def _append(
        self, target: int, key: str, upload_id: str, part: Part, refuse_when_given_up: Callable[[], None]
    ) -> None:
        source, size = self._open(key, upload_id, part), part.facts.size_bytes
        try:
            if os.fstat(source).st_size != size:
                raise _wrong_part(key, part.facts.number, part.facts.etag, "damaged")
            offset = 0
            while offset < size:
                refuse_when_given_up()
                copied = _copy(source, target, offset, min(COPY_BYTES, size - offset))
                if not copied:
                    raise _wrong_part(key, part.facts.number, part.facts.etag, "cut short")
                offset += copied
        finally:
            os.close(source)

    def _open(self, key: str, upload_id: str, part: Part) -> int:
        """A descriptor of the part's bytes, also when the very same are being sent once more."""
        present: Part | None = part
        for _ in range(TRIES_MAX):
            if present is None or present.facts.etag != part.facts.etag:
                break
            with suppress(FileNotFoundError):
                return os.open(present.data, os.O_RDONLY | os.O_CLOEXEC)
            present = self._part(upload_id, part.facts.number)
        raise _wrong_part(key, part.facts.number, part.facts.etag, "replaced or missing")

    def _made_before(self, key: str, upload_id: str) -> ObjectFacts | None:
        """The object that this upload has already become."""
        try:
            record = self._folder.read(key)
        except (ObjectNotFound, WrongBytes):
            return None
        return record.facts if record.upload_id == upload_id else None

    def _forget(self, upload_id: str) -> None:
        gone = self._folder.temporary_name()
        with suppress(FileNotFoundError):
            self._path(upload_id).rename(gone)
            shutil.rmtree(gone, ignore_errors=True)

    @contextmanager
    def _alone(self, upload_id: str) -> Iterator[None]:
        """Let one complete or abort of an upload through at a time, in all threads and processes."""
        descriptor = None
        if _UPLOAD_ID.fullmatch(upload_id):
            with suppress(FileNotFoundError):
                descriptor = os.open(self._path(upload_id), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            if descriptor is not None:
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError as error:
                    raise Busy from error
            yield
        finally:
            if descriptor is not None:
                os.close(descriptor)


def not_known(key: str, upload_id: str) -> ObjectNotFound:
    """The error for an upload that was never begun, or was completed or aborted."""
    return ObjectNotFound(
        f"There is no upload in parts of {key!r} under this id (any more). Begin a new one.",
        key=key,
        upload_id=upload_id,
    )


def _load(path: Path) -> dict[str, Any] | None:
    """A record; None when it has gone, or was damaged behind our back: then it has to be sent again."""
    try:
        record: dict[str, Any] = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValueError as error:
        log.error("a record of an upload in parts is damaged", path=str(path), exc_info=error)
        return None
    return record


def _written(facts: PartFacts, data_name: str) -> dict[str, Any]:
    return {
        "data": data_name,
        "size_bytes": facts.size_bytes,
        "md5": facts.etag,
        "modified_at": facts.modified_at.isoformat(),
    }


def _wrong_part(key: str, number: int, wanted: str, found: str) -> WrongBytes:
    return WrongBytes(
        f"Part {number} of {key!r} is not the one named: its etag should be {wanted} and is {found}. "
        "Send that part again.",
        key=key,
        check="part",
        wanted=wanted,
        found=found,
        part_number=number,
    )


def _copy(source: int, target: int, offset: int, length: int) -> int:
    """Copy bytes inside the kernel, where the file system can by sharing them; how many."""
    try:
        return os.copy_file_range(source, target, length, offset_src=offset)
    except OSError as error:
        if error.errno not in _CANNOT_COPY:
            raise
    return os.sendfile(target, source, offset, length)
