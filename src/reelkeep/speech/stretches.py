"""Cuts a recording into stretches: what a speech engine is given at once.

A stretch begins and ends where somebody speaks, is at most ten minutes long and is cut at the longest
pause near that limit. Speech without any pause is cut where it is quietest. The same sound always gives
the same stretches, so that a killed run can go on from the last one that was finished.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from reelkeep.speech import vad
from reelkeep.speech.protocol import STRETCH_SECONDS_MAX, Progress, Span, Stretch


@dataclass(frozen=True, slots=True)
class StretchLimits:
    """How long stretches and the spans in them may be, in seconds."""

    stretch_seconds_max: float = STRETCH_SECONDS_MAX
    #: The pause to cut at is looked for in this much sound before the limit.
    look_back_seconds: float = 120.0
    #: A pause this long always ends a stretch, so that no engine is given long silence.
    pause_seconds_max: float = 30.0
    #: Speech without a pause is cut into spans of at most this length.
    span_seconds_max: float = 30.0


DEFAULT_LIMITS = StretchLimits()


def plan_stretches(
    pcm_path: Path, limits: StretchLimits = DEFAULT_LIMITS, progress: Progress = lambda _seconds: None
) -> list[Stretch]:
    """The stretches of an int16 mono 16 kHz file; none at all when nobody speaks.

    Raises `EngineError` when the file or the voice activity model cannot be read.
    """
    return cut(vad.hear(pcm_path, progress), limits)


def cut(hearing: vad.Hearing, limits: StretchLimits = DEFAULT_LIMITS) -> list[Stretch]:
    """The stretches of what was heard."""
    span_seconds_max = min(limits.span_seconds_max, limits.stretch_seconds_max)
    spans = [
        part
        for span in vad.spans_of_speech(hearing)
        for part in _split(span, hearing.loudness, span_seconds_max)
    ]
    stretches: list[Stretch] = []
    first = 0
    while first < len(spans):
        after = _end_of_stretch(spans, first, limits)
        speech = tuple(spans[first:after])
        stretches.append(Stretch(len(stretches), speech[0].start, speech[-1].end, speech))
        first = after
    return stretches


def _end_of_stretch(spans: Sequence[Span], first: int, limits: StretchLimits) -> int:
    """The index after the last span of the stretch that begins with span `first`."""
    start = spans[first].start
    after = first + 1
    while after < len(spans) and _pause_before(spans, after) < limits.pause_seconds_max:
        if round(spans[after].end - start, 3) > limits.stretch_seconds_max:
            return _best_cut(spans, first, after, limits)
        after += 1
    return after


def _best_cut(spans: Sequence[Span], first: int, after: int, limits: StretchLimits) -> int:
    """The index in `(first, after]` before which the pause is longest; the latest of equal ones."""
    earliest = spans[first].start + limits.stretch_seconds_max - limits.look_back_seconds
    near = [index for index in range(first + 1, after + 1) if spans[index - 1].end >= earliest] or [after]
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
