"""`reelkeep db`: the database's tables."""

import asyncio
from typing import Any

import typer

from reelkeep.cli.options import Data, Json, with_runtime
from reelkeep.cli.outcome import Exit
from reelkeep.cli.output import print_json, print_text
from reelkeep.db import migrate
from reelkeep.runtime import Runtime

app = typer.Typer(
    help="Bring the database to this version, or show where it is.",
    no_args_is_help=True,
    add_completion=False,
)


@app.command(name="migrate")
def migrate_database(*, data: Data = None, as_json: Json = False) -> None:
    """Bring the database to this version's tables.

    `serve` and `worker` do this at their start. All of it happens, or nothing; when the database's user
    lacks a right, the error has the statements that an administrator of the database must run.

    \b
    Example:
      reelkeep db migrate
    """
    found = with_runtime(data, _migrate, migrate_database=False)
    if as_json:
        print_json(found)
    elif found["before"] == found["revision"]:
        print_text(f"The database is at {found['revision']}, this version's; nothing had to be done.")
    else:
        print_text(f"The database is now at {found['revision']} (before: {found['before'] or 'empty'}).")


@app.command()
def current(*, data: Data = None, as_json: Json = False) -> int:
    """Show the last migration that the database has had; the exit code is 4 when some are missing.

    \b
    Example:
      reelkeep db current --json
    """
    found = with_runtime(data, _current, migrate_database=False)
    if as_json:
        print_json(found)
    else:
        state = "this version's" if found["is_current"] else "not this version's; run `reelkeep db migrate`"
        print_text(f"{found['revision'] or 'empty'}, {state}")
    return Exit.OK if found["is_current"] else Exit.UNAVAILABLE


async def _migrate(runtime: Runtime) -> dict[str, Any]:
    conninfo = runtime.database.conninfo
    before = await asyncio.to_thread(migrate.current, conninfo)
    await asyncio.to_thread(migrate.upgrade, conninfo)
    return {"before": before, "revision": await asyncio.to_thread(migrate.current, conninfo)}


async def _current(runtime: Runtime) -> dict[str, Any]:
    conninfo = runtime.database.conninfo
    return {
        "revision": await asyncio.to_thread(migrate.current, conninfo),
        "is_current": await asyncio.to_thread(migrate.is_current, conninfo),
    }
