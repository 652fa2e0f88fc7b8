"""What keeping, moving and reaching bytes costs: arithmetic on price tables, exact, with nothing rounded.

A store without a price table costs nothing here; `unpriced` names such stores, so that a sum is never taken
for more than it is.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from reelkeep.stores.traffic import ActionClass
from reelkeep.stores_prices import Prices, PriceTable, price_of

#: A store and a storage class in it; the class is empty where the store has none.
Place = tuple[str, str]
NOTHING = Decimal(0)
DAYS_IN_MONTH = 30


@dataclass(frozen=True, slots=True)
class Requests:
    """What was asked of one store."""

    store: str
    action: ActionClass
    requests: int
    bytes_out: int = 0


@dataclass(frozen=True, slots=True)
class Move:
    """Copies that go from one place to another; made anew without a source, removed without a target."""

    source: Place | None
    target: Place | None
    copies: int
    #: Of all of them together.
    size_bytes: int
    #: How long they have lain at the source, on average; early removal is charged by it. None: not charged.
    days_kept: float | None = None
    #: The source stays: one more copy.
    keeps_source: bool = False


@dataclass(frozen=True, slots=True)
class CostOfMoves:
    """What moves cost once, and what storage costs a month more (or, below zero, less) from then on."""

    once: Decimal
    per_month: Decimal

    @property
    def saves_per_month(self) -> Decimal:
        """What is saved; below zero when it costs more."""
        return -self.per_month

    @property
    def pays_back_months(self) -> Decimal | None:
        """After how many months what is saved outweighs the moves; None when it never does."""
        return self.once / self.saves_per_month if self.saves_per_month > 0 else None


def cost_of(bytes_by_place: Mapping[Place, int], prices: Mapping[str, PriceTable]) -> Decimal:
    """What storing these bytes costs in a month."""
    return sum((_stored(place, size, prices) for place, size in bytes_by_place.items()), NOTHING)


def cost_of_requests(asked: Iterable[Requests], prices: Mapping[str, PriceTable]) -> Decimal:
    """What these requests cost, and the bytes that left a store by them."""
    return sum((_asked(one, prices) for one in asked), NOTHING)


def cost_of_moves(moves: Sequence[Move], prices: Mapping[str, PriceTable]) -> CostOfMoves:
    """What carrying these moves out costs, and what it changes from month to month."""
    once = sum((_once(move, prices) for move in moves), NOTHING)
    per_month = NOTHING
    for move in moves:
        if move.target is not None:
            per_month += _stored(move.target, move.size_bytes, prices)
        if move.source is not None and not move.keeps_source:
            per_month -= _stored(move.source, move.size_bytes, prices)
    return CostOfMoves(once, per_month)


def unpriced(stores: Iterable[str], prices: Mapping[str, PriceTable]) -> list[str]:
    """Those of the stores that no cost can be told of."""
    return sorted(set(stores) - prices.keys())


def currency_of(prices: Mapping[str, PriceTable]) -> str | None:
    """The one currency of all tables; None where there are none."""
    return next((table.currency for table in prices.values()), None)


def _stored(place: Place, size_bytes: int, prices: Mapping[str, PriceTable]) -> Decimal:
    store, storage_class = place
    table = prices.get(store)
    return _per_gb(table, price_of(table.storage, storage_class), size_bytes) if table else NOTHING


def _asked(asked: Requests, prices: Mapping[str, PriceTable]) -> Decimal:
    table = prices.get(asked.store)
    if table is None:
        return NOTHING
    return _per_thousand(getattr(table.requests, asked.action), "", asked.requests) + _per_gb(
        table, table.out, asked.bytes_out
    )


def _once(move: Move, prices: Mapping[str, PriceTable]) -> Decimal:
    cost = NOTHING
    source = prices.get(move.source[0]) if move.source else None
    target = prices.get(move.target[0]) if move.target else None
    if source and move.source and move.target:
        cost += _per_thousand(source.requests.read, move.source[1], move.copies)
        cost += _per_gb(source, price_of(source.retrieval, move.source[1]), move.size_bytes)
        if move.source[0] != move.target[0]:
            cost += _per_gb(source, source.out, move.size_bytes)
    if target and move.target:
        cost += _per_thousand(target.requests.write, move.target[1], move.copies)
    if source and move.source and not move.keeps_source:
        cost += _per_thousand(source.requests.delete, move.source[1], move.copies)
        cost += _early(move, move.source, source)
    return cost


def _early(move: Move, place: Place, table: PriceTable) -> Decimal:
    """The rest of the days that a class charges at least."""
    least = table.minimum_days.get(place[1], table.minimum_days.get("", 0))
    if move.days_kept is None or move.days_kept >= least:
        return NOTHING
    days = Decimal(least) - Decimal(repr(float(move.days_kept)))
    return _per_gb(table, price_of(table.storage, place[1]), move.size_bytes) * days / DAYS_IN_MONTH


def _per_gb(table: PriceTable, price: Decimal, size_bytes: int) -> Decimal:
    return price * size_bytes / table.bytes_per_gb


def _per_thousand(prices: Prices, storage_class: str, requests: int) -> Decimal:
    return price_of(prices, storage_class) * requests / 1000
