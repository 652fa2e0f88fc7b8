"""What rules would move, remove and cost, before they do: a walk over all blobs that changes nothing."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import select

from reelkeep.blobs.cost import Move
from reelkeep.blobs.models import Blob, CopyState
from reelkeep.placement.load import InForce
from reelkeep.placement.plan import Have, degraded
from reelkeep.placement.rounds import Spot
from reelkeep.placement.rules import MADE_AGAIN, Place, Places
from reelkeep.placement.sweep import PAGE_ROWS, copies_between, place_after
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

    def add(self, size_bytes: int, copies: int = 1) -> None:
        """Count one more, or so many of so many bytes together."""
        self.copies += copies
        self.bytes += size_bytes


class Kept(NamedTuple):
    """A copy as far as a preview goes by it."""

    store: str
    storage_class: str
    state: str
    degraded: bool
    #: Whole days in its class, no more than anybody charges for.
    days: int


#: Blobs that come to the same: of one organization and kind, as old by whole days, their copies alike.
Alike = tuple[UUID, str, int, tuple[Kept, ...]]
#: Sorts of blobs that are told apart in memory at a time.
SORTS_MAX = 20_000


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
        *,
        blobs: int = 1,
    ) -> None:
        """Count a blob, or so many alike of so many bytes together.

        `days_kept` tells for how long the copy in a store has lain in its class.
        """
        self.blobs += blobs
        held = [copy for copy in have if copy.state != CopyState.DELETING]
        for copy in held:
            self.before[copy.store, copy.storage_class] += size_bytes
        if not wanted and kind in MADE_AGAIN:
            self.unmade.add(size_bytes, blobs)
        for place in wanted:
            self.after[place.store, place.storage_class] += size_bytes
        self.degraded += blobs * degraded(wanted, have)
        if not any(copy.state == CopyState.PRESENT for copy in held):
            self.lost += blobs
            return
        theirs = _Held(held, Sum(blobs, size_bytes), days_kept)
        changes = [self._place(place, theirs) for place in wanted]
        stores = {place.store for place in wanted}
        for copy in held:
            if copy.store not in stores:
                shelf = (copy.store, copy.storage_class)
                _sum(self.let_go, shelf).add(size_bytes, blobs)
                _sum(self.left, (shelf, None, days_kept(copy.store))).add(size_bytes, blobs)
                changes.append(True)
        self.settled += 0 if any(changes) else blobs

    def _place(self, place: Place, held: "_Held") -> bool:
        copies, one = held.copies, held.sum
        copy = next((copy for copy in copies if copy.store == place.store), None)
        if copy is None or copy.state != CopyState.PRESENT:
            target = (place.store, place.storage_class)
            _sum(self.made, target).add(one.bytes, one.copies)
            source = next(copy for copy in copies if copy.state == CopyState.PRESENT)
            carried = ((source.store, source.storage_class), target)
            _sum(self.carried, carried).add(one.bytes, one.copies)
            return True
        if copy.storage_class != place.storage_class:
            key = (place.store, copy.storage_class, place.storage_class)
            _sum(self.reclassed, key).add(one.bytes, one.copies)
            left = ((place.store, copy.storage_class), place.storage_class, held.days_kept(place.store))
            _sum(self.left, left).add(one.bytes, one.copies)
            return True
        return False


@dataclass(frozen=True, slots=True)
class _Held:
    """The copies of blobs that are alike."""

    copies: Sequence[Have]
    sum: Sum
    days_kept: Callable[[str], int | None]


def _sum(sums: dict[Any, Sum], key: Any) -> Sum:
    return sums.setdefault(key, Sum())


async def preview(
    runtime: Runtime, known: InForce, *, organization_id: UUID | None = None, blobs_max: int | None = None
) -> Preview:
    """What reconcile would do if `known` were in force; bounded in memory, whatever there is.

    Of one organization, or of all; with `blobs_max` it ends after about so many.
    """
    found, spot, now = Preview(), Spot(), runtime.clock.now()
    sorts: dict[Alike, Sum] = {}
    looked_at = 0
    while True:
        async with runtime.database.sweep() as session:
            columns = (Blob.organization_id, Blob.id, Blob.kind, Blob.size_bytes, Blob.created_at)
            query = place_after(select(*columns), Blob, spot)
            if organization_id is not None:
                query = query.where(Blob.organization_id == organization_id)
            blobs = (await session.execute(query)).all()
            first, last = (blobs[0], blobs[-1]) if blobs else (None, None)
            copies = await copies_between(session, first[:2], last[:2], _COLUMNS) if first and last else {}
        for blob in blobs:
            organization, blob_id, kind, size_bytes, created_at = blob
            kept = tuple([_kept(row, now) for row in copies.get(blob_id, ())])
            alike = (organization, kind, (now - created_at).days, kept)
            _sum(sorts, alike).add(size_bytes)
        looked_at += len(blobs)
        ends = last is None or len(blobs) < PAGE_ROWS
        found.all_looked_at = ends or blobs_max is None or looked_at < blobs_max
        if ends or not found.all_looked_at or len(sorts) > SORTS_MAX:
            _count(found, known, sorts)
            sorts.clear()
        if last is None or ends or not found.all_looked_at:
            return found
        spot = Spot(last[0], last[1])


#: What `_kept` goes by, the blob first.
_COLUMNS = ("blob_id", "store", "storage_class", "state", "degraded", "placed_at", "created_at")


def _kept(row: Any, now: datetime) -> Kept:
    _, store, storage_class, state, degraded, placed_at, created_at = row
    days = min(max((now - (placed_at or created_at)).days, 0), DAYS_TOLD_APART)
    return Kept(store, storage_class, state, degraded, days)


def _count(found: Preview, known: InForce, sorts: Mapping[Alike, Sum]) -> None:
    """Count blobs by their sorts: rules know whole days only."""
    for (organization_id, kind, days, kept), one in sorts.items():
        wanted = known.wanted(organization_id, kind, timedelta(days=days), kept)
        have = [Have(copy.store, CopyState(copy.state), copy.storage_class) for copy in kept]
        days_kept = {copy.store: copy.days for copy in kept}
        found.look(kind, one.bytes, wanted, have, days_kept.get, blobs=one.copies)


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
