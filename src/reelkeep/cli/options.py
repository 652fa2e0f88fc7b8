"""Options that several commands take, and what they mean for settings, logs and the event loop."""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from reelkeep.cli.outcome import Exit
from reelkeep.logs import configure_logs
from reelkeep.runtime import Runtime
from reelkeep.settings import Settings, load_settings
from reelkeep.wiring import open_runtime

T = TypeVar("T")

Data = Annotated[
    Path | None,
    typer.Option("--data", metavar="DIR", help="Data folder; else REELKEEP_DATA, else data."),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]
OrganizationName = Annotated[
    str | None,
    typer.Option("--organization", metavar="NAME", help="Its name or id; without it the first one."),
]


def read_settings(data: Path | None, *, log_level: str = "WARNING", **flags: Any) -> Settings:
    """The settings of a command, its logs set up; they are quiet unless the operator chose a level."""
    settings = load_settings(data=data, **flags)
    chosen = "log_level" in settings.model_fields_set
    configure_logs(settings.log_level if chosen else log_level, settings.log_format, settings.log_file)
    return settings


def with_runtime(
    data: Path | None, work: Callable[[Runtime], Awaitable[T]], *, migrate_database: bool = True
) -> T:
    """Open the installation in the data folder, do the work there, and close it again."""
    settings = read_settings(data)

    async def run() -> T:
        async with open_runtime(
            settings, migrate_database=migrate_database, application_name="reelkeep-cli"
        ) as runtime:
            return await work(runtime)

    return asyncio.run(_until_terminated(run()))


async def _until_terminated(work: Awaitable[T]) -> T:
    """SIGTERM ends the work in order, as Ctrl-C does."""
    task = asyncio.ensure_future(work)
    terminated = False

    def terminate() -> None:
        nonlocal terminated
        terminated = True
        task.cancel()

    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, terminate)
    try:
        return await task
    except asyncio.CancelledError:
        if terminated:
            raise typer.Exit(Exit.TERMINATED) from None
        raise
