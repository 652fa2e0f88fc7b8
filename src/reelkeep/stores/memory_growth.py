"""Objects that grow in several goes in memory; see `Grows`."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from reelkeep.errors import ObjectNotFound
from reelkeep.stores.keys import check_key
from reelkeep.stores.protocol import COUNTED, GrowthNotes, ObjectFacts, Salvaged


@dataclass(slots=True)
class _Grown:
    body: bytearray = field(default_factory=bytearray)
    changed_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    #: How many of the first bytes came in one go.
    one_go_bytes: int = 0


class MemoryGrowing:
    """A `Growing` in memory: what is not flushed is not there."""

    def __init__(self, grown: _Grown) -> None:
        self._grown = grown
        self._taken = bytearray()
        self._first_go = not grown.body

    @property
    def offset(self) -> int:
        """Bytes taken so far."""
        return len(self._grown.body) + len(self._taken)

    async def write(self, data: bytes | memoryview) -> None:
        """Append bytes."""
        self._taken += data

    async def flush(self) -> GrowthNotes:
        """Count what was taken."""
        grown = self._grown
        grown.body += self._taken
        self._taken.clear()
        grown.changed_at = datetime.now(UTC)
        if self._first_go:
            grown.one_go_bytes = len(grown.body)
        return {}

    async def salvage(self) -> Salvaged | None:
        """None: memory does not go away without this process."""
        return None


class MemoryGrowth(ABC):
    """The `Grows` ability of the store in memory; its caller sees to it that one at a time grows a key."""

    def __init__(self) -> None:
        super().__init__()
        self._grown: dict[str, _Grown] = {}

    async def grown(self, key: str, notes: GrowthNotes) -> int:
        """How many bytes are safe."""
        found = self._grown.get(check_key(key))
        if found is not None:
            counted: int = notes.get(COUNTED, len(found.body))
            return min(len(found.body), counted)
        try:
            return (await self.head(key)).size_bytes  # finished
        except ObjectNotFound:
            return 0

    @asynccontextmanager
    async def growing(
        self,
        key: str,
        notes: GrowthNotes,
        *,
        content_type: str | None = None,  # noqa: ARG002 - `finish_growth` is told
    ) -> AsyncIterator[MemoryGrowing]:
        """Go on appending."""
        grown = self._grown.setdefault(check_key(key), _Grown())
        _cut(grown, notes)
        yield MemoryGrowing(grown)

    async def finish_growth(
        self, key: str, notes: GrowthNotes, *, content_type: str | None = None
    ) -> ObjectFacts:
        """Make the grown bytes the object; again, it tells of the object made before."""
        grown = self._grown.pop(check_key(key), None)
        if grown is None:
            return await self.head(key)
        _cut(grown, notes)
        body = bytes(grown.body)
        sha256 = hashlib.sha256(body).hexdigest() if grown.one_go_bytes == len(body) else None
        etag = hashlib.md5(body, usedforsecurity=False).hexdigest()
        return self._keep(ObjectFacts(key, len(body), content_type, etag, datetime.now(UTC), sha256), body)

    async def discard_growth(self, key: str, notes: GrowthNotes) -> None:  # noqa: ARG002 - it needs none
        """Forget what has grown."""
        self._grown.pop(check_key(key), None)

    async def list_growths(self, prefix: str = "") -> AsyncIterator[ObjectFacts]:
        """What grows under a prefix."""
        for key, grown in sorted(self._grown.items()):
            if key.startswith(prefix):
                yield ObjectFacts(key, len(grown.body), None, "", grown.changed_at)

    @abstractmethod
    async def head(self, key: str) -> ObjectFacts:
        """The facts of an object."""

    @abstractmethod
    def _keep(self, facts: ObjectFacts, body: bytes) -> ObjectFacts:
        """Make it an object."""


def _cut(grown: _Grown, notes: GrowthNotes) -> None:
    """Drop what does not count."""
    counted = notes.get(COUNTED, len(grown.body))
    if counted < len(grown.body):
        del grown.body[counted:]
        grown.one_go_bytes = 0
