"""A store in memory, for tests and for trying things out: whole objects, forgotten at the end."""

import hashlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from reelkeep.errors import ObjectNotFound
from reelkeep.stores.keys import check_key
from reelkeep.stores.local_files import wrong_bytes
from reelkeep.stores.memory_growth import MemoryGrowth
from reelkeep.stores.memory_parts import MemoryParts
from reelkeep.stores.protocol import Abilities, ObjectFacts

_PIECE_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class _Object:
    facts: ObjectFacts
    body: bytes
    description: Mapping[str, str] = field(default_factory=dict)


class MemoryStore(MemoryParts, MemoryGrowth):
    """A `Store` in the memory of this process, which also takes parts and grows objects."""

    def __init__(self, name: str = "memory", bucket: str = "memory") -> None:
        self._name = name
        self._bucket = bucket
        self._objects: dict[str, _Object] = {}
        super().__init__()

    @property
    def name(self) -> str:
        """The configured name."""
        return self._name

    @property
    def bucket(self) -> str:
        """The name told to clients."""
        return self._bucket

    @property
    def abilities(self) -> Abilities:
        """Only this process sees it."""
        return Abilities(shared=False)

    async def put(
        self,
        key: str,
        body: AsyncIterator[bytes],
        *,
        content_type: str | None = None,
        size_bytes: int | None = None,
        sha256: str | None = None,
        storage_class: str | None = None,
    ) -> ObjectFacts:
        """Keep an object once its whole body has come; see `Store.put`."""
        check_key(key)
        taken = bytearray()
        async for piece in body:
            taken += piece
            if size_bytes is not None and len(taken) > size_bytes:
                raise wrong_bytes(key, "size_bytes", size_bytes, f"{len(taken)} or more")
        whole = bytes(taken)
        found = hashlib.sha256(whole).hexdigest()
        if size_bytes is not None and len(whole) != size_bytes:
            raise wrong_bytes(key, "size_bytes", size_bytes, len(whole))
        if sha256 is not None and found != sha256:
            raise wrong_bytes(key, "sha256", sha256, found)
        md5 = hashlib.md5(whole, usedforsecurity=False).hexdigest()
        facts = ObjectFacts(
            key, len(whole), content_type, md5, datetime.now(UTC), found, md5, storage_class or ""
        )
        return self._keep(facts, whole)

    async def head(self, key: str) -> ObjectFacts:
        """The facts of an object, or `ObjectNotFound`."""
        return self._find(key).facts

    async def read(self, key: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """The bytes of an object or of a range of it; see `Store.read`."""
        body = self._find(key).body
        end = len(body) if end is None else min(end, len(body))
        for at in range(start, end, _PIECE_BYTES):
            yield body[at : min(at + _PIECE_BYTES, end)]

    async def copy(
        self, source_key: str, target_key: str, *, storage_class: str | None = None
    ) -> ObjectFacts:
        """Keep the source's bytes under a second key."""
        source = self._find(source_key)
        facts = replace(
            source.facts,
            key=check_key(target_key),
            modified_at=datetime.now(UTC),
            storage_class=storage_class or "",
        )
        self._objects[target_key] = _Object(facts, source.body, source.description)
        return facts

    async def copy_described(
        self, source_key: str, target_key: str, description: Mapping[str, str]
    ) -> ObjectFacts:
        """Keep the source's bytes under a second key, with these facts beside them."""
        facts = await self.copy(source_key, target_key)
        self._objects[target_key] = replace(self._objects[target_key], description=dict(description))
        return facts

    async def description_of(self, key: str) -> dict[str, str]:
        """The facts that an object carries."""
        return dict(self._find(key).description)

    async def delete(self, key: str) -> None:
        """Forget an object; nothing happens where there is none."""
        self._objects.pop(check_key(key), None)

    async def list_objects(self, prefix: str = "") -> AsyncIterator[ObjectFacts]:
        """Every object whose key begins with `prefix`, in key order."""
        for key in sorted(key for key in self._objects if key.startswith(prefix)):
            if key in self._objects:
                yield self._objects[key].facts

    async def check(self) -> None:
        """Memory always answers."""

    async def close(self) -> None:
        """Nothing is held open."""

    def _keep(self, facts: ObjectFacts, body: bytes) -> ObjectFacts:
        self._objects[facts.key] = _Object(facts, body)
        return facts

    def _find(self, key: str) -> _Object:
        found = self._objects.get(check_key(key))
        if found is None:
            raise ObjectNotFound(f"There is no object {key!r} in the store {self._name!r}.", key=key)
        return found
