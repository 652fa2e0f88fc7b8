"""Bytes being appended to an object on S3 by this process: a buffer, a scratch file, parts and a tail."""

import asyncio
import hashlib
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from functools import partial
from types import TracebackType

from reelkeep.errors import StoreError
from reelkeep.logs import get_logger
from reelkeep.stores.buffering import BufferBudget, Piece, WriteBuffer
from reelkeep.stores.local_files import in_thread
from reelkeep.stores.patience import Patience
from reelkeep.stores.protocol import GrowthNotes, Salvaged
from reelkeep.stores.s3_notes import S3Notes, part_bytes
from reelkeep.stores.s3_parts import S3Parts
from reelkeep.stores.s3_requests import S3Requests
from reelkeep.stores.s3_spool import Scratch, Spool
from reelkeep.stores.s3_tails import S3Tails

#: More tails than these are made one, so that notes stay short and a part is gathered quickly.
TAILS_MAX = 16
#: Full parts that may wait on scratch while one is sent.
_WAITING_MAX = 1

logger = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class GrowthTools:
    """What growing needs of its store."""

    requests: S3Requests
    parts: S3Parts
    tails: S3Tails
    scratch: Scratch
    buffers: BufferBudget
    patience: Patience


class S3Growing:
    """A `Growing` on S3, by one task; `async with` frees what it holds.

    `_notes` changes only after the service has confirmed, and without a wait in between, so that a
    cancelled or failed step may be taken again: what it wrote is written over, or swept away later.
    """

    def __init__(self, tools: GrowthTools, key: str, notes: S3Notes, content_type: str | None) -> None:
        self._tools, self._key, self._content_type = tools, key, content_type
        self._notes = notes
        self._saved_parts_bytes = notes.parts_bytes
        self._opened_at = notes.size_bytes
        self._digest = hashlib.sha256() if self._opened_at == 0 else None
        self._buffer = WriteBuffer(tools.buffers, self._spill)
        #: Parts that the service does not have, in order; all but the last are full.
        self._spools: deque[Spool] = deque()
        self._sending: asyncio.Task[None] | None = None
        self.offset = notes.size_bytes
        if notes.tails:
            self._spools.append(self._new_spool(missing_bytes=notes.tails_bytes))

    async def __aenter__(self) -> "S3Growing":
        """Take a share of the memory for buffers."""
        await self._buffer.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Drop what was not flushed."""
        try:
            await self._buffer.__aexit__(kind, error, trace)
        finally:
            if self._sending is not None:
                self._sending.cancel()
                await asyncio.gather(self._sending, return_exceptions=True)
            for spool in self._spools:
                spool.close()

    async def write(self, data: bytes | memoryview) -> None:
        """Append bytes; full parts are sent while further bytes come."""
        self.offset += len(data)
        await self._buffer.add(data)
        await self._send_full_parts(_WAITING_MAX)

    async def flush(self) -> GrowthNotes:
        """Bring all bytes taken so far to the service, the rest that fills no part as a tail."""
        await self._buffer.flush()
        await self._send_full_parts(0)
        if self._spools and self._spools[0].size_bytes > self._notes.tails_bytes:
            await self._put_tail(self._spools[0])
        if self._digest is not None:
            self._notes.sha256 = self._digest.hexdigest()
        elif self._notes.size_bytes > self._opened_at:
            self._notes.sha256 = None
        return self._notes.write()

    async def salvage(self) -> Salvaged:
        """What lies in parts, and in tails that are not on scratch; the rest is on scratch."""
        if self._sending is not None:
            self._sending.cancel()
            await asyncio.gather(self._sending, return_exceptions=True)
            self._sending = None
        await self._buffer.flush()
        notes = replace(self._notes, sha256=None)
        if self._spools and not self._spools[0].missing_bytes:
            notes.tails = []
        kept = notes.write() if notes.size_bytes else {}
        return Salvaged(kept, notes.size_bytes, self._on_scratch(notes.tails_bytes))

    async def _on_scratch(self, start: int) -> AsyncIterator[bytes]:
        for spool in self._spools:
            async for piece in spool.pieces(start, spool.size_bytes):
                yield piece
            start = 0

    async def _spill(self, pieces: list[Piece]) -> None:
        """From memory to scratch; the buffer calls it from one task at a time."""
        left = [memoryview(piece) for piece in pieces]
        while left:
            if not self._spools or self._spools[-1].full:
                self._spools.append(self._new_spool())
            spool = self._spools[-1]
            fitting, left = _cut(left, spool.size_bytes_max - spool.size_bytes)
            await in_thread(
                self._tools.scratch.pool, self._tools.scratch.folder, self._append, spool, fitting
            )

    def _append(self, spool: Spool, pieces: list[memoryview]) -> None:
        spool.append(pieces)
        if self._digest is not None:
            for piece in pieces:
                self._digest.update(piece)

    def _new_spool(self, *, missing_bytes: int = 0) -> Spool:
        number = len(self._notes.parts) + len(self._spools) + 1
        return Spool(self._tools.scratch, part_bytes(number), missing_bytes=missing_bytes)

    async def _send_full_parts(self, waiting_max: int) -> None:
        """Send full parts one after another, and wait until at most so many are left."""
        while self._sending is not None or (self._spools and self._spools[0].full):
            if self._sending is None:
                self._sending = asyncio.create_task(self._put_part(self._spools[0]))
            left = sum(spool.full for spool in self._spools)
            if left <= waiting_max and not self._sending.done():
                return
            sending = self._sending
            await asyncio.wait([sending])
            self._sending = None
            sending.result()

    async def _put_part(self, spool: Spool) -> None:
        tools, notes = self._tools, self._notes
        if notes.upload_id is None:
            marks = tools.tails.marks(notes.growth_id)
            create = partial(tools.parts.create, self._key, self._content_type, marks)
            notes.upload_id = await tools.patience.repeat("begin of parts", create)
        await tools.tails.bring(spool, notes.tails)
        body = await spool.body(0, spool.size_bytes)
        number = len(notes.parts) + 1
        put = partial(tools.parts.put, self._key, notes.upload_id, number, body)
        facts = await tools.patience.repeat("part", put)
        notes.parts.append((facts.size_bytes, facts.etag))
        notes.tails.clear()
        self._spools.popleft().close()
        await self._sweep_tails()

    async def _put_tail(self, spool: Spool) -> None:
        notes = self._notes
        start = notes.tails_bytes
        if len(notes.tails) >= TAILS_MAX:
            await self._tools.tails.bring(spool, notes.tails)
            start = 0
        tail = notes.new_tail_key(self._key, notes.parts_bytes + start)
        body = await spool.body(start, spool.size_bytes)
        put = partial(self._tools.tails.put, tail, body)
        await self._tools.patience.repeat("tail", put)
        notes.tails = [*(notes.tails if start else ()), (tail, body.size_bytes)]

    async def _sweep_tails(self) -> None:
        """Remove tails whose bytes lie in parts that the caller had noted when this began."""
        if self._saved_parts_bytes <= self._notes.swept_bytes:
            return
        try:
            await self._tools.tails.remove(self._key, before=self._saved_parts_bytes)
        except StoreError as error:
            logger.warning("tails of an upload are left for its end to remove", key=self._key, exc_info=error)
        else:
            self._notes.swept_bytes = self._saved_parts_bytes


def _cut(pieces: list[memoryview], size_bytes: int) -> tuple[list[memoryview], list[memoryview]]:
    """Pieces of so many bytes, and the rest."""
    fitting: list[memoryview] = []
    for at, piece in enumerate(pieces):
        if len(piece) > size_bytes:
            return [*fitting, piece[:size_bytes]], [piece[size_bytes:], *pieces[at + 1 :]]
        fitting.append(piece)
        size_bytes -= len(piece)
    return fitting, []
