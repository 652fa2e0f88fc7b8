"""`reelkeep version`."""

import platform

import typer

from reelkeep import __version__
from reelkeep.cli.options import Data, Json
from reelkeep.cli.output import print_json, print_text

app = typer.Typer(add_completion=False)


@app.command()
def version(data: Data = None, as_json: Json = False) -> None:  # noqa: ARG001 - every command takes --data
    """Print the version.

    \b
    Example:
      reelkeep version --json
    """
    if as_json:
        print_json({"version": __version__, "python": platform.python_version()})
    else:
        print_text(f"reelkeep {__version__}")
