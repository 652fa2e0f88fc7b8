"""`reelkeep serve`: the server."""

import contextlib
import sys
from typing import Annotated

import typer

from reelkeep.cli.options import Data, Json, read_settings
from reelkeep.cli.output import print_json
from reelkeep.cli.serve import serve as serve_until_stopped

app = typer.Typer(add_completion=False)


@app.command()
def serve(
    *,
    host: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Else REELKEEP_HOST, else 127.0.0.1."),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(metavar="PORT", help="Else REELKEEP_PORT, else 8000; 0 takes a free one."),
    ] = None,
    no_worker: Annotated[bool, typer.Option("--no-worker", help="Workers run elsewhere.")] = False,
    data: Data = None,
    as_json: Json = False,
) -> int:
    """Run the server, and a worker with it.

    One line says when it is ready, and at which address. The first start also prints the link with which
    the first administrator is made. Ctrl-C or SIGTERM stops it in order. With --json those lines go to
    standard error, and the document says how it ended.

    \b
    Example:
      reelkeep serve
      reelkeep serve --data /srv/reelkeep --host 0.0.0.0 --port 9000
    """
    settings = read_settings(data, log_level="INFO", host=host, port=port)
    if not as_json:
        return serve_until_stopped(settings, with_worker=not no_worker)
    with contextlib.redirect_stdout(sys.stderr):
        code = serve_until_stopped(settings, with_worker=not no_worker)
    print_json({"stopped": True, "exit_code": code})
    return code
