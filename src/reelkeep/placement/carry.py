"""Carry a blob's bytes from store to store, and prove that they arrived."""

import hashlib
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from reelkeep.errors import ObjectNotFound, StoreError, WrongBytes
from reelkeep.placement.pace import paced, turn_at, turn_of_size
from reelkeep.runtime import Runtime
from reelkeep.stores.guarded_calls import generator
from reelkeep.stores.protocol import CopiesAcross, KeepsVersions, ObjectFacts, Store


@dataclass(frozen=True, slots=True)
class Bytes:
    """Where a blob's bytes lie, and what they have to be."""

    store: str
    key: str
    size_bytes: int
    content_type: str
    #: None until somebody has read them all.
    sha256: str | None
    #: Of an older version that the store keeps; None: the object itself.
    version_id: str | None = None


@dataclass(frozen=True, slots=True)
class Carried:
    """Bytes at their new place, read or checked there."""

    #: As stored, where the store tells another size than the blob's.
    stored_bytes: int | None
    sha256: str


class SourceFailed(Exception):
    """It was the copy that was read which failed: missing, or other bytes than were sealed."""

    def __init__(self, error: StoreError) -> None:
        super().__init__(error.message)
        self.error = error


async def carry(runtime: Runtime, source: Bytes, target: str, key: str, storage_class: str) -> Carried:
    """Write the bytes under `key` of the store `target`, and prove them there.

    Proved is what the service itself has checked against a digest that was computed while sending, or what
    was read back. Nothing is held whole in memory. Raises `SourceFailed`, and what the target raises.
    """
    into = runtime.stores.get(target)
    async with turn_of_size(runtime, source.size_bytes), turn_at(runtime, source.store, target):
        facts, sha256 = await _write(runtime, source, into, key, storage_class)
        if not into.abilities.proves_writes or facts.sha256 is None:
            found = await digest_of(runtime, target, key, source.size_bytes)
            if sha256 not in (None, found):
                raise WrongBytes(
                    f"The store {target!r} gives other bytes than were written to it: the SHA-256 differs.",
                    store=target,
                    key=key,
                )
            sha256 = found
    assert sha256 is not None
    return Carried(facts.size_bytes, sha256)


async def _write(
    runtime: Runtime, source: Bytes, into: Store, key: str, storage_class: str
) -> tuple[ObjectFacts, str | None]:
    """Inside the service where both ends can, else by a stream through us."""
    origin = runtime.stores.get(source.store)
    if isinstance(into, CopiesAcross) and into.can_copy_from(origin):
        try:
            facts = await into.copy_from(
                origin,
                source.key,
                key,
                storage_class=storage_class or None,
                version_id=source.version_id,
            )
        except ObjectNotFound as missing:
            raise SourceFailed(missing) from missing
        return facts, source.sha256
    try:
        # Closed by us: a target that fails leaves the source's file open otherwise.
        async with (
            aclosing(_told_apart(_pieces_of(origin, source))) as pieces,
            aclosing(paced(runtime, pieces, source.store, into.name)) as body,
        ):
            facts = await into.put(
                key,
                body,
                content_type=source.content_type,
                size_bytes=source.size_bytes,
                sha256=source.sha256,
                storage_class=storage_class or None,
            )
    except WrongBytes as wrong:  # what was sent is what was read
        raise SourceFailed(_other_bytes(source)) from wrong
    return facts, facts.sha256


def _pieces_of(origin: Store, source: Bytes) -> AsyncIterator[bytes]:
    if source.version_id is None:
        return origin.read(source.key)
    assert isinstance(origin, KeepsVersions)
    return origin.read_version(source.key, source.version_id)


async def _told_apart(pieces: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    """A source's bytes; whatever is wrong with them is told as the source's fault."""
    try:
        async with aclosing(generator(pieces)) as closed:
            async for piece in closed:
                yield piece
    except StoreError as error:
        raise SourceFailed(error) from error


async def digest_of(runtime: Runtime, store: str, key: str, size_bytes: int) -> str:
    """Read an object whole and give its SHA-256; `WrongBytes` when its length is another."""
    digest, size = hashlib.sha256(), 0
    pieces: Any
    async with aclosing(paced(runtime, runtime.stores.get(store).read(key), store)) as pieces:
        async for piece in pieces:
            digest.update(piece)
            size += len(piece)
    if size != size_bytes:
        raise WrongBytes(
            f"The object {key!r} of the store {store!r} has {size:,} bytes and {size_bytes:,} were sealed.",
            store=store,
            key=key,
        )
    return digest.hexdigest()


def _other_bytes(source: Bytes) -> WrongBytes:
    return WrongBytes(
        f"The copy in the store {source.store!r} no longer has the bytes that were sealed.",
        store=source.store,
        key=source.key,
    )
