"""How a guarded store calls the one inside: refused in a unit of work, tried again, logged."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Any, TypeVar

from reelkeep.errors import ObjectNotFound, StoreError, StoreUnavailable
from reelkeep.logs import get_logger
from reelkeep.stores.patience import Patience
from reelkeep.stores.protocol import Store
from reelkeep.transactions import refuse_inside_unit_of_work

T = TypeVar("T")
logger = get_logger(__name__)


class Operation:
    """One call of a store as the log tells it."""

    def __init__(self, store: str, action: str, key: str) -> None:
        refuse_inside_unit_of_work(f"{action} of {key!r} in the store {store!r}")
        self._facts: dict[str, Any] = {"store": store, "action": action, "key": key}
        self._started = time.perf_counter()
        self.failures = 0
        self.bytes = 0

    def done(self) -> None:
        """It did what was asked."""
        logger.info("store operation", **self._outcome())

    def left(self) -> None:
        """Its caller went away; nothing is wrong with the store."""
        logger.info("store operation left unfinished", **self._outcome())

    def failed(self, error: BaseException) -> None:
        """It raised."""
        if isinstance(error, ObjectNotFound):  # an answer, not a fault
            logger.info("store operation", found=False, **self._outcome())
        elif isinstance(error, asyncio.CancelledError | GeneratorExit):
            self.left()
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


class GuardedCalls:
    """What the guard of every ability calls through."""

    def __init__(self, inside: Store, patience: Patience) -> None:
        self._inside = inside
        self._patience = patience

    async def _run(
        self, action: str, key: str, call: Callable[[Operation], Awaitable[T]], *, repeat: bool = True
    ) -> T:
        operation = Operation(self._inside.name, action, key)
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
        operation = Operation(self._inside.name, action, key)
        begun = False
        try:
            while True:
                try:
                    async with aclosing(generator(begin())) as listed:
                        async for found in listed:
                            begun = True
                            yield found
                    break
                except StoreUnavailable as error:
                    if begun:
                        raise
                    await operation.wait_or_raise(error, self._patience)
        except BaseException as error:
            operation.failed(error)
            raise
        operation.done()


def generator(iterator: AsyncIterator[T]) -> Any:
    """An iterator as `aclosing` wants it; those of stores are generators, whose files it closes at once."""
    if not hasattr(iterator, "aclose"):
        raise StoreError("A store's reading must be an asynchronous generator.")
    return iterator
