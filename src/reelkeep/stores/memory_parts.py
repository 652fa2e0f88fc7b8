"""Objects in parts in memory, by S3's rules; see `TakesParts`."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from secrets import token_hex

from reelkeep.errors import ObjectNotFound
from reelkeep.stores.keys import check_key
from reelkeep.stores.local_files import wrong_bytes
from reelkeep.stores.part_rules import check_part_number, check_parts, etag_of_parts
from reelkeep.stores.protocol import PART_BYTES_MIN, ObjectFacts, PartFacts, PartsUpload


@dataclass(slots=True)
class _Upload:
    facts: PartsUpload
    content_type: str | None
    parts: dict[int, tuple[PartFacts, bytes]] = field(default_factory=dict)


class MemoryParts(ABC):
    """The `TakesParts` ability of the store in memory."""

    def __init__(self) -> None:
        super().__init__()
        self._uploads: dict[str, _Upload] = {}

    async def create_parts(self, key: str, *, content_type: str | None = None) -> str:
        """Begin an upload; its id."""
        begun = PartsUpload(check_key(key), token_hex(16), datetime.now(UTC))
        self._uploads[begun.upload_id] = _Upload(begun, content_type)
        return begun.upload_id

    async def put_part(self, key: str, upload_id: str, number: int, body: bytes) -> PartFacts:
        """Keep one part; the last one of a number counts."""
        md5 = hashlib.md5(body, usedforsecurity=False).hexdigest()
        facts = PartFacts(check_part_number(number), len(body), md5, datetime.now(UTC))
        self._upload(key, upload_id).parts[number] = facts, body
        return facts

    async def list_parts(self, key: str, upload_id: str) -> AsyncIterator[PartFacts]:
        """The parts that have arrived, by number."""
        for _, (facts, _) in sorted(self._upload(key, upload_id).parts.items()):
            yield facts

    async def complete_parts(self, key: str, upload_id: str, parts: Sequence[tuple[int, str]]) -> ObjectFacts:
        """Make these parts the object; see `TakesParts`."""
        named = check_parts(parts)
        etag = etag_of_parts([etag for _, etag in named])
        try:
            upload = self._upload(key, upload_id)
        except ObjectNotFound:
            made_before = await self.head(key)
            if made_before.etag != etag:
                raise
            return made_before
        bodies = [_part(key, upload, number, etag) for number, etag in named]
        for (number, _), body in zip(named[:-1], bodies[:-1], strict=True):
            if len(body) < PART_BYTES_MIN:
                raise wrong_bytes(key, "part_size", f"{PART_BYTES_MIN} or more in part {number}", len(body))
        assert etag is not None
        whole = b"".join(bodies)
        del self._uploads[upload_id]
        return self._keep(ObjectFacts(key, len(whole), upload.content_type, etag, datetime.now(UTC)), whole)

    async def abort_parts(self, key: str, upload_id: str) -> None:
        """Forget the parts; nothing happens where the upload is not known."""
        with suppress(ObjectNotFound):
            self._upload(key, upload_id)
            del self._uploads[upload_id]

    async def list_part_uploads(self, prefix: str = "") -> AsyncIterator[PartsUpload]:
        """Every upload under way whose key begins with `prefix`."""
        for upload in list(self._uploads.values()):
            if upload.facts.key.startswith(prefix):
                yield upload.facts

    def _upload(self, key: str, upload_id: str) -> _Upload:
        check_key(key)
        found = self._uploads.get(upload_id)
        if found is None or found.facts.key != key:
            raise ObjectNotFound(f"There is no upload in parts of {key!r} under this id (any more).", key=key)
        return found

    @abstractmethod
    async def head(self, key: str) -> ObjectFacts:
        """The facts of an object."""

    @abstractmethod
    def _keep(self, facts: ObjectFacts, body: bytes) -> ObjectFacts:
        """Make it an object."""


def _part(key: str, upload: _Upload, number: int, etag: str) -> bytes:
    facts, body = upload.parts.get(number, (None, b""))
    if facts is None or facts.etag != etag:
        raise wrong_bytes(key, "part", f"{etag!r} in part {number}", facts and facts.etag)
    return body
