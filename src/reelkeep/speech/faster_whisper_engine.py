"""The recommended recogniser: Whisper models run by faster-whisper, from a directory of the operator's.

The directory is looked at before the library is, since with anything missing the library would turn to a
model hub on the network.
"""

import importlib.util
import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from reelkeep.errors import EngineError, ErrorCode
from reelkeep.speech.faster_whisper_features import PiecewiseExtractor
from reelkeep.speech.faster_whisper_model import compute_type, missing_model, usable_device
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
from reelkeep.speech.sound import INT16_PER_UNIT

NAME = "faster-whisper"
FACTS = EngineFacts(
    name=NAME, quality="good, many languages", languages=(), word_times=True, needs_model=True
)
# Below this the model has named a language for sound in which it heard none.
LANGUAGE_PROBABILITY_MIN = 0.2
# Whisper hears 30 s at once; silence longer than this is left out, since it makes it invent words.
SILENCE_SECONDS_MAX = 5.0
# What one call works on takes memory with its length.
CALL_SECONDS_MAX = 120.0

EXTRA_TYPES: dict[str, Callable[[str], Any]] = {
    "beam_size": int,
    "best_of": int,
    "max_new_tokens": int,
    "patience": float,
    "temperature": float,
    "no_speech_threshold": float,
    "hotwords": str,
}


@dataclass(frozen=True, slots=True)
class FasterWhisperEngine:
    """Whisper in CTranslate2's format, on the processor or an NVIDIA card."""

    spec: EngineSpec

    @property
    def facts(self) -> EngineFacts:
        """What it can do."""
        return FACTS

    def check(self) -> Ready | Missing:
        """Ready when package, model directory, device and options fit together; loads no model."""
        if importlib.util.find_spec("faster_whisper") is None:
            return Missing(
                "the package faster-whisper is not installed", "Install it: pip install faster-whisper."
            )
        missing = missing_model(self.spec.model_dir) or _wrong_extra(self.spec.extra)
        if missing or self.spec.model_dir is None:
            return missing or Missing("no model directory is set", "Set it.")
        device = usable_device(self.spec.device, self.spec.compute_type)
        if isinstance(device, Missing):
            return device
        return Ready(model=Path(self.spec.model_dir).resolve().name, device=device)

    def load(self) -> LoadedEngine:
        """Load the model; seconds and, for large ones, gigabytes."""
        ready = self.check()
        if isinstance(ready, Missing):
            raise EngineError(f"{NAME} is not ready: {ready.reason}. {ready.fix}", ErrorCode.ENGINE_NOT_READY)
        import ctranslate2  # noqa: PLC0415 - only the child process loads it
        import faster_whisper  # noqa: PLC0415 - the same

        # Where the model falls back to a higher temperature it draws lots; each load begins with the same.
        ctranslate2.set_random_seed(0)
        try:
            model = faster_whisper.WhisperModel(
                self.spec.model_dir,
                device=ready.device,
                compute_type=compute_type(ready.device, self.spec.compute_type),
                cpu_threads=self.spec.threads,
                local_files_only=True,
            )
        except (RuntimeError, ValueError, OSError) as problem:
            raise EngineError(
                f"{NAME} cannot load the model {ready.model} on {ready.device}: {problem} "
                "Check the model directory, the device and the compute type.",
                ErrorCode.ENGINE_NOT_READY,
            ) from problem
        model.feature_extractor = PiecewiseExtractor(model.feature_extractor)
        return LoadedFasterWhisper(model, _extra(self.spec.extra))


class LoadedFasterWhisper:
    """A Whisper model in memory.

    The same stretch gives the same words, except where the model was so unsure that it fell back to a higher
    temperature: it then draws lots, and those drawn for earlier stretches since the load count too.
    """

    def __init__(self, model: Any, extra: dict[str, Any]) -> None:
        self._model = model
        self._extra = extra

    def transcribe(
        self,
        pcm: Pcm,
        options: Options,
        speech: Sequence[Span] = (),
        progress: Progress = lambda _seconds: None,
    ) -> StretchResult:
        """The segments that the model gives, in calls of two minutes or less, cut at pauses."""
        if options.language and options.language not in self._model.supported_languages:
            raise EngineError(
                f"This model does not know the language {options.language!r}: "
                f"it knows {', '.join(self._model.supported_languages)}.",
                ErrorCode.ENGINE_NOT_READY,
            )
        segments: list[Segment] = []
        language, probability = options.language, None
        for passage in _passages(speech or [Span(0.0, len(pcm) / SAMPLE_RATE_HZ)]):
            found, info = self._passage(pcm, passage, options.prompt, language)
            segments.extend(found)
            if language is None and found and info.language_probability >= LANGUAGE_PROBABILITY_MIN:
                language, probability = info.language, round(float(info.language_probability), 4)
            progress(passage[-1].end)
        if not segments:
            return StretchResult(segments=())
        return StretchResult(tuple(segments), language, probability)

    def _passage(
        self, pcm: Pcm, passage: Sequence[Span], prompt: str | None, language: str | None
    ) -> tuple[list[Segment], Any]:
        start, end = passage[0].start, passage[-1].end
        sound = pcm[round(start * SAMPLE_RATE_HZ) : round(end * SAMPLE_RATE_HZ)]
        generated, info = self._model.transcribe(
            sound.astype(np.float32) / np.float32(INT16_PER_UNIT),
            language=language,
            initial_prompt=prompt,
            word_timestamps=True,
            condition_on_previous_text=False,
            vad_filter=False,
            clip_timestamps=_clips(passage, len(sound) / SAMPLE_RATE_HZ),
            **self._extra,
        )
        # The work is done while the segments are walked through, and its errors come there.
        return list(_segments(generated, start, end)), info


def _passages(speech: Iterable[Span]) -> list[list[Span]]:
    """The spans in runs of at most `CALL_SECONDS_MAX`; a run is never shorter than one span."""
    passages: list[list[Span]] = []
    for span in speech:
        if passages and span.end - passages[-1][0].start <= CALL_SECONDS_MAX:
            passages[-1].append(span)
        else:
            passages.append([span])
    return passages


def _clips(passage: Sequence[Span], duration: float) -> list[float]:
    """Starts and ends of what is to be heard, from the passage's start; only long silence is left out."""
    offset = passage[0].start
    clips = [0.0]
    for before, after in itertools.pairwise(passage):
        if after.start - before.end > SILENCE_SECONDS_MAX:
            clips += [before.end - offset, after.start - offset]
    return [*clips, duration]


def _segments(generated: Iterable[Any], start: float, end: float) -> Iterable[Segment]:
    for segment in generated:
        text = segment.text.strip()
        if text:
            yield Segment(
                start=_within(start + segment.start, start, end),
                end=_within(start + segment.end, start, end),
                text=text,
                words=tuple(_words(segment.words or (), start, end)),
                confidence=_probability(math.exp(min(0.0, float(segment.avg_logprob)))),
            )


def _words(words: Iterable[Any], start: float, end: float) -> Iterable[Word]:
    for word in words:
        text = word.word.strip()
        if text:
            yield Word(
                start=_within(start + word.start, start, end),
                end=_within(start + word.end, start, end),
                text=text,
                confidence=_probability(word.probability),
            )


def _within(seconds: float, start: float, end: float) -> float:
    return round(float(min(max(seconds, start), end)), 3)


def _probability(value: float) -> float | None:
    return round(min(1.0, max(0.0, float(value))), 4) if math.isfinite(value) else None


def _wrong_extra(extra: dict[str, str]) -> Missing | None:
    try:
        _extra(extra)
    except (KeyError, ValueError) as problem:
        return Missing(f"an option is wrong: {problem}", f"Options are {', '.join(sorted(EXTRA_TYPES))}.")
    return None


def _extra(extra: dict[str, str]) -> dict[str, Any]:
    return {name: EXTRA_TYPES[name](value) for name, value in extra.items()}
