"""`reelkeep worker`: a worker alone."""

from typing import Annotated

import typer

from reelkeep.cli.options import Data, Json, read_settings
from reelkeep.cli.output import print_json
from reelkeep.cli.work import work as work_until_stopped

QUEUES = ("media", "speech")

app = typer.Typer(add_completion=False)


@app.command()
def worker(
    *,
    queue: Annotated[
        list[str] | None,
        typer.Option("--queue", metavar="QUEUE", help="media or speech; without it both."),
    ] = None,
    data: Data = None,
    as_json: Json = False,
) -> int:
    """Run a worker alone.

    Any number may run, on any number of machines with the same database and store. Ctrl-C or SIGTERM stops
    it in order: what it has not finished waits in the queue again.

    \b
    Example:
      reelkeep worker
      reelkeep worker --queue speech
    """
    unknown = sorted(set(queue or ()) - set(QUEUES))
    if unknown:
        raise typer.BadParameter(f"there is no queue {unknown[0]!r}.", param_hint="--queue")
    settings = read_settings(data, log_level="INFO")
    code = work_until_stopped(settings, tuple(dict.fromkeys(queue)) if queue else QUEUES)
    if as_json:
        print_json({"stopped": True, "exit_code": code})
    return code
