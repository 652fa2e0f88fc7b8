"""Cuts a recording into stretches: what a speech engine is given at once.

A stretch begins and ends where somebody speaks, is at most five minutes long and is cut at the longest
pause near that limit. Speech without any pause is cut where it is quietest. The same sound always gives
the same stretches, so that a killed run can go on from the last one that was finished; and a stretch is told
as soon as nothing later can change it, so that an engine need not wait for the rest of the recording.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from reelkeep.speech import sound, vad
from reelkeep.speech.protocol import SAMPLE_RATE_HZ, STRETCH_SECONDS_MAX, Progress, Span, Stretch


@dataclass(frozen=True, slots=True)
class StretchLimits:
    """How long stretches and the spans in them may be, in seconds."""

    stretch_seconds_max: float = STRETCH_SECONDS_MAX
    #: The pause to cut at is looked for in this much sound before the limit.
    look_back_seconds: float = 90.0
    #: A pause this long always ends a stretch, so that no engine is given long silence.
    pause_seconds_max: float = 30.0
    #: Speech without a pause is cut into spans of at most this length.
    span_seconds_max: float = 30.0


DEFAULT_LIMITS = StretchLimits()


def plan_stretches(pcm_path: Path) -> list[Stretch]:
    """The stretches of an int16 mono 16 kHz file; none at all when nobody speaks.

    Raises `EngineError` when the file or the voice activity model cannot be read.
    """
    return Listener(pcm_path).hear(sound.sample_count(pcm_path), is_all=True)


class Listener:
    """Finds the stretches of a sound file, also of one that is still being written."""

    def __init__(self, pcm_path: Path) -> None:
        self._path = pcm_path
        self._ear, self._planner = vad.Ear(), Planner()
        self._heard = 0

    def hear(
        self, samples: int, *, is_all: bool, progress: Progress = lambda _seconds: None
    ) -> list[Stretch]:
        """The stretches that the first so many samples of the file settle and fewer did not.

        Only whole blocks are heard before `is_all` is said, so that the pace of the writing changes nothing.
        `progress` is told the seconds heard so far. Raises `EngineError` when the file cannot be read.
        """
        ready = samples if is_all else samples - samples % vad.BLOCK_SAMPLES
        settled: list[Stretch] = []
        for pcm in sound.blocks(self._path, vad.BLOCK_SAMPLES, self._heard, ready):
            settled += self._planner.hear(self._ear.hear(pcm))
            self._heard += len(pcm)
            progress(self._heard / SAMPLE_RATE_HZ)
        return settled + (self._planner.end(self._heard / SAMPLE_RATE_HZ) if is_all else [])

    @property
    def has_heard_speech(self) -> bool:
        """Whether there will be a stretch."""
        return self._planner.has_speech


class Planner:
    """Cuts what is heard into stretches, as it is heard."""

    def __init__(self, limits: StretchLimits = DEFAULT_LIMITS) -> None:
        self._limits = limits
        self._spans = vad.Spans()
        self._loudness: list[vad.Curve] = []
        #: Spans of stretches that are not settled yet.
        self._waiting: list[Span] = []
        self._count = 0

    @property
    def has_speech(self) -> bool:
        """Whether any speech was found so far."""
        return self._spans.has_any

    def hear(self, hearing: vad.Hearing) -> list[Stretch]:
        """The stretches that are settled by what follows."""
        self._loudness.append(hearing.loudness)
        return list(self._settled_by(self._spans.hear(hearing.speech)))

    def end(self, duration_seconds: float) -> list[Stretch]:
        """The stretches that are settled by the recording's end."""
        settled = list(self._settled_by(self._spans.end(duration_seconds)))
        return [*settled, self._cut_off(len(self._waiting))] if self._waiting else settled

    def _settled_by(self, spans: Sequence[Span]) -> Iterator[Stretch]:
        self._waiting += [part for span in spans for part in self._parts(span)]
        while self._waiting and (after := _end_of_stretch(self._waiting, self._limits)) < len(self._waiting):
            yield self._cut_off(after)

    def _parts(self, span: Span) -> list[Span]:
        seconds_max = min(self._limits.span_seconds_max, self._limits.stretch_seconds_max)
        if round(span.end - span.start, 3) <= seconds_max:
            return [span]
        self._loudness = [np.concatenate(self._loudness)]
        return _split(span, self._loudness[0], seconds_max)

    def _cut_off(self, after: int) -> Stretch:
        speech = tuple(self._waiting[:after])
        del self._waiting[:after]
        self._count += 1
        return Stretch(self._count - 1, speech[0].start, speech[-1].end, speech)


def _end_of_stretch(spans: Sequence[Span], limits: StretchLimits) -> int:
    """The index after the last span of the stretch that begins with the first; all of them: perhaps later."""
    start, after = spans[0].start, 1
    while after < len(spans) and _pause_before(spans, after) < limits.pause_seconds_max:
        if round(spans[after].end - start, 3) > limits.stretch_seconds_max:
            return _best_cut(spans, after, limits)
        after += 1
    return after


def _best_cut(spans: Sequence[Span], after: int, limits: StretchLimits) -> int:
    """The index in `[1, after]` before which the pause is longest; the latest of equal ones."""
    earliest = spans[0].start + limits.stretch_seconds_max - limits.look_back_seconds
    near = [index for index in range(1, after + 1) if spans[index - 1].end >= earliest] or [after]
    return max(near, key=lambda index: (_pause_before(spans, index), index))


def _pause_before(spans: Sequence[Span], index: int) -> float:
    return round(spans[index].start - spans[index - 1].end, 3)


def _split(span: Span, loudness: vad.Curve, seconds_max: float) -> list[Span]:
    """The span in parts of at most `seconds_max`, cut where it is quietest in the later half of a part."""
    parts, start = [], span.start
    while round(span.end - start, 3) > seconds_max:
        here = _quietest(loudness, start + seconds_max / 2, start + seconds_max)
        parts.append(Span(start, here))
        start = here
    return [*parts, Span(start, span.end)]


def _quietest(loudness: vad.Curve, start: float, end: float) -> float:
    first = int(np.ceil(start / vad.WINDOW_SECONDS))
    after = max(first + 1, int(end / vad.WINDOW_SECONDS))
    windows = loudness[first:after]
    # Three windows together, so that one zero crossing of a vowel is not taken for a pause.
    smooth = np.convolve(np.pad(windows, 1, mode="edge"), np.ones(3), mode="valid")
    return round((first + int(np.argmin(smooth))) * vad.WINDOW_SECONDS, 3)
