"""`reelkeep engines`: what speech is understood with."""

import typer

from reelkeep.cli.options import Data, Json, read_settings
from reelkeep.cli.output import print_json, print_table, print_text
from reelkeep.errors import EngineError
from reelkeep.http.schemas import EngineOut, EnginesOut
from reelkeep.http.server_routes import engine_out
from reelkeep.settings import Settings
from reelkeep.speech.choose import choose
from reelkeep.wiring import build_engines

app = typer.Typer(add_completion=False)


@app.command()
def engines(data: Data = None, as_json: Json = False) -> None:
    """Show the speech engines, and which one is used.

    \b
    Example:
      reelkeep engines
      REELKEEP_MODEL_DIR=/srv/models/small reelkeep engines
    """
    found = look_at_engines(read_settings(data))
    if as_json:
        print_json(found)
        return
    print_table(("ENGINE", "STATE", "QUALITY", "MODEL"), (_row(engine) for engine in found.engines))
    print_text(f"\nUsed: {found.why}." if found.chosen else f"\nNone can be used. {found.why}")
    for engine in found.engines:
        if not engine.ready:
            print_text(f"\n{engine.name} is not ready: {engine.reason}. {engine.fix}")


def look_at_engines(settings: Settings) -> EnginesOut:
    """Every engine under these settings, and which one is used and why: the API's `EnginesOut`."""
    known = build_engines(settings)
    told = [engine_out(engine) for engine in known]
    try:
        chosen = choose(settings.engine, known, settings.language)
    except EngineError as error:
        return EnginesOut(chosen=None, why=error.message, engines=told)
    return EnginesOut(chosen=chosen.engine.facts.name, why=chosen.why, engines=told)


def _row(engine: EngineOut) -> tuple[str, ...]:
    model = f"{engine.model} on {engine.device}" if engine.ready else "–"
    return engine.name, "ready" if engine.ready else "not ready", engine.quality, model
