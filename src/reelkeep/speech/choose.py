"""Takes the engine that a recording is transcribed with, and says why."""

from collections.abc import Iterable, Sequence

from reelkeep.errors import EngineError, ErrorCode
from reelkeep.speech.protocol import Chosen, Engine, Missing, Ready
from reelkeep.speech.registry import unknown_engine

AUTO = "auto"


def choose(name: str, engines: Sequence[Engine], language: str | None = None) -> Chosen:
    """The engine called `name`, or for `auto` the first of `engines` (best first) that can be used.

    An engine that does not know `language` (ISO 639-1) cannot be used.
    Raises `EngineError` with ENGINE_UNKNOWN or ENGINE_NOT_READY, and what to do about it.
    """
    if name == AUTO:
        return _best(engines, language)
    for engine in engines:
        if engine.facts.name == name:
            return _named(engine, language)
    raise unknown_engine(name, [engine.facts.name for engine in engines])


def _named(engine: Engine, language: str | None) -> Chosen:
    found = _usable(engine, language)
    if isinstance(found, Missing):
        raise _not_ready([(engine.facts.name, found)])
    return Chosen(engine, found, f"{_described(engine, found)}, as asked for")


def _best(engines: Iterable[Engine], language: str | None) -> Chosen:
    passed_over: list[tuple[str, Missing]] = []
    for engine in engines:
        if not engine.facts.automatic:
            continue
        found = _usable(engine, language)
        if isinstance(found, Ready):
            return Chosen(engine, found, _why(engine, found, passed_over), tuple(passed_over))
        passed_over.append((engine.facts.name, found))
    raise _not_ready(passed_over)


def _usable(engine: Engine, language: str | None) -> Ready | Missing:
    languages = engine.facts.languages
    if language and languages and language not in languages:
        return Missing(
            f"it knows {', '.join(languages)} only, and {language} was asked for",
            "Set up an engine that knows the language, such as faster-whisper with a model directory.",
        )
    return engine.check()


def _why(engine: Engine, ready: Ready, passed_over: Sequence[tuple[str, Missing]]) -> str:
    reasons = "; ".join(f"{name} was passed over: {missing.reason}" for name, missing in passed_over)
    best = "the best that is ready" if passed_over else "the best there is"
    return f"{_described(engine, ready)}, {best}" + (f" ({reasons})" if reasons else "")


def _described(engine: Engine, ready: Ready) -> str:
    return f"{engine.facts.name} ({engine.facts.quality}), model {ready.model} on {ready.device}"


def _not_ready(passed_over: Sequence[tuple[str, Missing]]) -> EngineError:
    told = " ".join(f"{name} is not ready: {missing.reason}. {missing.fix}" for name, missing in passed_over)
    return EngineError(
        told or "No speech engine is set up.",
        ErrorCode.ENGINE_NOT_READY,
        engines={name: {"reason": missing.reason, "fix": missing.fix} for name, missing in passed_over},
    )
