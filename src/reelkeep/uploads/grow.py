"""Bytes of an upload on their way into its store, or into the fallback store once that has failed.

    the store fails → what it has is noted as the upload's beginning, the fallback as its store → what this
    process still has is written there → the upload goes on there

The row goes first. So whoever writes into the fallback store has proved by its fence that the upload is its
own, and of two that do, the store's lock or the fence stops one, as anywhere else. Dying between two of these
steps leaves a row that says what is safe, and where.
"""

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any

from reelkeep.errors import StoreError, StoreFull, StoreRefused, StoreUnavailable
from reelkeep.logs import get_logger
from reelkeep.placement.choose import fallback_for, takes_nothing
from reelkeep.runtime import Runtime
from reelkeep.stores.protocol import COUNTED, UNHASHED, Growing, Grows, GrowthNotes, Salvaged
from reelkeep.uploads.beginning import Beginning, bytes_before, growing_store
from reelkeep.uploads.models import DIGEST_WANTED, Upload

log = get_logger(__name__)

#: Writes values to the upload's row under its caller's fence, and to the upload at hand.
Save = Callable[..., Awaitable[None]]
#: The store is down, refuses, or has no room.
AWAY = (StoreUnavailable, StoreRefused, StoreFull)


class Grower:
    """A `Growing` of a whole upload: its offset counts the bytes of both stores.

    What is not `proved` counts only once the caller has written down what `flush` gave.
    """

    def __init__(self, runtime: Runtime, upload: Upload, save: Save, *, proved: bool) -> None:
        self._runtime, self._upload, self._save, self._proved = runtime, upload, save, proved
        self._stack = AsyncExitStack()
        self._growing: Growing
        self._before = bytes_before(upload)
        self._start = 0
        #: What the row is to be told besides the notes, when these bytes count.
        self._told: dict[str, Any] = {}
        self._failed: BaseException | None = None

    async def __aenter__(self) -> "Grower":
        """Go on after what counts."""
        await self._open(self._upload.growth)
        self._start = self._growing.offset
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Drop what was not flushed."""
        await self._stack.__aexit__(kind, error, trace)

    @property
    def offset(self) -> int:
        """Bytes taken so far."""
        return self._before + self._growing.offset

    async def write(self, data: bytes | memoryview) -> None:
        """Append bytes, where they can be had now."""
        self._raise_failure()
        try:
            await self._growing.write(data)
        except AWAY as error:
            await self._go_over(error)

    async def flush(self) -> dict[str, Any]:
        """Make safe what was taken; what the row is to say for it to count."""
        self._raise_failure()
        try:
            notes = await self._growing.flush()
        except AWAY as error:
            await self._go_over(error)
            notes = await self._growing.flush()
        return {"growth": notes, **self._told}

    async def _open(self, growth: GrowthNotes) -> None:
        upload = self._upload
        notes = growth if DIGEST_WANTED in growth else {**growth, UNHASHED: True}
        growing = growing_store(self._runtime, upload).growing(
            upload.incoming_key, notes, content_type=upload.content_type
        )
        self._growing = await self._stack.enter_async_context(growing)

    async def _go_over(self, error: StoreError) -> None:
        """Go on in the fallback store; raises the error where there is none, or nothing to go on with."""
        fallback = await _fallback(self._runtime, self._upload)
        salvaged = None if fallback is None else await self._growing.salvage()
        if fallback is None or salvaged is None:
            raise error
        reached, store = self.offset, self._upload.store
        left, self._stack = self._stack, AsyncExitStack()
        try:
            await self._note(fallback, salvaged)
            await self._take_along(salvaged, reached, error)
        except BaseException as failure:
            self._failed = failure
            raise
        finally:
            await left.aclose()
        log.warning(
            "an upload goes on elsewhere", left=store, store=fallback, offset=reached, error=str(error)
        )

    async def _note(self, fallback: str, salvaged: Salvaged) -> None:
        """Say in the row what is safe, and that the rest goes to the fallback store from now on."""
        upload = self._upload
        left = _left(upload, salvaged.size_bytes, salvaged.notes)
        if self._proved:
            await _note(self._save, upload, fallback, left)
        else:
            await _note(self._save, upload, fallback, _left(upload, self._start, upload.growth), {COUNTED: 0})
            self._told = {"beginning": left}
        self._before = salvaged.size_bytes

    async def _take_along(self, salvaged: Salvaged, reached: int, error: StoreError) -> None:
        # Not by the notes of the row: nothing is there, unless another has gone on with the upload meanwhile.
        await self._open(_digest_wanted(self._upload, salvaged.size_bytes))
        if self._growing.offset:
            raise error
        async for piece in salvaged.rest:
            await self._growing.write(piece)
        if self.offset != reached:
            raise error

    def _raise_failure(self) -> None:
        if self._failed is not None:
            raise self._failed


async def go_over_if_away(runtime: Runtime, upload: Upload, save: Save, offset: int) -> None:
    """Have the upload, of which so much is safe, go on in the fallback when its store takes nothing now."""
    if runtime.stores.fallback_name in (None, upload.store) or not await takes_nothing(runtime, upload.store):
        return
    fallback = await _fallback(runtime, upload)
    if fallback is not None:
        await _note(save, upload, fallback, _left(upload, offset, upload.growth))


async def _fallback(runtime: Runtime, upload: Upload) -> str | None:
    """Where the upload can go on; an upload goes over once."""
    if upload.beginning:
        return None
    fallback = await fallback_for(runtime, upload.store)
    return fallback if fallback and isinstance(runtime.stores.get(fallback), Grows) else None


def _left(upload: Upload, size_bytes: int, growth: GrowthNotes) -> dict[str, Any]:
    return Beginning(upload.store, size_bytes, growth).write() if size_bytes else {}


async def _note(
    save: Save, upload: Upload, fallback: str, left: dict[str, Any], growth: GrowthNotes | None = None
) -> None:
    wanted = _digest_wanted(upload, bool(left))
    await save(store=fallback, beginning=left, growth={**wanted, **(growth or {})})


def _digest_wanted(upload: Upload, bytes_left: int) -> GrowthNotes:
    """The note that says so, where the fallback store will see the upload from its first byte on."""
    return {DIGEST_WANTED: True} if DIGEST_WANTED in upload.growth and not bytes_left else {}
