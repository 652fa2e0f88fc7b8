"""How fast copies are moved: so many at once and so many bytes a second for each store, in each process."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

from reelkeep.db.database import Database
from reelkeep.runtime import Runtime
from reelkeep.stores.protocol import PART_BYTES_MIN

#: A store that is not limited gets so many at once from one process.
AT_ONCE = 8


@dataclass(slots=True)
class Pace:
    """What one store is given by this process."""

    at_once: asyncio.Semaphore
    bytes_per_second_max: int | None
    #: When the bytes taken so far will have been paid for; on the loop's clock.
    paid_until: float = field(default=0.0)

    async def pay(self, size_bytes: int) -> None:
        """Wait for as long as so many bytes may take."""
        if self.bytes_per_second_max is None:
            return
        now = asyncio.get_running_loop().time()
        self.paid_until = max(self.paid_until, now) + size_bytes / self.bytes_per_second_max
        await asyncio.sleep(self.paid_until - now)


#: A body over this may go in parts that are held in memory, several at once; and it fills the line by itself.
LARGE_BYTES = PART_BYTES_MIN
LARGE_AT_ONCE = 2
_large: WeakKeyDictionary[Database, asyncio.Semaphore] = WeakKeyDictionary()
_paces: WeakKeyDictionary[Database, dict[str, Pace]] = WeakKeyDictionary()


def pace_of(runtime: Runtime, store: str) -> Pace:
    """The pace of a store in this process."""
    paces = _paces.setdefault(runtime.database, {})
    if store not in paces:
        spec = runtime.stores.specs.get(store)
        at_once = spec.requests_at_once_max if spec else AT_ONCE
        paces[store] = Pace(asyncio.Semaphore(at_once), spec.bytes_per_second_max if spec else None)
    return paces[store]


@asynccontextmanager
async def turn_at(runtime: Runtime, *stores: str) -> AsyncIterator[None]:
    """A turn at each of these stores; in one order, so that two never wait for each other."""
    async with AsyncExitStack() as stack:
        for store in sorted(set(stores)):
            await stack.enter_async_context(pace_of(runtime, store).at_once)
        yield


@asynccontextmanager
async def turn_of_size(runtime: Runtime, size_bytes: int) -> AsyncIterator[None]:
    """A turn for bytes of this size: few large ones at once, so that memory stays bounded."""
    if size_bytes <= LARGE_BYTES:
        yield
        return
    async with _large.setdefault(runtime.database, asyncio.Semaphore(LARGE_AT_ONCE)):
        yield


async def paced(runtime: Runtime, body: AsyncIterator[bytes], *stores: str) -> AsyncGenerator[bytes, None]:
    """The body, no faster than the slowest of these stores may be used."""
    paces = [pace for store in stores if (pace := pace_of(runtime, store)).bytes_per_second_max]
    async for piece in body:
        for pace in paces:
            await pace.pay(len(piece))
        yield piece
