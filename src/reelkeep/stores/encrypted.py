"""Encryption by us: a store around another one, which sees neither plain bytes nor keys.

Clients cannot write into such a store or read from it themselves, so of the abilities it has `Grows`, and it
hands on what brings objects back from an archive, and older versions: it signs no URLs, takes no parts, and
bytes go through this process both ways. Sizes are those of the plain bytes; a digest is known only where all
of them passed by. `sealed_segments` has the format.
"""

import asyncio
import hashlib
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from reelkeep.errors import Invalid, ObjectNotFound, StoreRefused, StoreUnavailable, WrongBytes
from reelkeep.stores.encrypted_growth import GROWING, EncryptedGrowth
from reelkeep.stores.key_ring import DataKey, KeyRing
from reelkeep.stores.keys import check_key
from reelkeep.stores.local_files import wrong_bytes
from reelkeep.stores.protocol import (
    Abilities,
    ColdFacts,
    CountsRequests,
    KeepsVersions,
    ObjectFacts,
    PutsUndigested,
    RestoresCold,
    Store,
    VersionFacts,
    Versioning,
)
from reelkeep.stores.sealed_segments import (
    HEAD_BYTES,
    SEALED_SEGMENT_BYTES,
    SEGMENT_BYTES,
    SealedObject,
    damaged,
    key_id_of,
    place_of,
    plain_size,
    sealed_size,
    segments_in,
)

#: So much is digested and encrypted in one go by a thread, while the inner store writes what came before.
BATCH_SEGMENTS = 4
BATCH_BYTES = BATCH_SEGMENTS * SEGMENT_BYTES


class EncryptedStore(EncryptedGrowth):
    """A `Store` that keeps in another one what it encrypts itself."""

    def __init__(self, inside: Store, ring: KeyRing) -> None:
        super().__init__()
        self._inside = inside
        self._ring = ring

    @property
    def name(self) -> str:
        """The name of the store inside."""
        return self._inside.name

    @property
    def bucket(self) -> str:
        """The bucket of the store inside."""
        return self._inside.bucket

    @property
    def abilities(self) -> Abilities:
        """Those of the store inside; tickets are of our own, which take forms and compare digests."""
        return replace(self._inside.abilities, post_policy=True, checksums=True)

    def put_requests(self, size_bytes: int, **_: bool) -> int:
        """As the store inside, for which the digest of what is encrypted on the way is never known."""
        count: CountsRequests | None = getattr(self._inside, "put_requests", None)
        return count(sealed_size(size_bytes), digest_known=False) if count else 1

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
        """Write an object encrypted; see `Store.put`. Size and digest are those of the plain bytes."""
        return await self._put(
            self._checked(key),
            key,
            body,
            content_type=content_type,
            size_bytes=size_bytes,
            sha256=sha256,
            storage_class=storage_class,
        )

    async def head(self, key: str) -> ObjectFacts:
        """The facts of an object, or `ObjectNotFound`; reading to the end proves the size."""
        facts = await self._inside.head(self._checked(key))
        size_bytes = plain_size(facts.size_bytes)
        if size_bytes is None:
            raise damaged(key)
        return _plain(facts, size_bytes)

    async def read(self, key: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """The plain bytes of an object or of a range of it; only the segments with them are read."""
        async with aclosing(self._read(self._checked(key), key, start, end)) as pieces:
            async for piece in pieces:
                yield piece

    async def copy(
        self, source_key: str, target_key: str, *, storage_class: str | None = None
    ) -> ObjectFacts:
        """Encrypt anew, since an object is bound to its key; onto itself, in another class, as it is."""
        if self._checked(source_key) == self._checked(target_key):
            facts = await self._inside.copy(source_key, target_key, storage_class=storage_class)
            return _plain(facts, plain_size(facts.size_bytes) or 0)
        source = await self._inside.head(source_key)
        async with aclosing(self._read(source_key, source_key, 0, None)) as body:
            return await self.put(
                target_key, body, content_type=source.content_type, storage_class=storage_class
            )

    async def ask_restore(self, key: str, days: int, tier: str) -> None:
        """Ask the store inside for an object in an archive class; see `RestoresCold`."""
        await self._cold().ask_restore(self._checked(key), days, tier)

    async def cold_facts(self, key: str) -> ColdFacts:
        """How far it is."""
        return await self._cold().cold_facts(self._checked(key))

    async def delete(self, key: str) -> None:
        """Remove an object; nothing happens where there is none."""
        await self._inside.delete(self._checked(key))

    async def versioning(self) -> Versioning:
        """Whether the store inside keeps what was deleted or replaced."""
        inside = self._inside
        return await inside.versioning() if isinstance(inside, KeepsVersions) else Versioning.OFF

    async def list_versions(self, key: str) -> AsyncIterator[VersionFacts]:
        """What is kept of a key, the newest first, with plain sizes; what cannot be ours is left out."""
        place = self._checked(key)
        if not isinstance(self._inside, KeepsVersions):
            return
        listed: Any = self._inside.list_versions(place)
        async with aclosing(listed):
            async for version in listed:
                size_bytes = plain_size(version.size_bytes)
                if size_bytes is not None:
                    yield replace(version, size_bytes=size_bytes)

    async def read_version(self, key: str, version_id: str) -> AsyncIterator[bytes]:
        """The plain bytes of one version: it was encrypted for the same key."""
        place = self._checked(key)
        if not isinstance(self._inside, KeepsVersions):
            raise ObjectNotFound(f"The store {self.name!r} keeps no versions.", key=place)
        sealed: Any = self._inside.read_version(place, version_id)
        async with aclosing(sealed), aclosing(open_pieces(self._ring, place, key, sealed)) as pieces:
            async for piece in pieces:
                yield piece

    async def delete_with_versions(self, key: str) -> bool:
        """Remove an object and its older versions; see `KeepsVersions`."""
        place = self._checked(key)
        if isinstance(self._inside, KeepsVersions):
            return await self._inside.delete_with_versions(place)
        await self._inside.delete(place)
        return True

    def _cold(self) -> RestoresCold:
        if not isinstance(self._inside, RestoresCold):
            raise StoreRefused(f"The store {self.name!r} has no archive to bring bytes back from.")
        return self._inside

    async def list_objects(self, prefix: str = "") -> AsyncIterator[ObjectFacts]:
        """Every object whose key begins with `prefix`, in key order; a foreign one with its own size."""
        listed: Any = self._inside.list_objects(prefix)
        async with aclosing(listed):
            async for facts in listed:
                if not facts.key.startswith(GROWING):
                    size_bytes = plain_size(facts.size_bytes)
                    yield _plain(facts, facts.size_bytes if size_bytes is None else size_bytes)

    async def check(self) -> None:
        """As the store inside."""
        await self._inside.check()

    async def close(self) -> None:
        """Close the store inside."""
        await self._inside.close()

    def _checked(self, key: str) -> str:
        if key.startswith(GROWING):
            raise Invalid(f"Keys under {GROWING!r} are kept for what grows in an encrypted store.")
        return check_key(key)

    async def _put(
        self,
        place: str,
        key: str,
        body: AsyncIterator[bytes],
        *,
        content_type: str | None = None,
        size_bytes: int | None = None,
        sha256: str | None = None,
        storage_class: str | None = None,
    ) -> ObjectFacts:
        """Write to a place of the inner store, with the data key of `key`."""
        sealing = _Sealing(SealedObject.new(await self._ring.key_for(key), place), place, size_bytes, sha256)
        async with aclosing(sealing.stream(body)) as sealed:
            inside = self._inside
            # Each segment carries its own proof.
            put = inside.put_undigested if isinstance(inside, PutsUndigested) else inside.put
            facts = await put(
                place,
                sealed,
                content_type=content_type,
                size_bytes=None if size_bytes is None else sealed_size(size_bytes),
                storage_class=storage_class,
            )
        return replace(_plain(facts, sealing.size_bytes), sha256=sealing.sha256)

    async def _read(self, place: str, key: str, start: int, end: int | None) -> AsyncGenerator[bytes, None]:
        if end is not None and end <= start:
            await self._inside.head(place)
            return
        first = start // SEGMENT_BYTES
        asked = None if end is None else place_of(segments_in(end))
        held = bytearray()
        head = b""
        if first:
            head = b"".join([piece async for piece in self._inside.read(place, 0, HEAD_BYTES)])
        pieces: Any = self._inside.read(place, place_of(first) if first else 0, asked)
        opening: _Opening | None = None
        async with aclosing(pieces):
            async for piece in pieces:
                held += piece
                if opening is None:
                    if not first:
                        if len(held) < HEAD_BYTES:
                            continue
                        head = bytes(held[:HEAD_BYTES])
                        del held[:HEAD_BYTES]
                    opening = _Opening(await self._sealed(head, place, key), first, start, end)
                for plain in opening.take(held):
                    yield plain
        if opening is None:
            await self._prove_end(place, await self._sealed(head or bytes(held), place, key), start)
            return
        plain = opening.take_end(held, asked is not None)
        if plain:
            yield plain

    async def _sealed(self, head: bytes, place: str, key: str) -> SealedObject:
        return SealedObject(await self._ring.key_of(key_id_of(head, place), key), head, place)

    async def _prove_end(self, place: str, sealed: SealedObject, start: int) -> None:
        """A range had nothing: prove that the object ends before it, else it was cut short."""
        facts = await self._inside.head(place)
        size_bytes = plain_size(facts.size_bytes)
        if size_bytes is None:
            raise damaged(place)
        if size_bytes > start:
            raise StoreUnavailable(
                f"The store {self.name!r} gave nothing of {place!r} from byte {start}.", key=place
            )
        number = segments_in(size_bytes) - 1
        last = b"".join([piece async for piece in self._inside.read(place, place_of(number))])
        sealed.open(number, last, last=True)


def seal_pieces(data_key: DataKey, place: str, body: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    """Bytes as an encrypted object under the key `place` has them, for who keeps it elsewhere."""
    return _Sealing(SealedObject.new(data_key, place), place, None, None).stream(body)


async def open_pieces(
    ring: KeyRing, place: str, object_key: str, body: AsyncIterator[bytes]
) -> AsyncGenerator[bytes, None]:
    """The plain bytes of a whole object that was sealed for `place`, with a data key of `object_key`'s
    organization. Raises as reading does."""
    held = bytearray()
    opening: _Opening | None = None
    async for piece in body:
        held += piece
        if opening is None and len(held) >= HEAD_BYTES:
            head = bytes(held[:HEAD_BYTES])
            del held[:HEAD_BYTES]
            data_key = await ring.key_of(key_id_of(head, place), object_key)
            opening = _Opening(SealedObject(data_key, head, place), 0, 0, None)
        for plain in opening.take(held) if opening else ():
            yield plain
    if opening is None:
        raise damaged(place)
    if plain := opening.take_end(held, bounded=False):
        yield plain


class _Sealing:
    """A body on its way into the inner store: counted, digested and encrypted."""

    def __init__(self, sealed: SealedObject, key: str, size_bytes: int | None, sha256: str | None) -> None:
        self._sealed, self._key = sealed, key
        self._size_wanted, self._sha256_wanted = size_bytes, sha256
        self._digest = hashlib.sha256()
        self._number = 0
        self.size_bytes = 0

    @property
    def sha256(self) -> str:
        """Of the plain bytes so far, in lower-case hex."""
        return self._digest.hexdigest()

    async def stream(self, body: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
        """The object's bytes; the last segment comes only when all is as declared."""
        held: list[bytes | memoryview] = []
        held_bytes = 0
        batch: asyncio.Future[list[bytes]] | None = None
        yield self._sealed.head
        try:
            async for piece in body:
                self._count(len(piece))
                held.append(piece)
                held_bytes += len(piece)
                if held_bytes > BATCH_BYTES:
                    done = await batch if batch else []
                    whole = memoryview(b"".join(held))
                    at = (held_bytes - 1) // SEGMENT_BYTES * SEGMENT_BYTES  # a last one is known by the end
                    batch = asyncio.ensure_future(asyncio.to_thread(self._seal, whole[:at]))
                    held, held_bytes = [whole[at:]], held_bytes - at
                    for sealed in done:
                        yield sealed
            for sealed in await batch if batch else []:
                yield sealed
            batch = asyncio.ensure_future(asyncio.to_thread(self._seal, memoryview(b"".join(held)), True))
            done = await batch
            self._check()
            for sealed in done:
                yield sealed
        finally:
            if batch is not None and not batch.done():
                await asyncio.wait([batch])

    def _seal(self, plain: memoryview, last: bool = False) -> list[bytes]:
        self._digest.update(plain)
        done = []
        for at in range(0, max(1, len(plain)), SEGMENT_BYTES):
            is_last = last and at + SEGMENT_BYTES >= len(plain)
            done.append(self._sealed.seal(self._number, plain[at : at + SEGMENT_BYTES], last=is_last))
            self._number += 1
        return done

    def _count(self, more: int) -> None:
        self.size_bytes += more
        if self._size_wanted is not None and self.size_bytes > self._size_wanted:
            raise wrong_bytes(self._key, "size_bytes", self._size_wanted, f"{self.size_bytes} or more")

    def _check(self) -> None:
        if self._size_wanted not in (None, self.size_bytes):
            raise wrong_bytes(self._key, "size_bytes", self._size_wanted, self.size_bytes)
        if self._sha256_wanted not in (None, self.sha256):
            raise wrong_bytes(self._key, "sha256", self._sha256_wanted, self.sha256)


class _Opening:
    """Segments as they come from the inner store, from the first that is needed on."""

    def __init__(self, sealed: SealedObject, number: int, start: int, end: int | None) -> None:
        self._sealed, self._number = sealed, number
        self._start, self._end = start, end

    def take(self, held: bytearray) -> list[bytes]:
        """The plain bytes of every segment that another byte follows, taken off what is held."""
        found = []
        while len(held) > SEALED_SEGMENT_BYTES:
            found.append(self._open(bytes(held[:SEALED_SEGMENT_BYTES]), last=False))
            del held[:SEALED_SEGMENT_BYTES]
        return [plain for plain in found if plain]

    def take_end(self, held: bytearray, bounded: bool) -> bytes:
        """The plain bytes of the segment that came last: the object's last one, or where the range ended.

        A stream that ended early ends with a segment that is not marked as the last: `WrongBytes`.
        """
        assert self._end is None or bounded
        if self._end is not None and len(held) == SEALED_SEGMENT_BYTES and self._reaches_end():
            try:
                return self._open(bytes(held), last=False)
            except WrongBytes:  # it may be the last one as well
                pass
        return self._open(bytes(held), last=True)

    def _reaches_end(self) -> bool:
        return self._end is not None and (self._number + 1) * SEGMENT_BYTES >= self._end

    def _open(self, segment: bytes, *, last: bool) -> bytes:
        plain = self._sealed.open(self._number, segment, last=last)
        before = self._number * SEGMENT_BYTES
        self._number += 1
        from_, to = max(0, self._start - before), len(plain)
        return plain[from_:] if self._end is None else plain[from_ : min(to, self._end - before)]


def _plain(facts: ObjectFacts, size_bytes: int) -> ObjectFacts:
    """The inner store's facts, less what tells of the encrypted bytes."""
    return replace(facts, size_bytes=size_bytes, sha256=None, md5=None)
