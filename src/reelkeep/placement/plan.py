"""From what is wanted and what there is to the next safe step: pure, so that its promise can be tried.

The promise: no copy is let go before every place that is still wanted has one that was verified lately.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from reelkeep.blobs.models import COLD_CLASSES, CopyState, RestoreState
from reelkeep.placement.rules import Place, Places

BAD = (CopyState.MISSING, CopyState.DAMAGED)


@dataclass(frozen=True, slots=True)
class Have:
    """One copy as its row has it."""

    store: str
    state: CopyState
    storage_class: str = ""
    verified: bool = False
    #: Whether it was read so long ago that it is read again before anything relies on it alone.
    stale: bool = False
    #: Whether somebody is believed to be writing it; of one that was let go: whether its removal has begun.
    claimed: bool = False
    #: Of one that was let go: whether its bytes may go now.
    remove_due: bool = False
    restore_state: str | None = None

    @property
    def readable(self) -> bool:
        """Whether its bytes can be read now."""
        cold = self.storage_class in COLD_CLASSES and self.restore_state != RestoreState.READY
        return self.state == CopyState.PRESENT and not cold


@dataclass(frozen=True, slots=True)
class Make:
    """Write the blob's bytes to a place, from `source`; its row may be there from an attempt that died."""

    place: Place
    source: str


@dataclass(frozen=True, slots=True)
class Reclass:
    """Give a copy another storage class, inside its store."""

    store: str
    storage_class: str


@dataclass(frozen=True, slots=True)
class Verify:
    """Read a copy whole and compare its digest."""

    store: str


@dataclass(frozen=True, slots=True)
class Keep:
    """Want a copy again that was let go; it counts when it was read."""

    store: str


@dataclass(frozen=True, slots=True)
class LetGo:
    """Send nobody to this copy any more; it is removed when the links that were given out have ended."""

    store: str


@dataclass(frozen=True, slots=True)
class Remove:
    """Remove the bytes of a copy that was let go, then its row."""

    store: str


@dataclass(frozen=True, slots=True)
class Lost:
    """No copy can be read: nothing can be done until one comes back."""


Move = Make | Reclass | Verify | Keep | LetGo | Remove | Lost


def next_move(wanted: Places, have: Sequence[Have]) -> Move | None:
    """The next step toward `wanted`; None when there is none, or one must be waited for.

    Empty `wanted` lets every copy go: the caller makes sure that the blob may be removed.
    """
    by_store = {copy.store: copy for copy in have}
    return (
        _bring_about(wanted, have, by_store)
        or _let_go(wanted, have, by_store)
        or next((Remove(c.store) for c in have if c.state == CopyState.DELETING and c.remove_due), None)
    )


def _bring_about(wanted: Places, have: Sequence[Have], by_store: Mapping[str, Have]) -> Move | None:
    source = _best_source(have, [place.store for place in wanted])
    lost = False
    for place in wanted:
        copy = by_store.get(place.store)
        if copy is not None and copy.state == CopyState.DELETING:
            # Once its removal has begun it cannot be had back: it goes, and is made again.
            return Remove(place.store) if copy.claimed else Keep(place.store)
        if copy is None or copy.state in BAD or (copy.state == CopyState.MAKING and not copy.claimed):
            if source is not None:
                return Make(place, source.store)
            lost = True
    if lost:
        return None if any(copy.state == CopyState.PRESENT for copy in have) else Lost()
    return _reclass(wanted, by_store)


def _reclass(wanted: Places, by_store: Mapping[str, Have]) -> Move | None:
    """Once every copy is made: what goes into an archive cannot be read from there."""
    for place in wanted:
        copy = by_store[place.store]
        if copy.storage_class != place.storage_class and copy.readable:
            if place.storage_class in COLD_CLASSES and not copy.verified:
                return Verify(place.store)
            return Reclass(place.store, place.storage_class)
    return None


def _let_go(wanted: Places, have: Sequence[Have], by_store: Mapping[str, Have]) -> Move | None:
    stores = {place.store for place in wanted}
    extra = [c for c in have if c.store not in stores and c.state != CopyState.DELETING and not c.claimed]
    if not extra:
        return None
    for place in wanted:
        copy = by_store.get(place.store)
        if copy is None or copy.state != CopyState.PRESENT:
            return None  # it is being made, or cannot be
        if copy.readable and (copy.stale or not copy.verified):
            return Verify(place.store)
        if not copy.verified:
            return None  # what is in an archive was verified before it went there
    return LetGo(extra[0].store)


def _best_source(have: Sequence[Have], preferred: Sequence[str]) -> Have | None:
    """The copy to read from: one that was verified, then as the rules name the stores."""
    order = {store: index for index, store in enumerate(preferred)}
    readable = [copy for copy in have if copy.readable]
    return min(
        readable, key=lambda copy: (not copy.verified, order.get(copy.store, len(order))), default=None
    )


def relocated(
    wanted: Places, moves: Mapping[str, str | None], classes: Mapping[str, Collection[str]]
) -> Places:
    """What is wanted once `moves` (from store to store, None: away from it) are in force.

    A class that the other store does not have becomes the store's own. What would be nowhere stays.
    """
    if not moves:  # a million blobs are looked at in a row
        return wanted
    found: list[Place] = []
    for place in wanted:
        store: str | None = place.store
        seen = {place.store}
        while store is not None and store in moves:  # one move may follow another
            store = moves[store]
            if store in seen:
                break
            seen.add(store or "")
        if store is None or any(other.store == store for other in found):
            continue
        kept = place.storage_class if place.storage_class in classes.get(store, ()) else ""
        found.append(
            replace(place, store=store, storage_class=place.storage_class if store == place.store else kept)
        )
    return tuple(found) or wanted


def degraded(wanted: Places, have: Sequence[Have]) -> bool:
    """Whether no wanted place has the bytes, so that they lie where they were taken in for lack of better."""
    stores = {place.store for place in wanted}
    present = [copy for copy in have if copy.state == CopyState.PRESENT]
    return bool(present) and bool(stores) and not any(copy.store in stores for copy in present)
