"""Whether this server can do its work, each part looked at by itself and under a limit of time."""

import asyncio
from collections.abc import Awaitable

from sqlalchemy import text

from reelkeep.backups.standing import look_at_backups
from reelkeep.errors import ReelkeepError
from reelkeep.http.schemas import CheckOut
from reelkeep.runtime import Runtime

CHECK_SECONDS_MAX = 5.0
WORKERS_ALIVE = text(
    "select count(*) from procrastinate_workers"
    " where last_heartbeat > now() - make_interval(secs => :seconds)"
)


async def look(runtime: Runtime) -> list[CheckOut]:
    """Database, the store that takes new bytes, and at least one living worker."""
    store = runtime.stores.primary
    return list(
        await asyncio.gather(
            _checked("database", _database(runtime), "Is Postgres running? See `reelkeep doctor`."),
            _checked(f"store {store.name}", store.check(), "See `reelkeep doctor`."),
            _checked("worker", _worker(runtime), "Start `reelkeep worker`, or `serve` without --no-worker."),
            _checked("backups", _backups(runtime), "See docs/backup.md.", needed=False),
        )
    )


async def _checked(name: str, work: Awaitable[None], fix: str, *, needed: bool = True) -> CheckOut:
    try:
        async with asyncio.timeout(CHECK_SECONDS_MAX):
            await work
    except TimeoutError:
        late = f"no answer within {CHECK_SECONDS_MAX:.0f} seconds"
        return CheckOut(name=name, ok=False, needed=needed, message=late, fix=fix)
    except ReelkeepError as error:
        return CheckOut(name=name, ok=False, needed=needed, message=error.message, fix=fix)
    return CheckOut(name=name, ok=True, needed=needed, message="ok")


async def _database(runtime: Runtime) -> None:
    async with runtime.database.directory() as session:
        await session.execute(text("select 1"))


async def _worker(runtime: Runtime) -> None:
    async with runtime.database.owner() as session:
        alive = await session.scalar(WORKERS_ALIVE, {"seconds": runtime.settings.worker_stalled_seconds})
    if not alive:
        raise ReelkeepError("no worker is alive, so nothing is processed; uploads are kept all the same")


async def _backups(runtime: Runtime) -> None:
    standing = await look_at_backups(runtime)
    if standing.problem is not None:
        raise ReelkeepError(standing.problem)
