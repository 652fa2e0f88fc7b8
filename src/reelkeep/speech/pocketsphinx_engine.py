"""The recogniser that always works: PocketSphinx with its own small English model, on the processor.

Each span of speech is one utterance. The decoder's features are made anew for each (`reinit_feat`), since
otherwise what came before changes the words; and each is given whole (`full_utt`), since the model's
normalisation needs all of it.
"""

import importlib.util
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from reelkeep.errors import EngineError, ErrorCode
from reelkeep.speech.protocol import (
    SAMPLE_RATE_HZ,
    EngineFacts,
    EngineSpec,
    LoadedEngine,
    Missing,
    Options,
    Pcm,
    Progress,
    Ready,
    Segment,
    Span,
    StretchResult,
    Word,
)

NAME = "pocketsphinx"
MODEL = "en-us"
FACTS = EngineFacts(
    name=NAME, quality="basic, English", languages=("en",), word_times=True, needs_model=False
)
FRAMES_PER_SECOND = 100
# Sound shorter than a few frames makes the decoder fail.
UTTERANCE_SECONDS_MIN = 0.1
# In digital silence the decoder hears a "yeah" of which it is quite sure; no microphone is this quiet.
SILENT_BELOW = 8

_FILLER = re.compile(r"^[<\[+]")
_PRONUNCIATION = re.compile(r"\(\d+\)$")


@dataclass(frozen=True, slots=True)
class PocketsphinxEngine:
    """PocketSphinx with the model that comes in its package."""

    spec: EngineSpec

    @property
    def facts(self) -> EngineFacts:
        """What it can do."""
        return FACTS

    def check(self) -> Ready | Missing:
        """Ready when the package with its model is installed."""
        package = importlib.util.find_spec("pocketsphinx")
        if package is None or package.origin is None:
            return Missing(
                "the package pocketsphinx is not installed", "Install it: pip install pocketsphinx."
            )
        if not (Path(package.origin).parent / "model" / MODEL / "en-us.lm.bin").is_file():
            return Missing("its English model is not in the package", "Reinstall the package pocketsphinx.")
        return Ready(model=MODEL, device="cpu")

    def load(self) -> LoadedEngine:
        """Load the model: about a quarter of a second and 170 MB."""
        missing = self.check()
        if isinstance(missing, Missing):
            raise EngineError(
                f"{NAME} is not ready: {missing.reason}. {missing.fix}", ErrorCode.ENGINE_NOT_READY
            )
        import pocketsphinx  # noqa: PLC0415 - only the child process loads it

        # At its usual level the decoder writes every hypothesis to standard error.
        return LoadedPocketsphinx(pocketsphinx.Decoder(samprate=SAMPLE_RATE_HZ, loglevel="FATAL"))


class LoadedPocketsphinx:
    """A decoder with its model in memory."""

    def __init__(self, decoder: Any) -> None:
        self._decoder = decoder

    def transcribe(
        self,
        pcm: Pcm,
        options: Options,
        speech: Sequence[Span] = (),
        progress: Progress = lambda _seconds: None,
    ) -> StretchResult:
        """One segment for each span of speech in which words are found."""
        if options.language not in (None, "en"):
            raise EngineError(
                f"{NAME} understands English only, and {options.language!r} was asked for: "
                "set up faster-whisper with a model directory.",
                ErrorCode.ENGINE_NOT_READY,
            )
        segments = []
        for span in speech or [Span(0.0, len(pcm) / SAMPLE_RATE_HZ)]:
            words = tuple(self._words(pcm, span))
            if words:
                segments.append(_segment(words))
            progress(span.end)
        return StretchResult(
            segments=tuple(segments),
            language="en" if segments else None,
            warnings=("prompt_ignored",) if options.prompt else (),
        )

    def _words(self, pcm: Pcm, span: Span) -> Iterator[Word]:
        sound = pcm[round(span.start * SAMPLE_RATE_HZ) : round(span.end * SAMPLE_RATE_HZ)]
        if len(sound) < UTTERANCE_SECONDS_MIN * SAMPLE_RATE_HZ or not np.any(np.abs(sound) >= SILENT_BELOW):
            return
        self._decoder.reinit_feat()
        self._decoder.start_utt()
        self._decoder.process_raw(sound.astype("<i2").tobytes(), full_utt=True)
        self._decoder.end_utt()
        # Without a hypothesis there are no segments to walk through, not even an empty list.
        for part in (self._decoder.seg() or ()) if self._decoder.hyp() is not None else ():
            text = _PRONUNCIATION.sub("", part.word)
            if text and not _FILLER.match(text):
                yield _word(part, text, span)


def _word(part: Any, text: str, span: Span) -> Word:
    start = min(span.start + part.start_frame / FRAMES_PER_SECOND, span.end)
    end = min(span.start + (part.end_frame + 1) / FRAMES_PER_SECOND, span.end)
    confidence = min(1.0, max(0.0, float(part.prob)))
    return Word(round(start, 3), round(max(start, end), 3), text.lower(), round(confidence, 4))


def _segment(words: tuple[Word, ...]) -> Segment:
    scores = [word.confidence for word in words if word.confidence is not None]
    return Segment(
        start=words[0].start,
        end=words[-1].end,
        text=" ".join(word.text for word in words),
        words=words,
        confidence=round(sum(scores) / len(scores), 4) if scores else None,
    )
