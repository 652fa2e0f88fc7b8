"""One go of an upload: a request's body on its way into the store, and how it ends.

However it ends, what came is flushed and noted in the row: by the body's end, by a cut, by a long silence, by
a newer request that wants the turn, by a full store. Only bytes that a checksum does not fit are dropped.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

from reelkeep.errors import Conflict, ErrorCode, ReelkeepError, StoreError, WrongBytes
from reelkeep.logs import get_logger
from reelkeep.stores.protocol import COUNTED
from reelkeep.uploads.beginning import bytes_before
from reelkeep.uploads.grow import Grower, go_over_if_away
from reelkeep.uploads.limits import check_size
from reelkeep.uploads.writers import SWEEP_SOON, Stopped, Turn, busy

log = get_logger(__name__)

#: While bytes come, they are made safe so often.
FLUSH_SECONDS = 1.0
#: The same where the row must note it, which costs the store and the database a request each.
NOTED_FLUSH_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Checksum:
    """What a client promises of the bytes of one request."""

    algorithm: Literal["sha256", "sha1"]
    digest: bytes


@dataclass(frozen=True, slots=True)
class Arrival:
    """A request's body and what is said of it."""

    offset: int
    body: AsyncIterator[bytes]
    #: The whole length of the upload, where it is declared now.
    length: int | None = None
    #: The end of this body is the end of the upload.
    last: bool = False
    checksum: Checksum | None = None


async def append(turn: Turn, arrival: Arrival) -> int:
    """Append the body under the turn, and end the turn in the row; the offset that the upload then has."""
    async with await _opened(turn, arrival) as growing:
        if growing.offset != arrival.offset:
            raise wrong_offset(growing.offset, arrival.offset)
        go = _Go(turn, growing, arrival)
        problem = await go.take_all()
        safe = await go.last_flush(problem)
    await go.let_go(safe, problem)
    if problem is not None:
        raise busy() if isinstance(problem, Stopped) else problem
    return growing.offset


async def _opened(turn: Turn, arrival: Arrival) -> "Grower | _Whole":
    upload = turn.upload
    if arrival.offset == upload.size_bytes_declared:
        return _Whole(arrival.offset)
    await go_over_if_away(turn.runtime, upload, turn.save, arrival.offset)
    if arrival.checksum is not None:
        # Beyond this nothing counts, whatever the store holds, until the checksum was found right.
        counted = arrival.offset - bytes_before(upload)
        await turn.save(growth={**upload.growth, COUNTED: counted})
    return Grower(turn.runtime, upload, turn.save, proved=arrival.checksum is None)


class _Whole:
    """An upload that has all its bytes: they may be an object already, so nothing is opened to append."""

    def __init__(self, offset: int) -> None:
        self.offset = offset

    async def __aenter__(self) -> "_Whole":
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    async def write(self, data: bytes | memoryview) -> None:
        raise AssertionError(f"{len(data)} bytes beyond the length that was declared")

    async def flush(self) -> dict[str, Any]:
        return {}


class _Go:
    def __init__(self, turn: Turn, growing: Grower | _Whole, arrival: Arrival) -> None:
        self._turn, self._growing, self._arrival = turn, growing, arrival
        self._length = turn.upload.size_bytes_declared
        self._digest = hashlib.new(arrival.checksum.algorithm) if arrival.checksum else None
        #: The piece that makes the upload whole; it counts only when nothing more comes.
        self._last_piece = b""
        self._lock = asyncio.Lock()
        self._safe = growing.offset
        self._failed: BaseException | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._flushing: asyncio.Task[None] | None = None

    async def take_all(self) -> BaseException | None:
        """Take the body to its end, or to what ends it before."""
        self._set_timer(FLUSH_SECONDS)
        try:
            while (piece := await self._turn.next_piece(self._arrival.body)) is not None:
                if piece:
                    await self._take(piece)
            await self._write(self._last_piece)
            self._check_end()
        except Stopped as stopped:
            return self._failed or stopped
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - raised once what came is safe
            return error
        finally:
            await self._stop_timer()
        return None

    async def last_flush(self, problem: BaseException | None) -> dict[str, Any]:
        """Make safe what came; what is to be noted."""
        if problem is not None and self._digest is not None:
            return {}  # unproved
        try:
            if problem is not None and self._last_piece and not isinstance(problem, StoreError):
                await self._growing.write(self._last_piece)
            return await self._growing.flush()
        except StoreError as error:
            if problem is None:
                raise
            log.warning("what a broken-off request brought last was not kept", exc_info=error)
            return {}

    async def let_go(self, safe: dict[str, Any], problem: BaseException | None) -> None:
        """Note how far the upload is, and end the turn in the row."""
        turn, offset = self._turn, self._growing.offset
        values = self._changed(safe)
        length = self._length
        if self._arrival.last and problem is None and length is None:
            values["size_bytes_declared"] = length = offset
        now = turn.runtime.clock.now()
        lasts = timedelta(seconds=turn.runtime.settings.upload_resumable_expires_in_seconds)
        soon = now + SWEEP_SOON if offset == length else now + lasts
        try:
            await turn.save(writer_id=None, expires_at=now + lasts, sweep_after=soon, **values)
        except Stopped:
            if problem is None:
                raise busy() from None

    def _changed(self, values: dict[str, Any]) -> dict[str, Any]:
        """Those that the row does not say yet."""
        return {name: value for name, value in values.items() if value != getattr(self._turn.upload, name)}

    async def _take(self, piece: bytes) -> None:
        after = self._growing.offset + len(self._last_piece) + len(piece)
        limit = self._turn.upload.size_bytes_max if self._length is None else self._length
        if after > limit:
            self._last_piece = b""
            raise self._too_much(after, limit)
        if self._digest is not None:
            self._digest.update(piece)
        if after == self._length:
            self._last_piece = piece
        else:
            await self._write(piece)

    async def _write(self, piece: bytes) -> None:
        if self._failed is not None:
            raise self._failed
        if piece:
            async with self._lock:
                await self._growing.write(piece)

    def _check_end(self) -> None:
        checksum = self._arrival.checksum
        if checksum is not None and self._digest is not None and self._digest.digest() != checksum.digest:
            raise WrongBytes(
                f"The bytes do not have the {checksum.algorithm} that was sent with them; none were kept. "
                "Send them again.",
                check=checksum.algorithm,
                offset=self._arrival.offset,
            )
        if self._arrival.last and self._length not in (None, self._growing.offset):
            raise Conflict(
                f"The upload ended after {self._growing.offset:,} bytes and {self._length:,} were declared. "
                "What came is kept: go on from there, or begin a new upload.",
                ErrorCode.UPLOAD_SIZE_MISMATCH,
                offset=self._growing.offset,
                size_bytes_declared=self._length,
            )

    def _too_much(self, after: int, limit: int) -> ReelkeepError:
        if self._length is None:
            check_size(after, limit)
        return ReelkeepError(
            f"The upload was declared with {limit:,} bytes and more came. What came before is kept; send the "
            "file as it was declared, or begin a new upload.",
            ErrorCode.UPLOAD_TOO_LARGE,
            offset=self._growing.offset,
            size_bytes_declared=limit,
        )

    def _set_timer(self, seconds: float) -> None:
        if self._digest is None:  # else nothing counts before the end
            self._timer = asyncio.get_running_loop().call_later(seconds, self._on_timer)

    def _on_timer(self) -> None:
        if self._growing.offset > self._safe:
            self._flushing = asyncio.create_task(self._flush_in_time())
        else:
            self._set_timer(FLUSH_SECONDS)

    async def _flush_in_time(self) -> None:
        seconds = FLUSH_SECONDS
        try:
            async with self._lock:
                offset = self._growing.offset
                safe = self._changed(await self._growing.flush())
                if safe:  # before another byte: with it the upload may go over, and the row says so first
                    await self._turn.save(**safe)
                    seconds = NOTED_FLUSH_SECONDS
            self._safe = offset
        except (ReelkeepError, Stopped) as error:  # the go ends with it when it next takes bytes
            self._failed = error
            self._turn.stop()
        else:
            self._set_timer(seconds)

    async def _stop_timer(self) -> None:
        if self._flushing is not None and not self._flushing.done():
            await asyncio.wait([self._flushing])
        if self._timer is not None:
            self._timer.cancel()


def wrong_offset(offset: int, given: int) -> Conflict:
    """The refusal of bytes that do not begin where the last ones ended."""
    return Conflict(
        f"The upload has {offset:,} bytes and these begin at byte {given:,}; go on from byte {offset:,}.",
        ErrorCode.UPLOAD_OFFSET_MISMATCH,
        offset=offset,
    )
