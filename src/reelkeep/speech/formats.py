"""Writes a transcript as plain text, SubRip (.srt), WebVTT (.vtt) and plain data.

SubRip has no standard; players agree on what is written here. WebVTT: https://www.w3.org/TR/webvtt1/.
"""

import textwrap
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from reelkeep.speech.protocol import Segment

# What subtitles are commonly kept to, so that they can be read in time and fit under a picture.
LINE_CHARACTERS_MAX = 42
CUE_LINES_MAX = 2
CUE_SECONDS_MIN = 0.001

SRT_TYPE = "application/x-subrip"
VTT_TYPE = "text/vtt; charset=utf-8"
TXT_TYPE = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Cue:
    """What is shown at once, in at most two lines; times in seconds."""

    start: float
    end: float
    lines: tuple[str, ...]
    speaker: str | None = None


def to_text(segments: Iterable[Segment]) -> str:
    """The words alone: one segment a line; a speaker is named where one begins to speak."""
    lines: list[str] = []
    before: str | None = None
    for segment in segments:
        text = plain(segment.text)
        if not text:
            continue
        changed = segment.speaker is not None and segment.speaker != before
        lines.append(f"{plain(segment.speaker or '')}: {text}" if changed else text)
        before = segment.speaker
    return "".join(f"{line}\n" for line in lines)


def to_srt(segments: Iterable[Segment]) -> str:
    """SubRip: numbered cues with comma before the milliseconds; the speaker stands before the words."""
    blocks = []
    for number, cue in enumerate(cues(segments, spoken_by), start=1):
        times = f"{timestamp(cue.start, ',')} --> {timestamp(cue.end, ',')}"
        # SubRip cannot escape: an arrow in the words would be read as a line of times.
        lines = "\n".join(line.replace("-->", "→") for line in cue.lines)
        blocks.append(f"{number}\n{times}\n{lines}\n")
    return "\n".join(blocks)


def to_vtt(segments: Iterable[Segment]) -> str:
    """WebVTT: the speaker is the cue's voice."""
    blocks = ["WEBVTT\n"]
    for cue in cues(segments):
        times = f"{timestamp(cue.start, '.')} --> {timestamp(cue.end, '.')}"
        voice = f"<v {_escaped(plain(cue.speaker))}>" if cue.speaker and plain(cue.speaker) else ""
        lines = "\n".join(_escaped(line) for line in cue.lines)
        blocks.append(f"{times}\n{voice}{lines}\n")
    return "\n".join(blocks)


def to_data(segments: Iterable[Segment]) -> list[dict[str, Any]]:
    """Segments with their words as data that JSON can hold."""
    return [asdict(segment) for segment in segments]


def spoken_by(segment: Segment) -> str:
    """The words with their speaker before them, where there is one."""
    speaker = plain(segment.speaker or "")
    return f"{speaker}: {segment.text}" if speaker else segment.text


def cues(
    segments: Iterable[Segment], words_of: Callable[[Segment], str] = lambda segment: segment.text
) -> Iterator[Cue]:
    """The segments cut into what can be read at once, in the order of their times."""
    for segment in sorted(segments, key=lambda segment: (segment.start, segment.end)):
        text = plain(words_of(segment))
        lines = textwrap.wrap(text, LINE_CHARACTERS_MAX, break_on_hyphens=False)
        clock = _Clock(segment, text)
        position = 0
        for first in range(0, len(lines), CUE_LINES_MAX):
            shown = lines[first : first + CUE_LINES_MAX]
            begin = text.index(shown[0], position)
            position = text.index(shown[-1], begin + sum(map(len, shown[:-1]))) + len(shown[-1])
            start, end = clock.times(begin, position)
            yield Cue(start, max(end, start + CUE_SECONDS_MIN), tuple(shown), segment.speaker)


def plain(text: str) -> str:
    """The text on one line: no control characters, and one blank wherever there was blank space."""
    kept = (" " if unicodedata.category(character) == "Cc" else character for character in text)
    return " ".join("".join(kept).split())


def timestamp(seconds: float, separator: str) -> str:
    """`HH:MM:SS` and milliseconds after the separator; hours grow as they need."""
    milliseconds = max(0, round(seconds * 1_000))
    whole, fraction = divmod(milliseconds, 1_000)
    minutes, second = divmod(whole, 60)
    hour, minute = divmod(minutes, 60)
    return f"{hour:02}:{minute:02}:{second:02}{separator}{fraction:03}"


def _escaped(text: str) -> str:
    # Escaping ">" also keeps "-->" out of the words, which would end the cue.
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


class _Clock:
    """Tells when a part of a segment's text is spoken: by its words' times, else by its share of letters."""

    def __init__(self, segment: Segment, text: str) -> None:
        self._segment = segment
        self._length = max(1, len(text))
        self._words = list(_located(segment, text))

    def times(self, begin: int, end: int) -> tuple[float, float]:
        inside = [(start, stop) for at, start, stop in self._words if begin <= at < end]
        if inside:
            return inside[0][0], inside[-1][1]
        return self._share(begin), self._share(end)

    def _share(self, position: int) -> float:
        segment = self._segment
        return segment.start + (segment.end - segment.start) * position / self._length


def _located(segment: Segment, text: str) -> Iterator[tuple[int, float, float]]:
    """Where in the text each word begins, with its times."""
    position = 0
    for word in segment.words:
        spoken = plain(word.text)
        at = text.find(spoken, position)
        if spoken and at >= 0:
            yield at, word.start, word.end
            position = at + len(spoken)
