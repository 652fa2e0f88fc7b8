"""Cut a recording into stretches while it is still being decoded.

One child process writes the sound for speech to scratch, another hears what is there of it: the first
stretches can be transcribed long before the rest of the recording is known.
"""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

from reelkeep.media.facts import MediaLimits, Rendered
from reelkeep.media.work import extract_sound
from reelkeep.speech import sound
from reelkeep.speech.limits import EngineLimits
from reelkeep.speech.process import EngineProcess
from reelkeep.speech.protocol import EngineSpec, Stretch

#: Hearing goes before the engine, which has nothing to do without it.
HEARING = EngineLimits(nice=5)


class Cutting:
    """A recording that is being decoded, heard and cut."""

    def __init__(self, pcm: Path) -> None:
        #: Where the sound is, as much of it as there is.
        self.pcm = pcm
        #: Set as soon as anybody has spoken.
        self.has_speech = asyncio.Event()
        #: Told the fraction that is decoded, when there is more.
        self.progress: Callable[[float], None] = lambda _fraction: None
        #: From the beginning until all was decoded (`sound`) and until all was heard (`plan`).
        self.seconds: dict[str, float] = {}
        self._decoded = 0.0
        self._more = asyncio.Event()
        self._settled: asyncio.Queue[Stretch | None] = asyncio.Queue()
        self._began = time.monotonic()

    async def next(self) -> Stretch | None:
        """The stretch that follows, as soon as it is settled; None when there is none."""
        return await self._settled.get()

    def fraction_before(self, seconds: float) -> float:
        """How much of the recording lies before this time, 0 to 1, as far as is known yet."""
        there = sound.duration_seconds(self.pcm)
        return self._decoded * min(1.0, seconds / there) if there else 0.0

    async def decode(self, source: Path, limits: MediaLimits) -> Rendered:
        """Write the sound. Raises `MediaError`."""
        try:
            made = await extract_sound(source, self.pcm, limits, self._note_decoded)
            self._decoded = 1.0
            self._lap("sound")
        finally:
            self._more.set()
        return made

    async def hear(self, spec: EngineSpec, decoding: "asyncio.Task[Rendered]") -> None:
        """Find the stretches in what there is of the sound. Raises `MediaError` and `EngineError`."""
        try:
            async with EngineProcess(spec, HEARING) as ear:
                # The model is opened while there is no sound yet.
                await ear.hear(self.pcm, 0, is_all=False)
                while not await self._hear_more(ear, decoding):
                    pass
            self._lap("plan")
        finally:
            self._settled.put_nowait(None)

    async def _hear_more(self, ear: EngineProcess, decoding: "asyncio.Task[Rendered]") -> bool:
        await self._more.wait()
        self._more.clear()
        if is_all := decoding.done():
            decoding.result()
        heard = await ear.hear(self.pcm, sound.sample_count(self.pcm), is_all=is_all)
        if heard.has_speech:
            self.has_speech.set()
        for stretch in heard.stretches:
            self._settled.put_nowait(stretch)
        return is_all

    def _note_decoded(self, fraction: float) -> None:
        self._decoded = fraction
        self._more.set()
        self.progress(fraction)

    def _lap(self, part: str) -> None:
        self.seconds[part] = round(time.monotonic() - self._began, 3)
