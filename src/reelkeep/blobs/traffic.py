"""Keep what each store's traffic was: counted in every process, added up in the database now and then.

A process that is killed loses what it counted since the last time, at most `KEEP_EVERY_SECONDS` of it.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict
from datetime import date
from typing import Any

from sqlalchemy import Row, func, select
from sqlalchemy.dialects.postgresql import insert

from reelkeep.blobs.models import StoreTraffic
from reelkeep.clock import Clock
from reelkeep.db.database import Database
from reelkeep.logs import get_logger
from reelkeep.stores.protocol import Store
from reelkeep.stores.traffic import Taken, Traffic, traffic_of

KEEP_EVERY_SECONDS = 15.0
KEEPING_SECONDS_MAX = 5.0

log = get_logger(__name__)


async def keep_traffic(database: Database, stores: Mapping[str, Store], clock: Clock) -> None:
    """Add what was counted since the last time, in one statement, in one order for all processes.

    What cannot be kept now is counted still, and comes with the next time.
    """
    taken = [(name, traffic, traffic.take()) for name, traffic in _counting(stores)]
    rows = [row for name, _, counts in taken for row in _rows(name, clock.now().date(), counts)]
    if not rows:
        return
    added = insert(StoreTraffic).values(rows)
    sums = {name: getattr(StoreTraffic, name) + added.excluded[name] for name in _SUMS}
    try:
        async with database.directory() as session:
            await session.execute(added.on_conflict_do_update(index_elements=_KEY, set_=sums))
    except BaseException:
        for _, traffic, counts in taken:
            traffic.give_back(counts)
        raise


@asynccontextmanager
async def keeping_traffic(
    database: Database, stores: Mapping[str, Store], clock: Clock
) -> AsyncGenerator[None, None]:
    """Keep it every few seconds while the block lasts, and once more when it ends."""

    async def keep_on() -> None:
        while True:
            await asyncio.sleep(KEEP_EVERY_SECONDS)
            await _keep_or_say(database, stores, clock)

    keeping = asyncio.create_task(keep_on())
    try:
        yield
    finally:
        keeping.cancel()
        await asyncio.wait([keeping])
        await _keep_or_say(database, stores, clock)


async def _keep_or_say(database: Database, stores: Mapping[str, Store], clock: Clock) -> None:
    """A failure is logged: figures are no reason to stop, nor to stop later."""
    try:
        async with asyncio.timeout(KEEPING_SECONDS_MAX):
            await keep_traffic(database, stores, clock)
    except Exception as error:
        log.warning("requests to stores are not counted yet", exc_info=error)


async def read_traffic(database: Database, since: date, until: date) -> list[Row[Any]]:
    """What was kept from `since` up to, not including, `until`: a row for each store, class and how known."""
    query = (
        select(
            StoreTraffic.store,
            StoreTraffic.action_class,
            StoreTraffic.counted,
            *(func.sum(getattr(StoreTraffic, name)).label(name) for name in _SUMS),
        )
        .where(StoreTraffic.day >= since, StoreTraffic.day < until)
        .group_by(StoreTraffic.store, StoreTraffic.action_class, StoreTraffic.counted)
        .order_by(StoreTraffic.store, StoreTraffic.action_class, StoreTraffic.counted)
    )
    async with database.directory() as session:
        return list(await session.execute(query))


_KEY = ("store", "day", "action_class", "counted")
_SUMS = ("requests", "bytes_in", "bytes_out")


def _counting(stores: Mapping[str, Store]) -> Iterator[tuple[str, Traffic]]:
    for name in sorted(stores):
        traffic = traffic_of(stores[name])
        if traffic is not None:
            yield name, traffic


def _rows(store: str, day: date, counts: Taken) -> list[dict[str, Any]]:
    return [
        {
            "store": store,
            "day": day,
            "action_class": action,
            "counted": counted,
            **asdict(counts[action, counted]),
        }
        for action, counted in sorted(counts)
    ]
