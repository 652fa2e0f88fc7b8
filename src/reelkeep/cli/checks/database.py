"""The database: answers, its version and tables, its clock; and whether a worker is alive on it."""

import asyncio
import time
from datetime import UTC, datetime

from sqlalchemy import text

from reelkeep.cli.checks.finding import Finding, State
from reelkeep.cli.waiting import count_workers
from reelkeep.db import migrate
from reelkeep.db.base import Base
from reelkeep.runtime import Runtime
from reelkeep.tables import all_tables

#: Tokens and tickets are judged by clocks: a second is nothing, a minute refuses good ones.
CLOCK_SECONDS_TOLD = 2.0
CLOCK_SECONDS_MAX = 60.0


async def database_finding(runtime: Runtime) -> Finding:
    """It answers, and how fast."""
    async with runtime.database.owner() as session:
        began = time.monotonic()
        version = await session.scalar(text("show server_version"))
        milliseconds = (time.monotonic() - began) * 1000
    whose = "named by DATABASE_URL" if runtime.settings.database_url else "Reelkeep's own"
    return Finding("database", State.OK, f"Postgres {version}, {whose}, answers in {milliseconds:.0f} ms")


async def tables_finding(runtime: Runtime) -> Finding:
    """Every migration was run, and tables, policies and grants are as this version needs them."""
    conninfo = runtime.database.conninfo
    revision = await asyncio.to_thread(migrate.current, conninfo)
    if not await asyncio.to_thread(migrate.is_current, conninfo):
        return Finding(
            "tables",
            State.FAILED,
            f"The database is at {revision}, which is not this version's."
            if revision
            else "It has no tables yet.",
            "Run `reelkeep db migrate`; `reelkeep serve` does so at its start.",
        )
    assert all_tables() is Base.metadata  # all rooms' tables are known from here on
    drift = await asyncio.to_thread(migrate.check, conninfo, Base)
    if drift:
        return Finding(
            "tables",
            State.FAILED,
            f"They are not as migrated, in {len(drift)} points: {'; '.join(drift[:3])}",
            "Somebody changed the database by hand: undo that, or restore a backup.",
        )
    return Finding(
        "tables", State.OK, f"at {revision}, this version's; row-level security is as it should be"
    )


async def clock_finding(runtime: Runtime) -> Finding:
    """This machine and the database agree on the time."""
    async with runtime.database.owner() as session:
        before = datetime.now(UTC)
        there = await session.scalar(text("select clock_timestamp()"))
        after = datetime.now(UTC)
    assert isinstance(there, datetime)
    apart = max((before - there).total_seconds(), (there - after).total_seconds(), 0.0)
    return clock_apart("clock", "the database", apart)


def clock_apart(name: str, other: str, seconds: float) -> Finding:
    """What a difference of clocks means."""
    told = f"this machine and {other} are {seconds:.1f} s apart"
    fix = "Let both keep time by NTP (`timedatectl set-ntp true`)."
    if seconds > CLOCK_SECONDS_MAX:
        return Finding(name, State.FAILED, f"{told}: good tokens and tickets are refused.", fix)
    if seconds > CLOCK_SECONDS_TOLD:
        return Finding(name, State.WARNING, told, fix)
    return Finding(name, State.OK, f"{told}" if seconds >= 0.1 else f"this machine and {other} agree")


async def worker_finding(runtime: Runtime) -> Finding:
    """Somebody does the processing."""
    alive = await count_workers(runtime)
    if not alive:
        return Finding(
            "worker",
            State.WARNING,
            "None is alive: uploads are kept, and nothing is processed.",
            "Start `reelkeep serve`, or `reelkeep worker`.",
        )
    return Finding("worker", State.OK, f"{alive} {'queue is' if alive == 1 else 'queues are'} served")
