"""`reelkeep openapi`: the API's description for programs."""

from pathlib import Path
from typing import Annotated

import typer

from reelkeep.cli.options import Data, Json
from reelkeep.cli.output import json_text, print_json
from reelkeep.cli.written import write_whole
from reelkeep.http.app import build_app

app = typer.Typer(add_completion=False)


@app.command()
def openapi(
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write it there instead.")
    ] = None,
    data: Data = None,  # noqa: ARG001 - every command takes --data
    as_json: Json = False,
) -> None:
    """Print the API's OpenAPI document.

    \b
    Example:
      reelkeep openapi -o openapi.json
    """
    document = build_app(None).openapi()
    if output is None:
        print_json(document)
        return
    text = f"{json_text(document)}\n".encode()
    write_whole(output, [text])
    if as_json:
        print_json({"file": str(output), "size_bytes": len(text)})
