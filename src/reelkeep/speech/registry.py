"""The engines there are, best first. A new engine is one file and one line here."""

from collections.abc import Callable, Mapping

from reelkeep.errors import EngineError, ErrorCode
from reelkeep.speech import fake_engine, faster_whisper_engine, pocketsphinx_engine
from reelkeep.speech.protocol import Engine, EngineSpec

_BUILDERS: dict[str, Callable[[EngineSpec], Engine]] = {
    faster_whisper_engine.NAME: faster_whisper_engine.FasterWhisperEngine,
    pocketsphinx_engine.NAME: pocketsphinx_engine.PocketsphinxEngine,
    fake_engine.NAME: fake_engine.FakeEngine,
}


def build(spec: EngineSpec) -> Engine:
    """The engine that `spec` describes; loads nothing. Raises `EngineError` for a name nobody knows."""
    builder = _BUILDERS.get(spec.engine)
    if builder is None:
        raise unknown_engine(spec.engine, [name for name in _BUILDERS if name != fake_engine.NAME])
    return builder(spec)


def known_engines(
    model_dir: str | None = None,
    device: str = "auto",
    compute_type: str = "default",
    threads: int = 0,
    extra: Mapping[str, str] | None = None,
    *,
    with_fake: bool = False,
) -> list[Engine]:
    """Every engine under the given settings, best first.

    `extra` goes to faster-whisper and to the fake one, which is there only `with_fake`.
    """
    told = dict(extra or {})
    specs = [
        EngineSpec(pocketsphinx_engine.NAME, threads=threads),
    ]
    if with_fake:
        specs.append(EngineSpec(fake_engine.NAME, extra=told))
    whisper = EngineSpec(
        faster_whisper_engine.NAME, model_dir, device, compute_type, threads, {} if with_fake else told
    )
    return [build(spec) for spec in (whisper, *specs)]


def unknown_engine(name: str, known: list[str]) -> EngineError:
    """The error for an engine that does not exist."""
    return EngineError(
        f"There is no speech engine called {name!r}: use auto or one of {', '.join(known)}.",
        ErrorCode.ENGINE_UNKNOWN,
        engine=name,
        known=known,
    )
