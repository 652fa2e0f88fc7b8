"""Make one of an upload whose bytes lie in two stores: what went to the fallback follows the beginning.

    look whether the first store answers → take the lease → finish in the fallback store → append to the
    beginning, noting how far → the row names the first store alone → tidy up

Appending goes on as the upload itself would have, so nothing has to be read back from the first store. A
lease in the row lets one at a time do it; a client that asks how far its upload is does not end it. Whoever
dies leaves notes from which the next one goes on when the lease is over.
"""

import asyncio
import time
from contextlib import aclosing
from dataclasses import replace
from datetime import timedelta
from typing import Any

from sqlalchemy import CursorResult, Float, cast, func, update
from sqlalchemy.dialects.postgresql import JSONB

from reelkeep.clock import new_id
from reelkeep.errors import (
    ObjectNotFound,
    ReelkeepError,
    StoreError,
    StoreFull,
    StoreRefused,
    StoreUnavailable,
)
from reelkeep.logs import get_logger
from reelkeep.placement.choose import answers
from reelkeep.runtime import Runtime
from reelkeep.stores.guarded_calls import generator
from reelkeep.stores.protocol import Growing
from reelkeep.uploads.beginning import Beginning, growing_in, growing_store
from reelkeep.uploads.ending import SEALABLE
from reelkeep.uploads.models import ONE_GO, Upload
from reelkeep.uploads.ripen import require_whole

log = get_logger(__name__)

#: A joiner that has written nothing to the row for so long is taken for dead.
LEASE = timedelta(seconds=60)
#: It writes how far it is so often, or after so many bytes.
KEEP_SECONDS, KEEP_BYTES = 5.0, 64 * 1024**2
RETRY_SECONDS = 10


async def join(runtime: Runtime, upload: Upload) -> None:
    """Bring all bytes of the upload into the store that it began in; its row then names that one alone.

    Raises `UPLOAD_INCOMPLETE`, and `StoreUnavailable` while that store is away or another process is at it.
    """
    length = await require_whole(runtime, upload)
    beginning = Beginning.of(upload)
    assert beginning is not None
    if not await answers(runtime, beginning.store):
        raise _not_yet(upload, f"the store {beginning.store!r}, which has its first bytes, is away")
    work = _Join(runtime, upload, beginning, length)
    await work.take_lease()
    try:
        await work.carry()
    except BaseException as error:
        await asyncio.shield(work.give_back())
        if isinstance(error, StoreRefused | StoreFull | ObjectNotFound):
            raise _not_yet(upload, str(error)) from error
        raise
    await work.tidy()
    log.info(
        "an upload that lay in two stores is in one again", upload_id=str(upload.id), store=beginning.store
    )


class _Join:
    def __init__(self, runtime: Runtime, upload: Upload, beginning: Beginning, length: int) -> None:
        self._runtime, self._upload, self._length = runtime, upload, length
        self._beginning = replace(beginning, joiner=str(new_id()))
        self._kept_at, self._kept_bytes = time.monotonic(), 0

    async def take_lease(self) -> None:
        """Keep others away, and learn how far the last one came."""
        now = self._runtime.clock.now().timestamp()
        until = func.coalesce(cast(Upload.beginning["joins_until"].astext, Float), 0.0)
        mine = {"joiner": self._beginning.joiner, "joins_until": now + LEASE.total_seconds()}
        statement = (
            update(Upload)
            .where(*self._this(), Upload.beginning != {}, until < now)
            .values(beginning=Upload.beginning.op("||")(cast(mine, JSONB)))
            .returning(Upload.beginning)
            .execution_options(synchronize_session=False)
        )
        async with self._runtime.database.work(self._upload.organization_id) as session:
            taken: dict[str, Any] | None = await session.scalar(statement)
        if taken is None:
            raise _not_yet(self._upload, "another process is making it whole")
        self._beginning = Beginning(**taken)

    async def carry(self) -> None:
        """Append what is in the fallback store to the beginning, and say in the row that all is there."""
        upload, first = self._upload, self._beginning
        here = growing_store(self._runtime, upload)
        await here.finish_growth(upload.incoming_key, upload.growth, content_type=upload.content_type)
        there = growing_in(self._runtime, first.store)
        async with there.growing(
            upload.incoming_key, first.growth, content_type=upload.content_type
        ) as growing:
            self._kept_bytes = growing.offset
            await self._append(growing)
            notes = await growing.flush()
            if growing.offset != self._length:
                raise self._damaged(growing.offset)
        one_go = {ONE_GO: True} if ONE_GO in upload.growth else {}
        await self._save(store=first.store, growth={**notes, **one_go}, beginning={})

    async def give_back(self) -> None:
        """Let the next one begin at once, from what was kept."""
        try:
            await self._save(beginning=replace(self._beginning, joiner=None, joins_until=0.0).write())
        except ReelkeepError as error:
            log.info("a lease on an upload ends by itself", reason=error.message)

    async def tidy(self) -> None:
        """Remove what lay in the fallback store, or leave it to the sweep."""
        upload = self._upload
        try:
            await self._runtime.stores.get(upload.store).delete(upload.incoming_key)
        except StoreError as error:
            log.warning("bytes that were joined are left to the sweep", exc_info=error)

    async def _append(self, growing: Growing) -> None:
        upload = self._upload
        start = growing.offset - self._beginning.size_bytes
        if start < 0:
            raise self._damaged(growing.offset)
        store = self._runtime.stores.get(upload.store)
        async with aclosing(generator(store.read(upload.incoming_key, start))) as pieces:
            async for piece in pieces:
                await growing.write(piece)
                if self._is_to_be_kept(growing.offset):
                    await self._keep(growing)

    def _damaged(self, size_bytes: int) -> StoreUnavailable:
        """Nothing is thrown away for it: somebody has to look."""
        log.error(
            "an upload that lies in two stores cannot be made whole",
            upload_id=str(self._upload.id),
            stores=[self._beginning.store, self._upload.store],
            size_bytes=size_bytes,
            size_bytes_wanted=self._length,
        )
        return _not_yet(self._upload, "one of them has not what it took")

    def _is_to_be_kept(self, offset: int) -> bool:
        late = time.monotonic() - self._kept_at > KEEP_SECONDS
        return late or offset - self._kept_bytes > KEEP_BYTES

    async def _keep(self, growing: Growing) -> None:
        """Note how far it is, by which the lease is longer too."""
        until = (self._runtime.clock.now() + LEASE).timestamp()
        kept = replace(self._beginning, growth=await growing.flush(), joins_until=until)
        await self._save(beginning=kept.write())
        self._beginning = kept
        self._kept_at, self._kept_bytes = time.monotonic(), growing.offset

    async def _save(self, **values: Any) -> None:
        """Write to the row while the lease is held."""
        statement = (
            update(Upload)
            .where(*self._this(), Upload.beginning["joiner"].astext == self._beginning.joiner)
            .values(**values)
            .execution_options(synchronize_session=False)
        )
        async with self._runtime.database.work(self._upload.organization_id) as session:
            result = await session.execute(statement)
        if not isinstance(result, CursorResult) or result.rowcount != 1:
            raise _not_yet(self._upload, "another process has taken over making it whole")

    def _this(self) -> list[Any]:
        upload = self._upload
        return [
            Upload.organization_id == upload.organization_id,
            Upload.id == upload.id,
            Upload.state.in_(SEALABLE),
        ]


def _not_yet(upload: Upload, why: str) -> StoreUnavailable:
    return StoreUnavailable(
        f"All bytes are safe, but in two stores, and {why}; the upload is sealed later.",
        retry_after_seconds=RETRY_SECONDS,
        recording_id=str(upload.recording_id),
    )
