"""What rules would move, remove and cost, before they do: a walk over all blobs that changes nothing."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy import select

from reelkeep.blobs.cost import Move
from reelkeep.blobs.models import Blob, CopyState
from reelkeep.placement.load import InForce
from reelkeep.placement.plan import Have, degraded
from reelkeep.placement.rounds import Spot
from reelkeep.placement.rules import MADE_AGAIN, Place, Places
from reelkeep.placement.sweep import PAGE_ROWS, copies_between, place_after
from reelkeep.placement.view import have_of
from reelkeep.runtime import Runtime

#: A store and a class of it.
Shelf = tuple[str, str]
#: Days in a class are told apart up to here; services charge for 180 at least, the longest.
DAYS_TOLD_APART = 400


@dataclass(slots=True)
class Sum:
    """Copies and their bytes."""

    copies: int = 0
    bytes: int = 0

    def add(self, size_bytes: int) -> None:
        """Count one more."""
        self.copies += 1
        self.bytes += size_bytes


@dataclass(slots=True)
class Preview:
    """What would happen to all copies, by store and class."""

    blobs: int = 0
    #: False: the walk ended at its limit, and there are more.
    all_looked_at: bool = True
    settled: int = 0
    degraded: int = 0
    lost: int = 0
    made: dict[Shelf, Sum] = field(default_factory=dict)
    #: The same by where their bytes would come from: reading there and leaving it cost too.
    carried: dict[tuple[Shelf, Shelf], Sum] = field(default_factory=dict)
    let_go: dict[Shelf, Sum] = field(default_factory=dict)
    #: From class to class, inside a store.
    reclassed: dict[tuple[str, str, str], Sum] = field(default_factory=dict)
    #: What leaves a class, by the class that it gets there (None: it is removed) and by the whole days that
    #: it has lain in it (None: unknown): who leaves a class early may have to pay the rest.
    left: dict[tuple[Shelf, str | None, int | None], Sum] = field(default_factory=dict)
    #: Renditions that would be removed, to be made again on demand.
    unmade: Sum = field(default_factory=Sum)
    before: Counter[Shelf] = field(default_factory=Counter)
    after: Counter[Shelf] = field(default_factory=Counter)

    def look(
        self,
        kind: str,
        size_bytes: int,
        wanted: Places,
        have: Sequence[Have],
        days_kept: Callable[[str], int | None] = lambda _: None,
    ) -> None:
        """Count one blob; `days_kept` tells for how long its copy in a store has lain in its class."""
        self.blobs += 1
        held = [copy for copy in have if copy.state != CopyState.DELETING]
        for copy in held:
            self.before[copy.store, copy.storage_class] += size_bytes
        if not wanted and kind in MADE_AGAIN:
            self.unmade.add(size_bytes)
        for place in wanted:
            self.after[place.store, place.storage_class] += size_bytes
        self.degraded += degraded(wanted, have)
        if not any(copy.state == CopyState.PRESENT for copy in held):
            self.lost += 1
            return
        changes = [self._place(place, held, size_bytes, days_kept) for place in wanted]
        stores = {place.store for place in wanted}
        for copy in held:
            if copy.store not in stores:
                shelf = (copy.store, copy.storage_class)
                _sum(self.let_go, shelf).add(size_bytes)
                _sum(self.left, (shelf, None, days_kept(copy.store))).add(size_bytes)
                changes.append(True)
        self.settled += not any(changes)

    def _place(
        self, place: Place, held: Sequence[Have], size_bytes: int, days_kept: Callable[[str], int | None]
    ) -> bool:
        copy = next((one for one in held if one.store == place.store), None)
        if copy is None or copy.state != CopyState.PRESENT:
            target = (place.store, place.storage_class)
            _sum(self.made, target).add(size_bytes)
            source = next(one for one in held if one.state == CopyState.PRESENT)
            _sum(self.carried, ((source.store, source.storage_class), target)).add(size_bytes)
            return True
        if copy.storage_class != place.storage_class:
            key = (place.store, copy.storage_class, place.storage_class)
            _sum(self.reclassed, key).add(size_bytes)
            shelf = (place.store, copy.storage_class)
            _sum(self.left, (shelf, place.storage_class, days_kept(place.store))).add(size_bytes)
            return True
        return False


def _sum(sums: dict[Any, Sum], key: Any) -> Sum:
    return sums.setdefault(key, Sum())


async def preview(
    runtime: Runtime, known: InForce, *, organization_id: UUID | None = None, blobs_max: int | None = None
) -> Preview:
    """What reconcile would do if `known` were in force; bounded in memory, whatever there is.

    Of one organization, or of all; with `blobs_max` it ends after about so many.
    """
    found, spot, now = Preview(), Spot(), runtime.clock.now()
    while True:
        async with runtime.database.sweep() as session:
            columns = (Blob.organization_id, Blob.id, Blob.kind, Blob.size_bytes, Blob.created_at)
            query = place_after(select(*columns), Blob, spot)
            if organization_id is not None:
                query = query.where(Blob.organization_id == organization_id)
            blobs = (await session.execute(query)).all()
            if not blobs:
                return found
            first, last = blobs[0], blobs[-1]
            copies = await copies_between(session, (first[0], first[1]), (last[0], last[1]))
        for blob in blobs:
            rows: list[Any] = copies[blob.id]
            wanted = known.wanted(blob.organization_id, blob.kind, now - blob.created_at, rows)
            have = [have_of(row, now, digest_known=True) for row in rows]
            found.look(blob.kind, blob.size_bytes, wanted, have, partial(_days_kept, rows, now))
        if len(blobs) < PAGE_ROWS:
            return found
        if blobs_max is not None and found.blobs >= blobs_max:
            found.all_looked_at = False
            return found
        spot = Spot(last[0], last[1])


def _days_kept(rows: Sequence[Any], now: datetime, store: str) -> int:
    """Whole days that the copy in a store has lain in its class; no more than anybody charges for."""
    row = next(row for row in rows if row.store == store)
    since: datetime = row.placed_at or row.created_at
    return min(max((now - since).days, 0), DAYS_TOLD_APART)


def moves_of(found: Preview) -> list[Move]:
    """What a preview found, as moves that have a cost."""
    made = [
        Move(source, target, one.copies, one.bytes, keeps_source=True)
        for (source, target), one in found.carried.items()
    ]
    left = [
        Move(shelf, None if to is None else (shelf[0], to), one.copies, one.bytes, days_kept=days)
        for (shelf, to, days), one in found.left.items()
    ]
    return [*made, *left]


def moved_bytes(sums: Mapping[Shelf, Sum]) -> int:
    """All bytes of such sums."""
    return sum(one.bytes for one in sums.values())
