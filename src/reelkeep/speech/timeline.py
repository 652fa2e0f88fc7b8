"""Moves times between a stretch and its recording."""

from collections.abc import Iterable
from dataclasses import replace

from reelkeep.speech.protocol import Segment, Span, Stretch, StretchResult, Word


def spans_in(stretch: Stretch) -> list[Span]:
    """Where speech is, in seconds from the stretch's own start."""
    offset = stretch.start_seconds
    return [Span(round(span.start - offset, 3), round(span.end - offset, 3)) for span in stretch.speech]


def in_recording(result: StretchResult, stretch: Stretch) -> StretchResult:
    """The result with times from the recording's start: sorted, and all of them inside the stretch."""
    segments = sorted(_moved_segments(result.segments, stretch), key=lambda found: (found.start, found.end))
    return replace(result, segments=tuple(segments))


def _moved_segments(segments: Iterable[Segment], stretch: Stretch) -> Iterable[Segment]:
    for segment in segments:
        words = sorted(_moved_words(segment.words, stretch), key=lambda word: (word.start, word.end))
        start, end = _moved(segment.start, segment.end, stretch)
        yield replace(segment, start=start, end=end, words=tuple(words))


def _moved_words(words: Iterable[Word], stretch: Stretch) -> Iterable[Word]:
    for word in words:
        start, end = _moved(word.start, word.end, stretch)
        yield replace(word, start=start, end=end)


def _moved(start: float, end: float, stretch: Stretch) -> tuple[float, float]:
    first = _within(start, stretch)
    return first, max(first, _within(end, stretch))


def _within(seconds: float, stretch: Stretch) -> float:
    moved = round(stretch.start_seconds + seconds, 3)
    return min(max(moved, stretch.start_seconds), stretch.end_seconds)
