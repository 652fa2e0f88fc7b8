"""A wrapper for every store: refuses inside a unit of work, tries again what may be, and logs each operation.

The result is a `Store` with exactly the optional abilities of the one inside.
"""

from collections.abc import AsyncIterator
from contextlib import aclosing
from functools import cache

from reelkeep.errors import StoreUnavailable
from reelkeep.stores.guarded_abilities import (
    GuardedAcross,
    GuardedCold,
    GuardedDescriptions,
    GuardedFiles,
    GuardedGrowth,
    GuardedParts,
    GuardedSigner,
    GuardedVersions,
)
from reelkeep.stores.guarded_calls import GuardedCalls, Operation, generator
from reelkeep.stores.patience import Patience
from reelkeep.stores.protocol import (
    Abilities,
    CarriesFacts,
    CopiesAcross,
    CountsRequests,
    Grows,
    KeepsVersions,
    ObjectFacts,
    OpensFiles,
    RestoresCold,
    SignsUrls,
    Store,
    TakesParts,
)
from reelkeep.transactions import refuse_inside_unit_of_work

__all__ = ["Guarded", "Patience", "guard"]

#: Each optional ability and what guards it.
_ABILITIES: tuple[tuple[type, type[GuardedCalls]], ...] = (
    (CopiesAcross, GuardedAcross),
    (SignsUrls, GuardedSigner),
    (OpensFiles, GuardedFiles),
    (TakesParts, GuardedParts),
    (Grows, GuardedGrowth),
    (CarriesFacts, GuardedDescriptions),
    (RestoresCold, GuardedCold),
    (KeepsVersions, GuardedVersions),
)


def guard(store: Store, patience: Patience | None = None) -> "Guarded":
    """The same store, guarded; its abilities stay visible to `isinstance`, and it has no others."""
    shown = tuple(guarded for ability, guarded in _ABILITIES if isinstance(store, ability))
    return _kind(shown)(store, patience or Patience())


class Guarded(GuardedCalls):
    """A guarded `Store`; made by `guard`."""

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
        """The abilities of the store inside."""
        return self._inside.abilities

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
        """Write once: the body cannot be had a second time, so a failure is the caller's to repeat."""

        digest_known = size_bytes is not None and sha256 is not None

        async def write(operation: Operation) -> ObjectFacts:
            facts = await self._inside.put(
                key,
                body,
                content_type=content_type,
                size_bytes=size_bytes,
                sha256=sha256,
                storage_class=storage_class,
            )
            operation.bytes = facts.size_bytes
            operation.more_requests = self._put_requests(facts.size_bytes, digest_known=digest_known) - 1
            return facts

        return await self._run("put", key, write, repeat=False)

    async def head(self, key: str) -> ObjectFacts:
        """As the store inside, with further tries."""
        return await self._run("head", key, lambda _: self._inside.head(key))

    def read(self, key: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """As the store inside; after a fault it goes on from the byte reached.

        What is read to the end lies under keys that are written once, so both parts are of one object.
        """
        refuse_inside_unit_of_work(f"read of {key!r}")
        return self._read(key, start, end)

    async def copy(
        self, source_key: str, target_key: str, *, storage_class: str | None = None
    ) -> ObjectFacts:
        """As the store inside, with further tries: copying twice leaves what copying once does."""

        async def copy(operation: Operation) -> ObjectFacts:
            facts = await self._inside.copy(source_key, target_key, storage_class=storage_class)
            operation.bytes = facts.size_bytes
            return facts

        return await self._run("copy", source_key, copy)

    async def delete(self, key: str) -> None:
        """As the store inside, with further tries."""
        await self._run("delete", key, lambda _: self._inside.delete(key))

    def list_objects(self, prefix: str = "") -> AsyncIterator[ObjectFacts]:
        """As the store inside; tried again only until the first object came."""
        return self._each("list", prefix, lambda: self._inside.list_objects(prefix))

    async def check(self) -> None:
        """As the store inside; tried once, because the question is how it is now."""
        await self._run("check", "", lambda _: self._inside.check(), repeat=False)

    async def check_once(self) -> None:
        """As the store inside, past what is logged and counted: for the circuit's own probe."""
        await self._inside.check()

    async def close(self) -> None:
        """Close the store inside."""
        await self._inside.close()

    def _put_requests(self, size_bytes: int, *, digest_known: bool) -> int:
        count: CountsRequests | None = getattr(self._inside, "put_requests", None)
        return count(size_bytes, digest_known=digest_known) if count else 1

    async def _read(self, key: str, start: int, end: int | None) -> AsyncIterator[bytes]:
        operation = Operation(self.name, "read", key, self.traffic, self.health)
        try:
            while True:
                try:
                    async with aclosing(generator(self._inside.read(key, start, end))) as pieces:
                        async for piece in pieces:
                            start += len(piece)
                            operation.bytes += len(piece)
                            yield piece
                    break
                except StoreUnavailable as error:
                    await operation.wait_or_raise(error, self._patience)
        except BaseException as error:
            operation.failed(error)
            raise
        operation.done()


@cache
def _kind(shown: tuple[type[GuardedCalls], ...]) -> type[Guarded]:
    """The class with the guards of these abilities."""
    return type("Guarded", (Guarded, *shown), {"__doc__": Guarded.__doc__})
