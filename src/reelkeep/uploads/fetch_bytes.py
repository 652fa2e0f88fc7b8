"""The bytes of a fetch into the store: from the first, or from where the last worker or connection ended."""

import time
from dataclasses import replace
from pathlib import PurePosixPath

from reelkeep.errors import ErrorCode, Invalid, StoreRefused
from reelkeep.logs import get_logger
from reelkeep.stores.protocol import Growing, Grows, Store
from reelkeep.uploads.fetch_answer import Answer, is_hopeless, name_in_path, not_media
from reelkeep.uploads.fetch_guard import Resolve, Target
from reelkeep.uploads.fetch_http import BrokeOff, Limits, Opened, failed, open_target
from reelkeep.uploads.fetch_run import FetchRun, Notes
from reelkeep.uploads.limits import COMPRESS_OR_PARTS, check_size

log = get_logger(__name__)

#: So much, or for so long, may have to be fetched again after a worker was killed.
KEEP_BYTES = 8 * 1024**2
KEEP_SECONDS = 5.0


def growing_store(store: Store) -> Grows:
    """The store as one whose objects grow; `STORE_REFUSED` for one that cannot."""
    if not isinstance(store, Grows):
        raise StoreRefused(
            f"The store {store.name!r} cannot take a file in several goes; use another store.",
            store=store.name,
        )
    return store


async def fetch_bytes(run: FetchRun, target: Target, limits: Limits, resolve: Resolve) -> None:
    """Fetch what is missing, by one request. Raises `BrokeOff` when a next one may go on."""
    store = run.store
    safe = await store.grown(run.key, run.growth) if run.notes.validator else 0
    if safe:
        # The store may have more, or after a fault less, than was noted: what it has is the beginning.
        run.notes = replace(run.notes, offset=safe)
    else:
        await begin_anew(run)
    notes = run.notes
    if notes.total is not None and notes.offset == notes.total:
        return
    async with open_target(
        target, limits, start=notes.offset, if_range=notes.validator, resolve=resolve
    ) as opened:
        if await _goes_on(run, opened):
            await _take(run, opened)


async def begin_anew(run: FetchRun) -> None:
    """Throw away what has come: it cannot be gone on with."""
    if run.notes.offset or run.growth:
        await run.store.discard_growth(run.key, run.growth)
    if run.notes != run.notes.fresh() or run.growth:
        await run.keep(run.notes.fresh(), {})


async def _goes_on(run: FetchRun, opened: Opened) -> bool:
    """Whether there is a body to take; what came before is kept only where this answer continues it."""
    answer, notes = opened.answer, run.notes
    if answer.status == 416:
        await _unless_whole(run, answer)
        return False
    if answer.status == 206:
        found = answer.range
        same = answer.validator in (None, notes.validator)
        if not notes.offset or found is None:
            raise failed(f"{opened.target.host} gives a part of the file where the whole was asked for.")
        if found[0] == notes.offset and same and (found[1] is None or notes.total in (None, found[1])):
            await run.keep(replace(notes, total=found[1] or notes.total))
            return True
        await begin_anew(run)
        raise BrokeOff(f"{opened.target.host} goes on with another file than it began with.")
    await begin_anew(run)
    check_size(answer.length, run.upload.size_bytes_max)
    if not notes.has_type and is_hopeless(answer.content_type):
        raise not_media(answer.content_type)
    learnt = replace(
        run.notes, total=answer.length, validator=answer.validator, told_type=answer.content_type
    )
    await run.keep(replace(learnt, name=learnt.name if notes.has_name else _name(opened, notes)))
    return True


def _name(opened: Opened, notes: Notes) -> str:
    """What the server calls the file; else the end of its address, once redirects have led to a full one."""
    at_the_end = name_in_path(opened.target.url.raw_path) or ""
    if not PurePosixPath(notes.name).suffix and PurePosixPath(at_the_end).suffix:
        return opened.answer.filename or at_the_end
    return opened.answer.filename or notes.name


async def _unless_whole(run: FetchRun, answer: Answer) -> None:
    """Nothing is left to ask for: right when all has come, else what came was of another file."""
    size = answer.headers.get("content-range", "").strip().lower().removeprefix("bytes */")
    if run.notes.offset and size == str(run.notes.offset):
        await run.keep(replace(run.notes, total=run.notes.offset))
        return
    await begin_anew(run)
    raise BrokeOff("The file at the address became another one while it was fetched.")


async def _take(run: FetchRun, opened: Opened) -> None:
    async with run.store.growing(run.key, run.growth) as growing:
        if growing.offset != run.notes.offset:  # a worker that was taken for dead has gone on meanwhile
            raise BrokeOff("Another worker wrote to this fetch at the same time.")
        try:
            await _copy(run, opened, growing)
        finally:
            # What has come stays, whatever ended it; after a kill only what was kept on the way does.
            await _keep(run, growing)
    total = run.notes.total
    if total is not None and run.notes.offset != total:
        raise BrokeOff(f"{opened.target.host} ended after {run.notes.offset:,} of {total:,} bytes.")
    await run.keep(replace(run.notes, total=run.notes.offset))


async def _copy(run: FetchRun, opened: Opened, growing: Growing) -> None:
    kept_at = time.monotonic()
    async for piece in opened.body:
        if growing.offset + len(piece) > run.upload.size_bytes_max:
            raise _too_large(run)
        await growing.write(piece)
        now = time.monotonic()
        if growing.offset - run.notes.offset >= KEEP_BYTES or now - kept_at >= KEEP_SECONDS:
            await _keep(run, growing)
            kept_at = now


async def _keep(run: FetchRun, growing: Growing) -> None:
    if growing.offset == run.notes.offset:
        return
    growth = await growing.flush()
    await run.keep(replace(run.notes, offset=growing.offset, seconds=run.seconds_spent()), growth)


def _too_large(run: FetchRun) -> Invalid:
    limit = run.upload.size_bytes_max
    return Invalid(
        f"The file at the address has more than {limit:,} bytes, the limit; {COMPRESS_OR_PARTS}.",
        ErrorCode.UPLOAD_TOO_LARGE,
        size_bytes_max=limit,
    )
