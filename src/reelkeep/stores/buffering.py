"""Memory between a client and a store: little for a client that trickles, enough for one that is fast.

One `BufferBudget` is shared by every upload of a process (`settings.upload_buffers_bytes_max`), and each
upload has a `WriteBuffer`:

    async with WriteBuffer(budget, write) as buffer:   # write: async, takes the pieces in order
        async for chunk in body:
            await buffer.add(chunk)     # waits while the store is slower than the client
        await buffer.flush()            # on return `write` has had every byte

A buffer is full at 16 KiB. As long as it fills quickly it grows, up to 1 MiB where the budget has room, so
that a fast client costs few calls of `write`; when it fills slowly it shrinks again. What it holds is
written after a second at the latest, also while nothing more comes. Pieces are handed on as they came
(`os.writev` takes them so); only small ones are joined.

Where a store can write without waiting it gives `write_now` besides: then nothing needs to be collected.
"""

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType

from reelkeep.errors import StoreUnavailable

#: What a buffer may always hold.
ROOM_BYTES_MIN = 16 * 1024
#: What it may hold at most: each write costs a way to a thread and back; larger ones gain nothing.
ROOM_BYTES_MAX = 1024 * 1024
#: Bytes do not stay in memory for longer.
HELD_SECONDS_MAX = 1.0
#: A buffer that fills sooner doubles, and one that needs longer is as small again as at first.
QUICK_SECONDS, SLOW_SECONDS = 0.04, 0.25
#: Smaller pieces are copied together, and larger ones kept as they came.
SMALL_PIECE_BYTES = 4 * 1024
#: A view of fewer bytes is copied, so that it does not keep the whole chunk it looks into.
SMALL_VIEW_BYTES = 64 * 1024

Piece = bytes | bytearray | memoryview
#: Writes pieces in order, all of them, before it returns. Never called again before it has returned.
Write = Callable[[list[Piece]], Awaitable[None]]
#: Writes pieces in order, all of them, at once; or says that it would have to wait, and writes none.
WriteNow = Callable[[list[Piece]], bool]


class BufferBudget:
    """The memory that all buffers of one process share. For one event loop: nothing here is locked."""

    def __init__(self, bytes_max: int = 32 * 1024 * 1024) -> None:
        self.bytes_max = bytes_max
        #: What buffers may hold now; over `bytes_max` only when there are very many of the smallest.
        self.taken_bytes = 0

    def take(self, size_bytes: int, *, always: bool = False) -> bool:
        """Set memory aside; says whether there was room, or takes it all the same with `always`."""
        if not always and self.taken_bytes + size_bytes > self.bytes_max:
            return False
        self.taken_bytes += size_bytes
        return True

    def give_back(self, size_bytes: int) -> None:
        """Return what was taken."""
        self.taken_bytes -= size_bytes


class WriteBuffer:
    """Bytes of one upload on their way to `write`. One task adds and flushes.

    The first error of `write` is raised by the `add` or `flush` that comes next, and by each after it.
    Leaving the block, also by an error or cancellation, waits for a `write` that is running and drops what
    has not been flushed.
    """

    __slots__ = (
        "_budget",
        "_failed",
        "_held",
        "_pieces",
        "_room",
        "_since",
        "_timer",
        "_write",
        "_write_now",
        "_writing",
    )

    def __init__(self, budget: BufferBudget, write: Write, write_now: WriteNow | None = None) -> None:
        self._budget, self._write, self._write_now = budget, write, write_now
        self._pieces: list[Piece] = []
        self._held = 0
        self._room = 0
        self._since = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._writing: asyncio.Task[None] | None = None
        self._failed: Exception | None = None

    async def __aenter__(self) -> "WriteBuffer":
        """Take the smallest share of the budget."""
        self._budget.take(ROOM_BYTES_MIN, always=True)
        self._room = ROOM_BYTES_MIN
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Wait for a write that is running, drop the rest, and give the memory back."""
        self._stop_timer()
        self._drop()
        try:
            # Not cancelled with us: afterwards the owner closes what it writes to.
            while self._writing is not None and not self._writing.done():
                await asyncio.wait([self._writing])
        finally:
            self._budget.give_back(self._room)
            self._room = 0

    async def add(self, data: bytes | memoryview) -> None:
        """Take bytes; returns when at most a buffer's worth of them is still in memory."""
        self._raise_failure()
        if not data:
            return
        loop = asyncio.get_running_loop()
        if not self._held:
            self._since = loop.time()
        self._hold(data)
        if self._held >= ROOM_BYTES_MIN and self._wrote_now():
            return
        if self._held >= self._room:
            self._settle_room(loop.time() - self._since)
            await self.flush()
        elif self._timer is None:
            self._timer = loop.call_later(HELD_SECONDS_MAX, self._write_in_time)

    async def flush(self) -> None:
        """Have everything taken so far written before this returns."""
        self._stop_timer()
        while self._writing is not None or self._held:
            self._raise_failure()
            if not self._wrote_now():
                await asyncio.shield(self._begin_writing())
        self._raise_failure()

    def _hold(self, data: bytes | memoryview) -> None:
        self._held += len(data)
        if len(data) >= (SMALL_VIEW_BYTES if isinstance(data, memoryview) else SMALL_PIECE_BYTES):
            self._pieces.append(data)
            return
        last = self._pieces[-1] if self._pieces else None
        if isinstance(last, bytearray):
            last += data
        else:
            self._pieces.append(bytearray(data))

    def _settle_room(self, filled_in_seconds: float) -> None:
        if filled_in_seconds < QUICK_SECONDS:
            more = min(self._room, ROOM_BYTES_MAX - self._room)
            if more and self._budget.take(more):
                self._room += more
        elif filled_in_seconds > SLOW_SECONDS:
            self._shrink()

    def _shrink(self) -> None:
        self._budget.give_back(self._room - ROOM_BYTES_MIN)
        self._room = ROOM_BYTES_MIN

    def _wrote_now(self) -> bool:
        """Whether everything held could be written without waiting."""
        if self._write_now is None or self._writing is not None:
            return False
        try:
            done = self._write_now(self._pieces)
        except Exception as error:
            self._failed = error
            raise
        if done:
            self._stop_timer()
            self._drop()
        return done

    def _begin_writing(self) -> asyncio.Task[None]:
        """The write that is running, or one of everything held."""
        if self._writing is None:
            pieces = self._pieces
            self._drop()
            self._writing = asyncio.create_task(self._do_write(pieces))
        return self._writing

    async def _do_write(self, pieces: list[Piece]) -> None:
        try:
            await self._write(pieces)
        except asyncio.CancelledError:
            self._failed = StoreUnavailable("A write was given up in its midst; send the bytes again.")
            raise
        except Exception as error:  # noqa: BLE001 - kept, and raised to whoever adds or flushes next
            self._failed = error
        finally:
            self._writing = None

    def _write_in_time(self) -> None:
        """A second has passed: write what there is, and let a client that is so slow have less memory."""
        self._timer = None
        if self._writing is not None:
            self._timer = asyncio.get_running_loop().call_later(HELD_SECONDS_MAX, self._write_in_time)
        elif self._held:
            self._shrink()
            self._begin_writing()

    def _raise_failure(self) -> None:
        if self._failed is not None:
            raise self._failed

    def _drop(self) -> None:
        self._pieces, self._held = [], 0

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def joined(pieces: list[Piece]) -> bytes:
    """Pieces as one, for a `write` that needs them so."""
    return bytes(pieces[0]) if len(pieces) == 1 else b"".join(pieces)
