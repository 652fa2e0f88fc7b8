"""A wrapper for every store: refuses inside a unit of work, tries again what may be, and logs each operation.

The result is a `Store` with exactly the optional abilities of the one inside.
"""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

from reelkeep.errors import ObjectNotFound, StoreError, StoreUnavailable
from reelkeep.logs import get_logger
from reelkeep.stores.protocol import (
    Abilities,
    ObjectFacts,
    OpensFiles,
    SignsUrls,
    Store,
    Ticket,
    TicketLimits,
)
from reelkeep.transactions import refuse_inside_unit_of_work

T = TypeVar("T")
logger = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Patience:
    """How often and how long an operation that may be repeated is tried."""

    tries_max: int = 4
    first_wait_seconds: float = 0.2
    wait_seconds_max: float = 3.0

    def wait_seconds(self, failures: int) -> float:
        """How long to wait after so many failures: doubling, with a random half so that crowds disperse."""
        longest: float = min(self.wait_seconds_max, self.first_wait_seconds * 2 ** (failures - 1))
        share = 0.5 + random.random() / 2  # noqa: S311 - no secret
        return longest * share


def guard(store: Store, patience: Patience | None = None) -> Store:
    """The same store, guarded; what it signs and opens stays visible to `isinstance`."""
    signs, opens = isinstance(store, SignsUrls), isinstance(store, OpensFiles)
    kind = {
        (False, False): Guarded,
        (True, False): GuardedSigner,
        (False, True): GuardedFiles,
        (True, True): GuardedSignerFiles,
    }[signs, opens]
    return kind(store, patience or Patience())


class _Operation:
    """One call of a store as the log tells it."""

    def __init__(self, store: str, action: str, key: str) -> None:
        refuse_inside_unit_of_work(f"{action} of {key!r} in the store {store!r}")
        self._facts: dict[str, Any] = {"store": store, "action": action, "key": key}
        self._started = time.perf_counter()
        self.failures = 0
        self.bytes = 0

    def done(self) -> None:
        logger.info("store operation", **self._outcome())

    def failed(self, error: BaseException) -> None:
        if isinstance(error, ObjectNotFound):  # an answer, not a fault
            logger.info("store operation", found=False, **self._outcome())
        elif isinstance(error, asyncio.CancelledError | GeneratorExit):
            logger.info("store operation left unfinished", **self._outcome())
        else:
            logger.error("store operation failed", exc_info=error, **self._outcome())

    async def wait_or_raise(self, error: StoreUnavailable, patience: Patience) -> None:
        """Wait before the next try, or raise the error when there have been enough."""
        self.failures += 1
        if self.failures >= patience.tries_max:
            raise error
        wait = patience.wait_seconds(self.failures)
        logger.warning(
            "store operation tried again", exc_info=error, wait_seconds=round(wait, 3), **self._outcome()
        )
        await asyncio.sleep(wait)

    def _outcome(self) -> dict[str, Any]:
        elapsed_ms = round((time.perf_counter() - self._started) * 1000, 1)
        return {**self._facts, "duration_ms": elapsed_ms, "bytes": self.bytes, "failures": self.failures}


class Guarded:
    """A guarded `Store`; made by `guard`."""

    def __init__(self, inside: Store, patience: Patience) -> None:
        self._inside = inside
        self._patience = patience

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
    ) -> ObjectFacts:
        """Write once: the body cannot be had a second time, so a failure is the caller's to repeat."""

        async def write(operation: _Operation) -> ObjectFacts:
            facts = await self._inside.put(
                key, body, content_type=content_type, size_bytes=size_bytes, sha256=sha256
            )
            operation.bytes = facts.size_bytes
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

    async def copy(self, source_key: str, target_key: str) -> ObjectFacts:
        """As the store inside, with further tries: copying twice leaves what copying once does."""

        async def copy(operation: _Operation) -> ObjectFacts:
            facts = await self._inside.copy(source_key, target_key)
            operation.bytes = facts.size_bytes
            return facts

        return await self._run("copy", source_key, copy)

    async def delete(self, key: str) -> None:
        """As the store inside, with further tries."""
        await self._run("delete", key, lambda _: self._inside.delete(key))

    def list_objects(self, prefix: str = "") -> AsyncIterator[ObjectFacts]:
        """As the store inside; tried again only until the first object came."""
        refuse_inside_unit_of_work(f"list of {prefix!r}")
        return self._list(prefix)

    async def check(self) -> None:
        """As the store inside; tried once, because the question is how it is now."""
        await self._run("check", "", lambda _: self._inside.check(), repeat=False)

    async def close(self) -> None:
        """Close the store inside."""
        await self._inside.close()

    async def _run(
        self, action: str, key: str, call: Callable[[_Operation], Awaitable[T]], *, repeat: bool = True
    ) -> T:
        operation = _Operation(self.name, action, key)
        try:
            while True:
                try:
                    result = await call(operation)
                except StoreUnavailable as error:
                    if not repeat:
                        raise
                    await operation.wait_or_raise(error, self._patience)
                else:
                    operation.done()
                    return result
        except BaseException as error:
            operation.failed(error)
            raise

    async def _read(self, key: str, start: int, end: int | None) -> AsyncIterator[bytes]:
        operation = _Operation(self.name, "read", key)
        try:
            while True:
                try:
                    async with aclosing(_generator(self._inside.read(key, start, end))) as pieces:
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

    async def _list(self, prefix: str) -> AsyncIterator[ObjectFacts]:
        operation = _Operation(self.name, "list", prefix)
        found = 0
        try:
            while True:
                try:
                    async with aclosing(_generator(self._inside.list_objects(prefix))) as listed:
                        async for facts in listed:
                            found += 1
                            yield facts
                    break
                except StoreUnavailable as error:
                    if found:
                        raise
                    await operation.wait_or_raise(error, self._patience)
        except BaseException as error:
            operation.failed(error)
            raise
        operation.done()


class _Signing:
    """The `SignsUrls` ability handed through. Signing is arithmetic, so a unit of work does not forbid it."""

    _inside: Store

    @property
    def _signer(self) -> SignsUrls:
        return cast(SignsUrls, self._inside)

    def ticket_post(self, limits: TicketLimits) -> Ticket:
        """As the store inside."""
        return self._signer.ticket_post(limits)

    def ticket_put(self, limits: TicketLimits) -> Ticket:
        """As the store inside."""
        return self._signer.ticket_put(limits)

    def url_get(
        self,
        key: str,
        expires_in_seconds: int,
        *,
        content_type: str | None = None,
        download_as: str | None = None,
    ) -> str:
        """As the store inside."""
        return self._signer.url_get(
            key, expires_in_seconds, content_type=content_type, download_as=download_as
        )

    @property
    def client_origin(self) -> str:
        """As the store inside."""
        return self._signer.client_origin


class _Opening:
    """The `OpensFiles` ability handed through."""

    _inside: Store

    def path_of(self, key: str) -> Path:
        """As the store inside."""
        refuse_inside_unit_of_work(f"path of {key!r} in the store {self._inside.name!r}")
        return cast(OpensFiles, self._inside).path_of(key)


class GuardedSigner(_Signing, Guarded):
    """A guarded store that signs URLs."""


class GuardedFiles(_Opening, Guarded):
    """A guarded store that opens files."""


class GuardedSignerFiles(_Signing, _Opening, Guarded):
    """A guarded store that signs URLs and opens files."""


def _generator(iterator: AsyncIterator[T]) -> Any:
    """An iterator as `aclosing` wants it; those of stores are generators, whose files it closes at once."""
    if not hasattr(iterator, "aclose"):
        raise StoreError("A store's reading must be an asynchronous generator.")
    return iterator
