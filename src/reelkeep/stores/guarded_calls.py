"""How a guarded store calls the one inside: refused in a unit of work, tried again, logged, counted."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Any, TypeVar

from reelkeep.errors import ObjectNotFound, StoreError, StoreUnavailable
from reelkeep.logs import get_logger
from reelkeep.stores.health import Health
from reelkeep.stores.patience import Patience
from reelkeep.stores.protocol import OpensFiles, Store
from reelkeep.stores.traffic import Traffic, only_looks
from reelkeep.transactions import refuse_inside_unit_of_work

T = TypeVar("T")
logger = get_logger(__name__)
#: What a service tells in one answer to a listing, at most.
LISTED_AT_ONCE = 1000


class Operation:
    """One call of a store as the log tells it, and as it is counted when it ends."""

    def __init__(
        self, store: str, action: str, key: str, traffic: Traffic, health: Health | None = None
    ) -> None:
        refuse_inside_unit_of_work(f"{action} of {key!r} in the store {store!r}")
        self._facts: dict[str, Any] = {"store": store, "action": action, "key": key}
        self._started = time.perf_counter()
        self._traffic, self._health = traffic, health
        self.failures = 0
        self.bytes = 0
        #: Requests of one try beyond the first: a long body goes in parts.
        self.more_requests = 0

    def done(self) -> None:
        """It did what was asked."""
        if self._health is not None:
            self._health.worked()
        self._count()
        self._tell("store operation")

    def left(self) -> None:
        """Its caller went away; nothing is wrong with the store."""
        self._count()
        self._tell("store operation left unfinished")

    def failed(self, error: BaseException) -> None:
        """It raised."""
        if self._health is not None:
            self._health.failed(error)
        if isinstance(error, ObjectNotFound):  # an answer, not a fault
            self._count()
            self._tell("store operation", found=False)
        elif isinstance(error, asyncio.CancelledError | GeneratorExit):
            self.left()
        else:
            self._count()
            logger.error("store operation failed", exc_info=error, **self._outcome())

    async def wait_or_raise(self, error: StoreUnavailable, patience: Patience) -> None:
        """Wait before the next try, or raise the error when there have been enough."""
        self.failures += 1
        if self.failures >= patience.tries_max:
            self.more_requests -= 1  # there is no further try
            raise error
        wait = patience.wait_seconds(self.failures)
        logger.warning(
            "store operation tried again", exc_info=error, wait_seconds=round(wait, 3), **self._outcome()
        )
        await asyncio.sleep(wait)

    def _tell(self, what: str, **facts: Any) -> None:
        """What changes a store is told at the usual level, what only looks where debugging is asked for."""
        tell = logger.debug if only_looks(self._facts["action"]) else logger.info
        tell(what, **facts, **self._outcome())

    def _count(self) -> None:
        self._traffic.count_operation(
            self._facts["action"], self.failures + 1 + self.more_requests, self.bytes
        )

    def _outcome(self) -> dict[str, Any]:
        elapsed_ms = round((time.perf_counter() - self._started) * 1000, 1)
        return {**self._facts, "duration_ms": elapsed_ms, "bytes": self.bytes, "failures": self.failures}


class GuardedCalls:
    """What the guard of every ability calls through."""

    def __init__(self, inside: Store, patience: Patience) -> None:
        self._inside = inside
        self._patience = patience
        #: Requests and bytes of this process; kept by `blobs.traffic`.
        self.traffic = Traffic()
        #: Whether it answers, as this process has seen.
        self.health = Health()
        #: Clients reach it past this process, by URLs that are signed here; our own wire sees them.
        self.clients_are_expected = not isinstance(inside, OpensFiles)

    async def _run(
        self,
        action: str,
        key: str,
        call: Callable[[Operation], Awaitable[T]],
        *,
        repeat: bool = True,
        is_proof: bool = True,
    ) -> T:
        health = self.health if is_proof else None
        operation = Operation(self._inside.name, action, key, self.traffic, health)
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

    def _each(self, action: str, key: str, begin: Callable[[], AsyncIterator[T]]) -> AsyncGenerator[T, None]:
        """What a listing gives; tried again only until the first of it came."""
        refuse_inside_unit_of_work(f"{action} of {key!r}")
        return self._listing(action, key, begin)

    async def _listing(
        self, action: str, key: str, begin: Callable[[], AsyncIterator[T]]
    ) -> AsyncGenerator[T, None]:
        operation = Operation(self._inside.name, action, key, self.traffic, self.health)
        count = 0
        try:
            while True:
                try:
                    async with aclosing(generator(begin())) as listed:
                        async for found in listed:
                            count += 1
                            yield found
                    break
                except StoreUnavailable as error:
                    if count:
                        raise
                    await operation.wait_or_raise(error, self._patience)
        except BaseException as error:
            operation.failed(error)
            raise
        operation.more_requests = max(0, count - 1) // LISTED_AT_ONCE
        operation.done()


def generator(iterator: AsyncIterator[T]) -> Any:
    """An iterator as `aclosing` wants it; those of stores are generators, whose files it closes at once."""
    if not hasattr(iterator, "aclose"):
        raise StoreError("A store's reading must be an asynchronous generator.")
    return iterator
