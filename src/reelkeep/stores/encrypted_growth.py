"""Objects that grow in several goes in an encrypted store; see `Grows`.

What has grown lies in pieces, each an encrypted object of its own under `encrypted-growth/KEY/`: nothing is
ever appended to encrypted bytes, so no nonce is used again and no segment is open-ended. The notes name the
pieces that count; small ones are joined as they become many. Finishing reads them through, which is why the
digest is known then, and writes the object: one more pass over the bytes than in a plain store.
"""

import secrets
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

from reelkeep.errors import ObjectNotFound
from reelkeep.stores.key_ring import KeyRing
from reelkeep.stores.protocol import COUNTED, GrowthNotes, ObjectFacts, Salvaged, Store
from reelkeep.stores.sealed_segments import plain_size

#: What grows lies under these keys of the inner store; nothing else may.
GROWING = "encrypted-growth/"
#: A piece is written when so much has come, and at every flush. It is what a growing object holds in memory.
PIECE_BYTES_MAX = 4 * 1024 * 1024
#: So many pieces that are not full are joined.
SMALL_PIECES_MAX = 32
PIECES = "pieces"
_OFFSET_DIGITS = 16


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes that came one after another, and how many of them count."""

    place: str
    offset: int
    size_bytes: int


class EncryptedGrowth(ABC):
    """The `Grows` ability of the encrypted store; its caller sees to it that one at a time grows a key."""

    _inside: Store
    _ring: KeyRing

    async def grown(self, key: str, notes: GrowthNotes) -> int:
        """How many bytes are safe."""
        self._checked(key)
        if PIECES in notes:
            return sum(piece.size_bytes for piece in _pieces(notes))
        try:
            return (await self.head(key)).size_bytes  # put there whole
        except ObjectNotFound:
            return 0

    @asynccontextmanager
    async def growing(
        self,
        key: str,
        notes: GrowthNotes,
        *,
        content_type: str | None = None,  # noqa: ARG002 - `finish_growth` is told
    ) -> AsyncIterator["EncryptedGrowing"]:
        """Go on appending."""
        self._checked(key)
        yield EncryptedGrowing(self, key, _pieces(notes))

    async def finish_growth(
        self, key: str, notes: GrowthNotes, *, content_type: str | None = None
    ) -> ObjectFacts:
        """Make the pieces the object; again, it tells of the object made before."""
        self._checked(key)
        pieces = _pieces(notes)
        size_bytes = sum(piece.size_bytes for piece in pieces)
        try:
            async with aclosing(self._joined(key, pieces)) as body:
                first = await anext(body, None) if pieces else None
                if not pieces and PIECES in notes and (there := await self._there(key, size_bytes)):
                    return there
                facts = await self.put(
                    key, _after(first, body), content_type=content_type, size_bytes=size_bytes
                )
        except ObjectNotFound:  # it was finished, and its pieces removed
            if there := await self._there(key, size_bytes):
                await self._remove_pieces(key)
                return there
            raise
        await self._remove_pieces(key)
        return facts

    async def discard_growth(self, key: str, notes: GrowthNotes) -> None:  # noqa: ARG002 - it finds all
        """Remove every piece."""
        await self._remove_pieces(self._checked(key))

    async def list_growths(self, prefix: str = "") -> AsyncIterator[ObjectFacts]:
        """What grows under a prefix; the size is where the piece that reaches furthest ends."""
        found: ObjectFacts | None = None
        listed: Any = self._inside.list_objects(GROWING + prefix)
        async with aclosing(listed):
            async for facts in listed:
                key, _, name = facts.key.removeprefix(GROWING).rpartition("/")
                if not key.startswith(prefix):
                    continue
                reaches = int(name.partition("-")[0]) + (plain_size(facts.size_bytes) or 0)
                if found is not None and found.key == key:
                    found = replace(
                        found,
                        size_bytes=max(found.size_bytes, reaches),
                        modified_at=max(found.modified_at, facts.modified_at),
                    )
                    continue
                if found is not None:
                    yield found
                found = ObjectFacts(key, reaches, None, "", facts.modified_at)
        if found is not None:
            yield found

    async def add_piece(self, key: str, offset: int, body: AsyncIterator[bytes], size_bytes: int) -> Piece:
        """Write bytes of a growing object as a piece of it, durably."""
        place = f"{GROWING}{key}/{offset:0{_OFFSET_DIGITS}}-{secrets.token_hex(8)}"
        await self._put(place, key, body, size_bytes=size_bytes)
        return Piece(place, offset, size_bytes)

    async def join_pieces(self, key: str, pieces: list[Piece]) -> Piece:
        """Write pieces again as one. The old ones stay until the end: notes may still name them."""
        size_bytes = sum(piece.size_bytes for piece in pieces)
        async with aclosing(self._joined(key, pieces)) as body:
            return await self.add_piece(key, pieces[0].offset, body, size_bytes)

    async def _joined(self, key: str, pieces: list[Piece]) -> AsyncGenerator[bytes, None]:
        for piece in pieces:
            async with aclosing(self._read(piece.place, key, 0, piece.size_bytes)) as plain:
                async for part in plain:
                    yield part

    async def _there(self, key: str, size_bytes: int) -> ObjectFacts | None:
        """The object that these pieces became, if it is there."""
        try:
            facts = await self.head(key)
        except ObjectNotFound:
            return None
        return facts if facts.size_bytes == size_bytes else None

    async def _remove_pieces(self, key: str) -> None:
        under = f"{GROWING}{key}/"
        listed: Any = self._inside.list_objects(under)
        async with aclosing(listed):
            async for facts in listed:
                if "/" not in facts.key.removeprefix(under):  # else it is of a key below this one
                    await self._inside.delete(facts.key)

    @abstractmethod
    async def head(self, key: str) -> ObjectFacts:
        """The facts of an object."""

    @abstractmethod
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
        """Write an object."""

    @abstractmethod
    def _checked(self, key: str) -> str:
        """The key, or `Invalid`."""

    @abstractmethod
    async def _put(
        self, place: str, key: str, body: AsyncIterator[bytes], *, size_bytes: int | None = None
    ) -> ObjectFacts:
        """Write to a place of the inner store, with the data key of `key`."""

    @abstractmethod
    def _read(self, place: str, key: str, start: int, end: int | None) -> AsyncGenerator[bytes, None]:
        """Read from a place of the inner store."""


class EncryptedGrowing:
    """A `Growing` whose bytes are held until there is a piece of them, or a flush."""

    def __init__(self, store: EncryptedGrowth, key: str, pieces: list[Piece]) -> None:
        self._store, self._key, self._pieces = store, key, pieces
        self._written = sum(piece.size_bytes for piece in pieces)
        self._held = bytearray()

    @property
    def offset(self) -> int:
        """Bytes taken so far."""
        return self._written + len(self._held)

    async def write(self, data: bytes | memoryview) -> None:
        """Append bytes."""
        self._held += data
        while len(self._held) >= PIECE_BYTES_MAX:
            await self._write(PIECE_BYTES_MAX)

    async def flush(self) -> GrowthNotes:
        """Make what was taken a piece; a small one is joined with those before it when they are many."""
        while self._held:
            await self._write(PIECE_BYTES_MAX)
        small = _small_at_end(self._pieces)
        if len(small) > SMALL_PIECES_MAX:
            joined = await self._store.join_pieces(self._key, small)
            self._pieces = [*self._pieces[: -len(small)], joined]
        return self._notes()

    async def salvage(self) -> Salvaged:
        """The pieces that are safe, and what is still held."""
        return Salvaged(self._notes(), self._written, _once(bytes(self._held)))

    def _notes(self) -> GrowthNotes:
        return {PIECES: [[piece.place, piece.offset, piece.size_bytes] for piece in self._pieces]}

    async def _write(self, size_bytes_max: int) -> None:
        body = bytes(self._held[:size_bytes_max])
        piece = await self._store.add_piece(self._key, self._written, _once(body), len(body))
        # Not before it is safe: a write that is cancelled here leaves its bytes to be flushed.
        del self._held[: len(body)]
        self._written += len(body)
        self._pieces = [*self._pieces, piece]


def _pieces(notes: GrowthNotes) -> list[Piece]:
    """The pieces that count, the last one perhaps not to its end."""
    found, left = [], notes.get(COUNTED)
    for place, offset, size_bytes in notes.get(PIECES, ()):
        counts = size_bytes if left is None else min(size_bytes, left)
        if counts:
            found.append(Piece(place, offset, counts))
        if left is not None:
            left -= counts
    return found


def _small_at_end(pieces: list[Piece]) -> list[Piece]:
    at = len(pieces)
    size_bytes = 0
    while at and size_bytes + pieces[at - 1].size_bytes < PIECE_BYTES_MAX:
        at -= 1
        size_bytes += pieces[at].size_bytes
    return pieces[at:]


async def _after(first: bytes | None, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    if first is not None:
        yield first
    async for piece in rest:
        yield piece


async def _once(body: bytes) -> AsyncIterator[bytes]:
    yield body
