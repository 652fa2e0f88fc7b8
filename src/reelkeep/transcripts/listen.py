"""Listen to a recording: give each stretch to the engine as soon as it is cut.

Sound is decoded and heard much faster than most engines transcribe, so what is left beside the engine's own
time is that until the first stretch. Nothing is written to the database here: whoever has claimed the step
keeps what is found.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reelkeep.clock import new_id
from reelkeep.recordings.original import Brought, Original, media_limits
from reelkeep.runtime import Runtime
from reelkeep.speech.choose import choose
from reelkeep.speech.process import EngineProcess
from reelkeep.speech.protocol import Chosen, Options, Stretch, StretchResult
from reelkeep.transcripts.beside import beside
from reelkeep.transcripts.cut import Cutting
from reelkeep.transcripts.stretches import digest_of, finished_results

#: The share of the step's progress that is there when all is decoded and nothing transcribed.
SOUND_SHARE = 0.1


@dataclass(frozen=True, slots=True)
class Words:
    """What one stretch gave."""

    position: int
    #: Of all that its words depend on.
    digest: str
    result: StretchResult
    #: Whether an earlier run has kept it.
    is_kept: bool


@dataclass(frozen=True, slots=True)
class Listened:
    """What is known when all was heard."""

    chosen: Chosen
    duration_seconds: float
    #: Until all was decoded (`sound`) and heard (`plan`), both while the engine worked; inside the engine;
    #: and while it had nothing to do (`wait`).
    seconds: Mapping[str, float]


class Listening:
    """The words of a recording, stretch by stretch as they are found."""

    def __init__(self, runtime: Runtime, original: Original, parameters: Mapping[str, Any]) -> None:
        self._runtime, self._original = runtime, original
        #: The step's parameters when this began.
        self.parameters = dict(parameters)
        #: Told how far the work has come, 0 to 1.
        self.progress: Callable[[float], None] = lambda _fraction: None
        self._found: asyncio.Queue[Words | None] = asyncio.Queue()
        self._wait_seconds = 0.0
        #: The work, from `listening` on.
        self.finding: asyncio.Task[Listened] | None = None

    async def words(self) -> AsyncIterator[Words]:
        """What each stretch gave, in order, until the work ends, well or badly."""
        while words := await self._found.get():
            yield words

    @property
    def is_over(self) -> bool:
        """Whether nothing more will be found."""
        return self.finding is not None and self.finding.done()

    async def end(self) -> Listened:
        """Wait until all was heard. Raises what ended the work badly."""
        assert self.finding is not None
        return await self.finding

    async def find(self) -> Listened:
        """Find all words. Raises `MediaError`, `EngineError` and what the store raises."""
        try:
            options = self._options()
            chosen = choose(self._engine(), self._runtime.engines, options.language)
            brought = await self._original.bring()
            pcm = brought.folder / f"sound-{new_id()}"
            try:
                return await self._listen(chosen, options, brought, Cutting(pcm))
            finally:
                _remove(pcm)
        finally:
            self._found.put_nowait(None)

    def _options(self) -> Options:
        return Options(language=self.parameters.get("language") or self._runtime.settings.language)

    def _engine(self) -> str:
        return self.parameters.get("engine") or self._runtime.settings.engine

    async def _listen(self, chosen: Chosen, options: Options, brought: Brought, cutting: Cutting) -> Listened:
        spec, limits = chosen.engine.spec, media_limits(self._runtime)
        finished = await finished_results(
            self._runtime, self._original.organization_id, self._original.recording_id
        )
        cutting.progress = lambda fraction: self.progress(fraction * SOUND_SHARE)
        async with (
            beside(cutting.decode(brought.path, limits)) as decoding,
            EngineProcess(spec) as engine,
            beside(cutting.hear(spec, decoding)) as hearing,
            beside(_load_for_speech(engine, cutting)) as loading,
        ):
            while stretch := await self._next(cutting):
                digest = digest_of(brought.located, chosen, options, stretch)
                known = finished.get(digest)
                if known is None:
                    await loading
                result = known or await self._transcribe(engine, stretch, options, cutting)
                self._found.put_nowait(Words(stretch.index, digest, result, is_kept=known is not None))
            await hearing
            sound = await decoding
        own = {"engine": round(engine.engine_seconds, 3), "wait": round(self._wait_seconds, 3)}
        return Listened(chosen, sound.duration_seconds, {**cutting.seconds, **own})

    async def _next(self, cutting: Cutting) -> Stretch | None:
        since = time.monotonic()
        stretch = await cutting.next()
        self._wait_seconds += time.monotonic() - since
        return stretch

    async def _transcribe(
        self, engine: EngineProcess, stretch: Stretch, options: Options, cutting: Cutting
    ) -> StretchResult:
        def tell(seconds: float) -> None:
            before = cutting.fraction_before(stretch.start_seconds + seconds)
            self.progress(SOUND_SHARE + (1 - SOUND_SHARE) * before)

        return await engine.transcribe(cutting.pcm, stretch, options, tell)


@asynccontextmanager
async def listening(
    runtime: Runtime, original: Original, parameters: Mapping[str, Any]
) -> AsyncIterator[Listening]:
    """Listen beside the block; all that was started for it ends with the block."""
    listener = Listening(runtime, original, parameters)
    async with beside(listener.find()) as listener.finding:
        yield listener


async def _load_for_speech(engine: EngineProcess, cutting: Cutting) -> None:
    """The model is loaded while the first stretch is still being cut, and for silence never."""
    await cutting.has_speech.wait()
    await engine.load()


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)
