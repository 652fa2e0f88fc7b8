"""What placement looks for by itself: new rules, moves between stores, and copies that are not settled."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Select, Uuid, all_, and_, cast, func, or_, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession

from reelkeep.blobs.models import Blob, Copy, CopyState
from reelkeep.logs import get_logger
from reelkeep.placement.load import KNOWN_SECONDS, InForce, in_force
from reelkeep.placement.models import PlacementPass, PlacementRules, Relocation, RelocationState
from reelkeep.placement.plan import Lost, next_move
from reelkeep.placement.queue import blobs_asked_for, enqueue_reconcile, reconciles_waiting
from reelkeep.placement.rounds import JOBS_MAX, Page, Spot, advance_round, begin_round, find_round
from reelkeep.placement.view import have_of
from reelkeep.runtime import Runtime

log = get_logger(__name__)

RULES_ROUND = "rules"
PAGE_ROWS = 5_000
#: Rules with ages, and what no job was asked for, are looked for this often.
ROUND_EVERY = timedelta(days=1)
#: After so long a blob that was taken in elsewhere, or has a bad copy, is tried again.
UNSETTLED_MAX = 500
#: Rounds stop before: what they ask for may take days, and a copy that can be mended does not wait for it.
UNSETTLED_JOBS_MAX = 2 * JOBS_MAX


async def sweep_placement(runtime: Runtime) -> None:
    """One look at everything that placement may have to do; several workers may look at once."""
    known = await in_force(runtime, fresh=True)
    await _sweep_unsettled(runtime)
    await _sweep_rules(runtime, known)
    await _sweep_moves(runtime)


async def _sweep_unsettled(runtime: Runtime) -> None:
    """Copies that wait for nobody: let go and due, bad, left by a dead writer, or taken in elsewhere."""
    now = runtime.clock.now()
    due = or_(
        and_(Copy.state == CopyState.DELETING, Copy.remove_after <= now),
        Copy.state.in_((CopyState.MISSING, CopyState.DAMAGED)),
        and_(Copy.state == CopyState.MAKING, Copy.claimed_until <= now),
    )
    async with runtime.database.directory() as session:
        if await reconciles_waiting(session, UNSETTLED_JOBS_MAX) >= UNSETTLED_JOBS_MAX:
            return
        asked = await blobs_asked_for(session)
    not_asked = Copy.blob_id != all_(cast(list(asked), ARRAY(Uuid)))
    async with runtime.database.sweep() as session:
        unsettled = select(Copy.organization_id, Copy.blob_id).where(Copy.state != CopyState.PRESENT, due)
        degraded = select(Copy.organization_id, Copy.blob_id).where(
            Copy.degraded, Copy.state == CopyState.PRESENT
        )
        rows: list[Any] = []
        for query in (unsettled, degraded):
            rows += (await session.execute(query.where(not_asked).limit(UNSETTLED_MAX))).all()
    found = sorted({(row[0], row[1]) for row in rows})
    await _ask(runtime, found)


async def _ask(runtime: Runtime, blobs: Sequence[tuple[UUID, UUID]]) -> None:
    if not blobs:
        return
    async with runtime.database.directory() as session:
        for organization_id, found in groupby(blobs, key=lambda blob: blob[0]):
            await enqueue_reconcile(session, organization_id, [blob_id for _, blob_id in found])


async def _sweep_rules(runtime: Runtime, known: InForce) -> None:
    """A round over all blobs after rules were written, and each day where they depend on age."""
    if known.everybody is None and not known.of_organization:
        return
    now = runtime.clock.now()
    row = await find_round(runtime, RULES_ROUND)
    if row is None or row.ended_at is not None:
        if not await _round_is_due(runtime, row, now):
            return
        await begin_round(runtime, RULES_ROUND)

    async def look(session: AsyncSession, spot: Spot) -> Page:
        return await page_of_blobs(session, known, now, spot)

    if await advance_round(runtime, RULES_ROUND, look):
        await _note_passed(runtime)


async def _round_is_due(runtime: Runtime, row: PlacementPass | None, now: datetime) -> bool:
    """Written rules wait a little, until no process goes by the older ones."""
    async with runtime.database.directory() as session:
        written = await session.scalar(
            select(func.max(PlacementRules.written_at)).where(
                or_(PlacementRules.passed_at.is_(None), PlacementRules.passed_at < PlacementRules.written_at)
            )
        )
    if written is not None and (now - written).total_seconds() >= KNOWN_SECONDS:
        return True
    return row is not None and row.ended_at is not None and now - row.began_at >= ROUND_EVERY


async def _note_passed(runtime: Runtime) -> None:
    row = await find_round(runtime, RULES_ROUND)
    if row is None:
        return
    async with runtime.database.directory() as session:
        await session.execute(
            update(PlacementRules)
            .where(PlacementRules.written_at <= row.began_at)
            .values(passed_at=row.began_at)
        )


async def page_of_blobs(
    session: AsyncSession, known: InForce, now: datetime, spot: Spot, rows_max: int = PAGE_ROWS
) -> Page:
    """The next blobs in order, and those among them whose copies are not where they are wanted."""
    query = place_after(
        select(Blob.organization_id, Blob.id, Blob.kind, Blob.created_at), Blob, spot, rows_max
    )
    blobs = (await session.execute(query)).all()
    if not blobs:
        return Page(0, None, [], ends=True)
    first, last = blobs[0], blobs[-1]
    copies = await copies_between(session, (first[0], first[1]), (last[0], last[1]))
    found = [
        (blob.organization_id, blob.id) for blob in blobs if _is_misplaced(known, now, blob, copies[blob.id])
    ]
    return Page(len(blobs), Spot(last[0], last[1]), found, ends=len(blobs) < rows_max)


def place_after(
    query: Select[*tuple[Any, ...]], table: type[Blob] | type[Copy], spot: Spot, rows_max: int = PAGE_ROWS
) -> Select[*tuple[Any, ...]]:
    """The next rows after a spot, in the order of organizations and ids."""
    if spot.organization_id is not None:
        query = query.where(tuple_(table.organization_id, table.id) > (spot.organization_id, spot.after_id))
    return query.order_by(table.organization_id, table.id).limit(rows_max)


async def copies_between(
    session: AsyncSession,
    first: tuple[UUID, UUID],
    last: tuple[UUID, UUID],
    names: Sequence[str] = Copy.__sweep_columns__,
) -> dict[UUID, list[Any]]:
    """The copies of all blobs from `first` to `last`, by blob; of those columns that the sweep may read."""
    columns = [getattr(Copy, name) for name in names]
    place = tuple_(Copy.organization_id, Copy.blob_id)
    rows = await session.execute(select(*columns).where(place >= first, place <= last))
    found: dict[UUID, list[Any]] = defaultdict(list)
    for row in rows:
        found[row.blob_id].append(row)
    return found


def _is_misplaced(known: InForce, now: datetime, blob: Any, copies: Sequence[Any]) -> bool:
    wanted = known.wanted(blob.organization_id, blob.kind, now - blob.created_at, copies)
    move = next_move(wanted, [have_of(copy, now, digest_known=True) for copy in copies])
    return move is not None and not isinstance(move, Lost)


async def go_on_with_moves(runtime: Runtime) -> None:
    """The same for moves alone, when one has begun: this process must know of it before its jobs run."""
    await in_force(runtime, fresh=True)
    await _sweep_moves(runtime)


async def _sweep_moves(runtime: Runtime) -> None:
    """Go on with each move between stores, round after round until nothing is left at its source."""
    async with runtime.database.directory() as session:
        moving = select(Relocation).where(Relocation.state != RelocationState.PAUSED)
        moves = (await session.scalars(moving)).all()
    for move in moves:
        await _advance_move(runtime, move)


async def _advance_move(runtime: Runtime, move: Relocation) -> None:
    name = f"move:{move.source}"
    row = await find_round(runtime, name)
    if row is None or row.ended_at is not None:
        left = await _is_anything_left(runtime, move.source)
        if not left:
            await _note_ended(runtime, move)
            return
        async with runtime.database.directory() as session:
            if await reconciles_waiting(session, JOBS_MAX):
                return  # what the last round asked for is still being done
        await begin_round(runtime, name)

    async def look(session: AsyncSession, spot: Spot) -> Page:
        return await _page_of_store(session, move.source, spot)

    await advance_round(runtime, name, look)


async def _is_anything_left(runtime: Runtime, store: str) -> bool:
    query = select(Copy.id).where(Copy.store == store).limit(1)
    async with runtime.database.sweep() as session:
        return await session.scalar(query) is not None


async def _page_of_store(session: AsyncSession, store: str, spot: Spot) -> Page:
    there = select(Copy.organization_id, Copy.id, Copy.blob_id).where(
        Copy.store == store, Copy.state != CopyState.DELETING
    )
    query = place_after(there, Copy, spot)
    rows = (await session.execute(query)).all()
    last = Spot(rows[-1][0], rows[-1][1]) if rows else None
    return Page(len(rows), last, [(row[0], row[2]) for row in rows], ends=len(rows) < PAGE_ROWS)


async def _note_ended(runtime: Runtime, move: Relocation) -> None:
    if move.state == RelocationState.DONE:
        return
    now = runtime.clock.now()
    async with runtime.database.directory() as session:
        await session.execute(
            update(Relocation)
            .where(Relocation.id == move.id, Relocation.state == RelocationState.RUNNING)
            .values(state=RelocationState.DONE, ended_at=now)
        )
    seconds = round((now - move.began_at).total_seconds(), 1)
    log.info("nothing is left in a store", store=move.source, seconds=seconds)
