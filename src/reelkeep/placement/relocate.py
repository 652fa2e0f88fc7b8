"""Leave a store: what lies there moves to another one, while reads and uploads go on.

A move is a row that placement heeds: whatever rules put into the source belongs in the target. It stays in
force when it is done, so that what comes late, by an open ticket, follows.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, func, select, update

from reelkeep.blobs.models import Copy, CopyState
from reelkeep.clock import new_id
from reelkeep.errors import Conflict, ErrorCode, Invalid, NotFound
from reelkeep.placement.load import forget_known, in_force
from reelkeep.placement.models import PlacementPass, Relocation, RelocationState
from reelkeep.placement.queue import enqueue_moves
from reelkeep.runtime import Runtime


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a move is."""

    source: str
    target: str | None
    state: RelocationState
    copies_total: int
    bytes_total: int
    #: Still to be moved; those that only outlive links that were given out are not counted.
    copies_left: int
    bytes_left: int
    #: Moved, and removed from the source once the links to them have ended.
    copies_ending: int
    bytes_per_second: float | None
    seconds_left: float | None
    began_at: datetime
    ended_at: datetime | None


async def begin_relocation(runtime: Runtime, source: str, target: str | None) -> Progress:
    """Begin to leave `source` for `target`, or, without one, for what the rules want besides.

    A move the other way is given up for it. Raises `STORE_UNKNOWN` and `RELOCATION_INVALID`.
    """
    await check_move(runtime, source, target)
    copies, size_bytes = (await _left(runtime, source))[:2]
    now = runtime.clock.now()
    async with runtime.database.directory() as session:
        # Whoever leads back to where this one comes from would send bytes in circles.
        back = delete(Relocation).where(Relocation.source == target) if target else None
        if back is not None:
            await session.execute(back)
        await session.execute(delete(Relocation).where(Relocation.source == source))
        await session.execute(delete(PlacementPass).where(PlacementPass.name == f"move:{source}"))
        row = Relocation(id=new_id(), source=source, target=target, state=RelocationState.RUNNING)
        row.copies_total, row.bytes_total, row.began_at = copies, size_bytes, now
        session.add(row)
        await enqueue_moves(session)
    forget_known(runtime)
    return await progress_of(runtime, source)


async def check_move(runtime: Runtime, source: str, target: str | None) -> None:
    """Whether such a move can be; raises `STORE_UNKNOWN` and `RELOCATION_INVALID`."""
    runtime.stores.get(source)
    if target is not None:
        runtime.stores.get(target)
    if source == target:
        raise Invalid("Source and target are the same store.", ErrorCode.RELOCATION_INVALID, store=source)
    await _check_somewhere_to_go(runtime, source, target)


async def _check_somewhere_to_go(runtime: Runtime, source: str, target: str | None) -> None:
    if target is not None:
        return
    known = await in_force(runtime, fresh=True)
    every = [rules for rules in (known.everybody, *known.of_organization.values()) if rules is not None]
    alone = any(
        all(place.store == source for place in places)
        for rules in every
        for steps in rules.by_kind.values()
        for _, places in steps
        if places
    )
    if not every or alone:
        raise Invalid(
            f"The rules want something only in {source!r}: name a store that takes its place, or write rules "
            "that want it elsewhere too.",
            ErrorCode.RELOCATION_INVALID,
            store=source,
        )


async def pause_relocation(runtime: Runtime, source: str, *, paused: bool) -> Progress:
    """Stop moving, or go on; what has been asked for already is still done."""
    states = (RelocationState.RUNNING, RelocationState.PAUSED)
    to = RelocationState.PAUSED if paused else RelocationState.RUNNING
    async with runtime.database.directory() as session:
        found = await session.scalar(
            update(Relocation)
            .where(Relocation.source == source, Relocation.state.in_(states))
            .values(state=to)
            .returning(Relocation.id)
        )
        if found is not None and not paused:
            await enqueue_moves(session)
    if found is None:
        raise Conflict(f"No move out of {source!r} is under way.", ErrorCode.RELOCATION_INVALID, store=source)
    forget_known(runtime)
    return await progress_of(runtime, source)


async def end_relocation(runtime: Runtime, source: str) -> None:
    """Forget a move; copies stay where they are now, and the source is used again as rules say."""
    async with runtime.database.directory() as session:
        gone = delete(Relocation).where(Relocation.source == source).returning(Relocation.id)
        found = await session.scalar(gone)
        await session.execute(delete(PlacementPass).where(PlacementPass.name == f"move:{source}"))
    if found is None:
        raise _none(source)
    forget_known(runtime)


async def progress_of(runtime: Runtime, source: str) -> Progress:
    """How far the move out of a store is; raises `RELOCATION_INVALID` when there is none."""
    async with runtime.database.directory() as session:
        row = await session.scalar(select(Relocation).where(Relocation.source == source))
    if row is None:
        raise _none(source)
    copies_left, bytes_left, ending = await _left(runtime, source)
    until = row.ended_at or runtime.clock.now()
    took = max((until - row.began_at) / timedelta(seconds=1), 0.001)
    moved = max(row.bytes_total - bytes_left, 0)
    rate = moved / took if moved else None
    return Progress(
        source=source,
        target=row.target,
        state=RelocationState(row.state),
        copies_total=row.copies_total,
        bytes_total=row.bytes_total,
        copies_left=copies_left,
        bytes_left=bytes_left,
        copies_ending=ending,
        bytes_per_second=rate,
        seconds_left=bytes_left / rate if rate else None,
        began_at=row.began_at,
        ended_at=row.ended_at,
    )


async def list_relocations(runtime: Runtime) -> list[Progress]:
    """Every move, the oldest first."""
    async with runtime.database.directory() as session:
        query = select(Relocation.source).order_by(Relocation.began_at)
        sources = (await session.scalars(query)).all()
    return [await progress_of(runtime, source) for source in sources]


async def _left(runtime: Runtime, store: str) -> tuple[int, int, int]:
    """Copies and bytes that are still to be moved out of a store, and copies that only wait to be removed."""
    staying = Copy.state != CopyState.DELETING
    query = select(
        func.count().filter(staying),
        func.coalesce(func.sum(Copy.size_bytes).filter(staying), 0),
        func.count().filter(Copy.state == CopyState.DELETING),
    ).where(Copy.store == store)
    async with runtime.database.sweep() as session:
        row = (await session.execute(query)).one()
    return int(row[0]), int(row[1]), int(row[2])


def _none(source: str) -> NotFound:
    return NotFound(f"No move out of {source!r} was begun.", ErrorCode.RELOCATION_INVALID, store=source)
