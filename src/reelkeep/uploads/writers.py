"""Who may write an upload: one request at a time, and the newest that asks.

A client whose connection broke comes again while its old request still hangs, here or in another server
process. The old one is told to stop, keeps what it has received, and lets go; then the newer one has its
turn. The row's `writer_id` is the fence: every write of a turn is guarded by it, so that a process which
does not hear and is taken for dead cannot spoil what comes after it.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any
from uuid import UUID
from weakref import WeakKeyDictionary

from sqlalchemy import CursorResult, select, update

from reelkeep.clock import new_id
from reelkeep.db.database import Database
from reelkeep.db.notices import Notices
from reelkeep.errors import Conflict, ErrorCode, NotFound, ReelkeepError
from reelkeep.logs import get_logger
from reelkeep.runtime import Runtime
from reelkeep.uploads.models import Upload, UploadState

log = get_logger(__name__)

CHANNEL = "reelkeep_uploads"
#: In which a process that has the turn says so; else it is taken for dead.
ANSWER_SECONDS = 1.5
#: In which a request that was told to stop has written what it received.
RELEASE_SECONDS = 5.0
BUSY_RETRY_SECONDS = 1
#: What a stopped request still takes is what its connection holds already.
STOPPED_WAIT_SECONDS = 0.02
STOPPED_SECONDS_MAX = 0.5
#: How soon after a request the sweep looks whether all bytes came and nobody sealed them.
SWEEP_SOON = timedelta(minutes=2)

RELEASE, HELD, RELEASED = "release", "held", "released"


class Stopped(Exception):
    """A newer request for the same upload wants the turn."""


class Turn:
    """One request's right to write one upload, until a newer request wants it."""

    def __init__(self, runtime: Runtime, organization_id: UUID, upload_id: UUID) -> None:
        self.runtime = runtime
        self.organization_id, self.upload_id = organization_id, upload_id
        self.writer_id = new_id()
        self.upload: Upload
        self.stopped = False
        #: Another process waits for it.
        self.wanted_elsewhere = False
        self.ended = asyncio.Event()
        self._waiting: asyncio.Timeout | None = None
        self._patience_ends = 0.0

    def stop(self) -> None:
        """Have `next_piece` raise `Stopped`: now if it waits, else when it has what came already."""
        if not self.stopped:
            self._patience_ends = asyncio.get_running_loop().time() + STOPPED_SECONDS_MAX
        self.stopped = True
        if self._waiting is not None and not self._waiting.expired():
            self._waiting.reschedule(asyncio.get_running_loop().time())

    async def next_piece(self, body: AsyncIterator[bytes]) -> bytes | None:
        """What comes next, None at the end; raises `Stopped`, and `UPLOAD_STALLED` after a long silence."""
        idle_seconds = self.runtime.settings.upload_idle_seconds
        wait_seconds = self._grace() if self.stopped else idle_seconds
        try:
            async with asyncio.timeout(wait_seconds) as self._waiting:
                return await anext(body, None)
        except TimeoutError as error:
            if self.stopped:
                raise Stopped from error
            raise ReelkeepError(
                f"No byte came for {idle_seconds} seconds, so the request was ended. What had come is kept: "
                "ask for the offset and go on from there.",
                ErrorCode.UPLOAD_STALLED,
            ) from error
        finally:
            self._waiting = None

    def _grace(self) -> float:
        """What a stopped request may still wait: what has arrived is there at once, all else comes again."""
        if asyncio.get_running_loop().time() > self._patience_ends:
            raise Stopped
        return STOPPED_WAIT_SECONDS

    async def save(self, **values: Any) -> None:
        """Write to the upload's row under the fence; raises `Stopped` when another has the turn now."""
        statement = (
            update(Upload)
            .where(
                Upload.organization_id == self.organization_id,
                Upload.id == self.upload_id,
                Upload.writer_id == self.writer_id,
                Upload.state == UploadState.OPEN,
            )
            .values(**values)
            .execution_options(synchronize_session=False)
        )
        async with self.runtime.database.work(self.organization_id) as session:
            result = await session.execute(statement)
        if not isinstance(result, CursorResult) or result.rowcount != 1:
            raise Stopped
        for name, value in values.items():
            setattr(self.upload, name, value)

    async def let_go(self) -> None:
        """End the turn in the row with nothing else changed."""
        with suppress(Stopped):
            await self.save(writer_id=None)


class _Asked:
    """A turn in another process that was asked for."""

    def __init__(self) -> None:
        self.held = asyncio.Event()
        self.released = asyncio.Event()


class Writers:
    """The turns of this process, and how those of other processes are asked for."""

    def __init__(self, database: Database) -> None:
        self._running: dict[UUID, Turn] = {}
        self._asked: dict[UUID, _Asked] = {}
        self._answering: set[asyncio.Task[None]] = set()
        self._notices = Notices(database, CHANNEL, self._hear)

    @asynccontextmanager
    async def turn(self, turn: Turn) -> AsyncIterator[None]:
        """Have the turn, with `turn.upload` as it is now; ends whoever has it.

        Raises `UPLOAD_NOT_FOUND`, `UPLOAD_BUSY`, and `NotOpen` for an upload that has ended.
        """
        self._notices.listen()
        older = self._running.get(turn.upload_id)
        self._running[turn.upload_id] = turn
        try:
            if older is not None:
                await self._stop_here(older)
            turn.upload = await self._claim(turn)
            yield
        finally:
            turn.ended.set()
            self._forget(turn, older)
            if turn.wanted_elsewhere:
                self._answer(RELEASED, turn)

    async def free(self, upload: Upload, runtime: Runtime) -> bool:
        """End the request that has the turn, if any; whether there was one. Raises `UPLOAD_BUSY`."""
        older = self._running.get(upload.id)
        if older is not None:
            await self._stop_here(older)
            return True
        if upload.writer_id is None:
            return False
        if not await self._ask(upload.id, upload.writer_id):
            raise busy()
        await _claim_row(runtime, upload.organization_id, upload.id, upload.writer_id, None)
        return True

    async def end_all(self) -> None:
        """End every turn of this process; what came is kept, and clients go on elsewhere or later."""
        turns = list(self._running.values())
        for turn in turns:
            turn.stop()
        with suppress(TimeoutError):
            async with asyncio.timeout(RELEASE_SECONDS):
                for turn in turns:
                    await turn.ended.wait()

    async def close(self) -> None:
        """End every turn, and stop listening to other processes."""
        await self.end_all()
        await self._notices.close()
        if self._answering:
            await asyncio.wait(list(self._answering))

    async def _claim(self, turn: Turn) -> Upload:
        ids = (turn.organization_id, turn.upload_id)
        present: UUID | None = None
        for _ in range(3):
            if turn.stopped:
                raise Stopped
            claimed = await _claim_row(turn.runtime, *ids, present, turn.writer_id)
            if claimed is not None:
                return claimed
            upload = await find_upload(turn.runtime, *ids)
            if upload.state != UploadState.OPEN:
                raise NotOpen(upload)
            if upload.writer_id is not None and not await self._ask(upload.id, upload.writer_id):
                break
            # Released, or its process is dead: then it is taken from under it.
            present = (await find_upload(turn.runtime, *ids)).writer_id
        raise busy()

    async def _stop_here(self, older: Turn) -> None:
        older.stop()
        try:
            async with asyncio.timeout(RELEASE_SECONDS):
                await older.ended.wait()
        except TimeoutError:
            raise busy() from None

    async def _ask(self, upload_id: UUID, writer_id: UUID) -> bool:
        """Ask other processes for a turn; whether it is free now, because it was released or has no owner."""
        asked = self._asked.setdefault(writer_id, _Asked())
        try:
            await self._notices.wait_until_ready()
            await self._notices.send(f"{RELEASE} {upload_id} {writer_id}")
            if not await _within(ANSWER_SECONDS, asked.held):
                return True
            return await _within(RELEASE_SECONDS, asked.released)
        finally:
            self._asked.pop(writer_id, None)

    def _hear(self, notice: str) -> None:
        word, upload_id, writer_id = notice.split(" ")
        if word == RELEASE:
            turn = self._running.get(UUID(upload_id))
            if turn is not None and str(turn.writer_id) == writer_id and not turn.ended.is_set():
                turn.wanted_elsewhere = True
                turn.stop()
                self._answer(HELD, turn)
        elif (asked := self._asked.get(UUID(writer_id))) is not None:
            asked.held.set()
            if word == RELEASED:
                asked.released.set()

    def _answer(self, word: str, turn: Turn) -> None:
        """Say it without waiting: whoever asked looks for itself in the end."""
        task = asyncio.create_task(self._send(f"{word} {turn.upload_id} {turn.writer_id}"))
        self._answering.add(task)
        task.add_done_callback(self._answering.discard)

    async def _send(self, notice: str) -> None:
        try:
            await self._notices.send(notice)
        except ReelkeepError as error:
            log.warning("a waiting process was not answered", exc_info=error)

    def _forget(self, turn: Turn, older: Turn | None) -> None:
        if self._running.get(turn.upload_id) is not turn:
            return
        if older is not None and not older.ended.is_set():
            self._running[turn.upload_id] = older  # it did not let go in time
        else:
            del self._running[turn.upload_id]


class NotOpen(Exception):
    """The upload has ended: sealed, refused or expired."""

    def __init__(self, upload: Upload) -> None:
        super().__init__(upload.state)
        self.upload = upload


_writers: WeakKeyDictionary[Database, Writers] = WeakKeyDictionary()


def writers_of(runtime: Runtime) -> Writers:
    """Those of this process."""
    found = _writers.get(runtime.database)
    if found is None:
        found = _writers[runtime.database] = Writers(runtime.database)
    return found


async def close_writers(database: Database) -> None:
    """Stop listening for this database; called before it is closed."""
    found = _writers.pop(database, None)
    if found is not None:
        await found.close()


async def find_upload(runtime: Runtime, organization_id: UUID, upload_id: UUID) -> Upload:
    """The row, or `UPLOAD_NOT_FOUND`."""
    query = select(Upload).where(Upload.organization_id == organization_id, Upload.id == upload_id)
    async with runtime.database.work(organization_id) as session:
        upload: Upload | None = await session.scalar(query)
    if upload is None:
        raise NotFound(
            "This upload is no longer known; begin a new upload.",
            ErrorCode.UPLOAD_NOT_FOUND,
            upload_id=str(upload_id),
        )
    return upload


def busy() -> ReelkeepError:
    """The refusal while another request has the upload."""
    return Conflict(
        "Another request is writing this upload and does not let go; try again in a moment.",
        ErrorCode.UPLOAD_BUSY,
        retry_after_seconds=BUSY_RETRY_SECONDS,
    )


async def _claim_row(
    runtime: Runtime, organization_id: UUID, upload_id: UUID, present: UUID | None, writer_id: UUID | None
) -> Upload | None:
    """Put another writer in the place of the present one, and move the expiry; None when it is not so."""
    now = runtime.clock.now()
    lasts = timedelta(seconds=runtime.settings.upload_resumable_expires_in_seconds)
    statement = (
        update(Upload)
        .where(
            Upload.organization_id == organization_id,
            Upload.id == upload_id,
            Upload.state == UploadState.OPEN,
            Upload.writer_id.is_not_distinct_from(present),
        )
        .values(writer_id=writer_id, expires_at=now + lasts, sweep_after=now + SWEEP_SOON)
        .returning(Upload)
        .execution_options(synchronize_session=False)
    )
    async with runtime.database.work(organization_id) as session:
        claimed: Upload | None = await session.scalar(statement)
    return claimed


async def _within(seconds: float, event: asyncio.Event) -> bool:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
    return event.is_set()
