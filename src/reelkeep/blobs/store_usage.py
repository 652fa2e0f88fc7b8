"""What lies in each store and class, for one organization or all, and what that costs.

Read from figures that the database keeps in the commit of every copy: no copy is walked over. Each copy
counts here, those of renditions too; a quota counts each blob once, however often it lies (`blobs.usage`).
"""

import calendar
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from uuid import UUID

from sqlalchemy import BigInteger, Uuid, bindparam, cast, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from reelkeep.accounts.models import Organization
from reelkeep.blobs.cost import NOTHING, Place, Requests, cost_of, cost_of_requests, unpriced
from reelkeep.blobs.models import StoreUsage
from reelkeep.blobs.traffic import read_traffic
from reelkeep.db.database import Database
from reelkeep.runtime import Runtime, Stores
from reelkeep.stores.traffic import ActionClass, Counted
from reelkeep.stores_prices import PriceTable


@dataclass(frozen=True, slots=True)
class Stored:
    """What lies in one place."""

    store: str
    storage_class: str
    bytes: int
    copies: int
    #: None where the store has no price table.
    cost_per_month: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Holding:
    """What lies in all places of one organization, or of all."""

    places: Sequence[Stored]
    prices: Mapping[str, PriceTable]

    @property
    def bytes(self) -> int:
        """Of all copies."""
        return sum(place.bytes for place in self.places)

    @property
    def copies(self) -> int:
        """However many of one blob."""
        return sum(place.copies for place in self.places)

    @property
    def cost_per_month(self) -> Decimal | None:
        """Of the stores that have prices; None where none of them has."""
        priced = [place.cost_per_month for place in self.places if place.cost_per_month is not None]
        return sum(priced, NOTHING) if priced or (self.prices and not self.places) else None

    @property
    def unpriced(self) -> list[str]:
        """Stores with bytes whose cost is not known."""
        return unpriced((place.store for place in self.places), self.prices)


@dataclass(frozen=True, slots=True)
class Asked:
    """What one store was asked for in a month."""

    store: str
    action: ActionClass
    counted: Counted
    requests: int
    bytes_in: int
    bytes_out: int
    cost: Decimal | None


@dataclass(frozen=True, slots=True)
class Month:
    """Requests and transfer since the first of the month, in UTC."""

    first_day: date
    days_gone: int
    days: int
    asked: Sequence[Asked]

    @property
    def cost(self) -> Decimal:
        """So far."""
        return sum((one.cost for one in self.asked if one.cost is not None), NOTHING)

    @property
    def cost_expected(self) -> Decimal:
        """Of the whole month, if it goes on like this."""
        return self.cost * self.days / self.days_gone


def prices_of(stores: Stores) -> dict[str, PriceTable]:
    """The price tables that the operator wrote down, by store."""
    return {name: spec.prices for name, spec in stores.specs.items() if spec.prices is not None}


# Over the rows that commits are spread over.
_BYTES, _COPIES = (
    cast(func.sum(column), BigInteger).label(name)
    for name, column in (("bytes", StoreUsage.bytes), ("copies", StoreUsage.copies))
)
_OF_ONE = (
    select(StoreUsage.store, StoreUsage.storage_class, _BYTES, _COPIES)
    .where(StoreUsage.organization_id == bindparam("organization_id", type_=Uuid()))
    .group_by(StoreUsage.store, StoreUsage.storage_class)
    .having(func.sum(StoreUsage.copies) > 0)
)


async def read_holding(
    session: AsyncSession, organization_id: UUID, prices: Mapping[str, PriceTable]
) -> Holding:
    """What one organization keeps, by store and class."""
    rows = await session.execute(_OF_ONE, {"organization_id": organization_id})
    return _holding(rows.all(), prices)


async def holdings_of_all(runtime: Runtime) -> dict[tuple[UUID, str], Holding]:
    """What every organization keeps, by its id and name; for the operator, past row-level security."""
    query = (
        select(
            Organization.id,
            Organization.name,
            StoreUsage.store,
            StoreUsage.storage_class,
            _BYTES,
            _COPIES,
        )
        .join_from(Organization, StoreUsage, StoreUsage.organization_id == Organization.id, isouter=True)
        .group_by(Organization.id, StoreUsage.store, StoreUsage.storage_class)
        .order_by(Organization.created_at, Organization.id)
    )
    found: dict[tuple[UUID, str], list[tuple[str, str, int, int]]] = defaultdict(list)
    async with runtime.database.owner() as session:
        for organization_id, name, store, storage_class, size, copies in await session.execute(query):
            mine = found[organization_id, name]
            if copies:
                mine.append((store, storage_class, size, copies))
    prices = prices_of(runtime.stores)
    return {organization: _holding(rows, prices) for organization, rows in found.items()}


def sum_of(holdings: Sequence[Holding], prices: Mapping[str, PriceTable]) -> Holding:
    """Several organizations together."""
    sums: dict[Place, tuple[int, int]] = defaultdict(lambda: (0, 0))
    for holding in holdings:
        for place in holding.places:
            size, copies = sums[place.store, place.storage_class]
            sums[place.store, place.storage_class] = size + place.bytes, copies + place.copies
    return _holding([(*place, *figures) for place, figures in sums.items()], prices)


async def month_of(database: Database, today: date, prices: Mapping[str, PriceTable]) -> Month:
    """What stores were asked for in the month of this day, up to now."""
    first = today.replace(day=1)
    rows = await read_traffic(database, first, today + timedelta(days=1))
    asked = []
    for row in rows:
        one = Requests(row.store, ActionClass(row.action_class), int(row.requests), int(row.bytes_out))
        cost = cost_of_requests([one], prices) if row.store in prices else None
        asked.append(
            Asked(
                row.store,
                one.action,
                Counted(row.counted),
                one.requests,
                int(row.bytes_in),
                one.bytes_out,
                cost,
            )
        )
    return Month(first, today.day, calendar.monthrange(today.year, today.month)[1], asked)


def _holding(rows: Sequence[tuple[str, str, int, int]], prices: Mapping[str, PriceTable]) -> Holding:
    places = [
        Stored(
            store,
            storage_class,
            size,
            copies,
            cost_of({(store, storage_class): size}, prices) if store in prices else None,
        )
        for store, storage_class, size, copies in sorted(rows)
    ]
    return Holding(places, prices)
