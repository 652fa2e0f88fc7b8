"""The engines that are measured with, and an engine alone with nothing around it."""

import time
from dataclasses import dataclass
from pathlib import Path

from bench.processes import PeakMemory
from reelkeep.speech.process import EngineProcess
from reelkeep.speech.protocol import EngineSpec, Options
from tests.fixtures.tiny_whisper import make_tiny_whisper

WHISPER, SPHINX = "faster-whisper", "pocketsphinx"
#: With random weights there is nothing to be gained by searching longer.
TINY_EXTRA = {"beam_size": "1", "temperature": "0", "max_new_tokens": "20"}
LANGUAGE = "en"
TINY_IS = (
    "`tiny Whisper` is faster-whisper with a model of Whisper's shape, one layer wide and with random "
    "weights (beam 1, 20 tokens a segment): the real code of the engine at hundreds of times the speed of "
    "speech, so that what is around the engine shows."
)


@dataclass(frozen=True, slots=True)
class Engine:
    """An engine, as the settings name it and as it is loaded."""

    name: str
    settings: dict[str, str]
    spec: EngineSpec


def tiny_whisper(folder: Path) -> Engine:
    """The tiny model, made in this folder."""
    make_tiny_whisper(folder)
    settings = {
        "REELKEEP_ENGINE": WHISPER,
        "REELKEEP_MODEL_DIR": str(folder),
        "REELKEEP_ENGINE_EXTRA": ",".join(f"{name}={value}" for name, value in TINY_EXTRA.items()),
        "REELKEEP_ENGINE_DEVICE": "cpu",
        "REELKEEP_LANGUAGE": LANGUAGE,
    }
    return Engine("tiny Whisper", settings, EngineSpec(WHISPER, str(folder), "cpu", extra=TINY_EXTRA))


def pocketsphinx() -> Engine:
    """The engine that needs no model from outside."""
    settings = {"REELKEEP_ENGINE": SPHINX, "REELKEEP_LANGUAGE": LANGUAGE}
    return Engine("pocketsphinx", settings, EngineSpec(SPHINX))


@dataclass(frozen=True, slots=True)
class Alone:
    """What an engine takes with nothing around it."""

    plan_seconds: float
    engine_seconds: float
    memory: PeakMemory


async def run_alone(engine: Engine, pcm: Path) -> Alone:
    """Start the engine's process, find the speech, load the model and transcribe."""
    started = time.monotonic()
    async with EngineProcess(engine.spec) as process:
        assert process.pid is not None
        with PeakMemory(process.pid) as memory:
            stretches = await process.plan(pcm)
            planned = time.monotonic()
            for stretch in stretches:
                await process.transcribe(pcm, stretch, Options(language=LANGUAGE))
            done = time.monotonic()
    return Alone(planned - started, done - planned, memory)
