"""`reelkeep db`: the database's tables."""

import asyncio
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from reelkeep.cli.options import Data, Json, read_settings, with_runtime
from reelkeep.cli.outcome import Exit
from reelkeep.cli.output import print_json, print_note, print_text
from reelkeep.db import migrate
from reelkeep.db.postgres.upgrade import remove_old_clusters, upgrade_cluster
from reelkeep.errors import ErrorCode, ReelkeepError
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
def upgrade(
    *,
    old_binaries: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder with the old version's `postgres`.")
    ] = None,
    remove_old: Annotated[
        bool, typer.Option("--remove-old", help="Then remove the data of older versions.")
    ] = False,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Move Reelkeep's own Postgres to the major version that is installed, by dump and restore.

    Stop `serve` and all workers first. The old data stay as they are, and are used until the new ones are
    whole: cut off at any moment, nothing has changed. The old version's binaries are needed once more.

    \b
    Example:
      reelkeep db upgrade
      reelkeep db upgrade --old-binaries /usr/lib/postgresql/15/bin --remove-old
    """
    settings = read_settings(data)
    if settings.database_url:
        raise ReelkeepError(
            "DATABASE_URL names a Postgres of yours: upgrade it with its own tools.",
            ErrorCode.SETTINGS_INVALID,
        )
    done = asyncio.run(
        upgrade_cluster(settings.data, settings.postgres_bin, old_binaries, settings.postgres_user)
    )
    removed = remove_old_clusters(settings.data) if remove_old else []
    if as_json:
        print_json({"upgraded": asdict(done) if done else None, "removed": removed})
        return
    if done is None:
        print_text("The database is at the newest version that is installed; nothing had to be done.")
    else:
        counted = f"{done.rows:,} rows in {done.tables} tables, counted"
        print_text(f"Postgres {done.before} is now {done.after}: {counted}.")
    if removed:
        print_text(f"Removed: {', '.join(str(folder) for folder in removed)}")
    elif done:
        print_note(f"The old data are still in {done.old}; --remove-old removes them.")


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
