"""Transcripts written as text, SubRip and WebVTT."""

import html
import json
import re
from itertools import pairwise

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reelkeep.speech import formats
from reelkeep.speech.protocol import Segment, Word

# How fast a loaded machine is says nothing about the rule.
patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

SRT_TIMES = re.compile(r"(\d{2,}):(\d\d):(\d\d),(\d{3}) --> (\d{2,}):(\d\d):(\d\d),(\d{3})")
VTT_TIMES = re.compile(r"(\d{2,}):(\d\d):(\d\d)\.(\d{3}) --> (\d{2,}):(\d\d):(\d\d)\.(\d{3})")

seconds = st.floats(0, 400_000, allow_nan=False).map(lambda value: round(value, 3))
texts = st.text(max_size=60) | st.lists(
    st.sampled_from(["so", "what", "-->", "<i>", "&amp;", "\n\n", "well-known", "x" * 60, "\x00", "字幕"]),
    max_size=25,
).map(" ".join)


@st.composite
def segments(draw: st.DrawFn) -> list[Segment]:
    made = []
    for _ in range(draw(st.integers(0, 4))):
        start, end = sorted((draw(seconds), draw(seconds)))
        text = draw(texts)
        spoken = text.split() if draw(st.booleans()) else []
        step = (end - start) / max(1, len(spoken))
        words = [Word(start + at * step, start + (at + 1) * step, word) for at, word in enumerate(spoken)]
        made.append(Segment(start, end, text, tuple(words), speaker=draw(st.none() | st.just("S1") | texts)))
    return made


def parsed(file: str, times: re.Pattern[str]) -> list[tuple[float, float, list[str]]]:
    """The cues as a strict reader finds them: a blank line ends each, and a line of times begins it."""
    cues = []
    for block in filter(None, file.rstrip("\n").split("\n\n")):
        lines = block.split("\n")
        at = next((index for index, line in enumerate(lines[:2]) if "-->" in line), None)
        if at is None:
            assert block == "WEBVTT"
            continue
        found = times.fullmatch(lines[at])
        assert found, lines[at]
        numbers = [int(group) for group in found.groups()]
        start, end = (
            (hour * 3600 + minute * 60 + second) + milliseconds / 1000
            for hour, minute, second, milliseconds in (numbers[:4], numbers[4:])
        )
        cues.append((start, end, lines[at + 1 :]))
    return cues


def letters(text: str) -> str:
    return "".join(formats.plain(text).split())


@patient
@given(segments())
def test_every_word_is_in_the_webvtt_file_once_and_in_order(given_segments: list[Segment]) -> None:
    file = formats.to_vtt([Segment(s.start, s.end, s.text, s.words) for s in given_segments])
    shown = "".join(html.unescape(line) for _, _, lines in parsed(file, VTT_TIMES) for line in lines)
    ordered = sorted(given_segments, key=lambda segment: (segment.start, segment.end))
    assert letters(shown) == letters(" ".join(segment.text for segment in ordered))


@patient
@given(segments())
def test_no_cue_of_a_webvtt_file_holds_raw_markup(given_segments: list[Segment]) -> None:
    for _, _, lines in parsed(formats.to_vtt(given_segments), VTT_TIMES):
        without_voice = re.sub(r"^<v [^<>\n]+>", "", lines[0])
        assert not re.search(r"[<>]|&(?!amp;|lt;|gt;)", without_voice + "".join(lines[1:]))


@patient
@given(segments())
def test_cues_are_short_never_empty_and_never_end_before_they_begin(given_segments: list[Segment]) -> None:
    for file, times in (
        (formats.to_srt(given_segments), SRT_TIMES),
        (formats.to_vtt(given_segments), VTT_TIMES),
    ):
        for start, end, lines in parsed(file, times):
            assert start < end
            assert 1 <= len(lines) <= formats.CUE_LINES_MAX
            assert all(line.strip() for line in lines)
    for cue in formats.cues(given_segments):
        assert all(len(line) <= formats.LINE_CHARACTERS_MAX for line in cue.lines)


@patient
@given(segments())
def test_subrip_cues_are_numbered_from_one(given_segments: list[Segment]) -> None:
    blocks = [block for block in formats.to_srt(given_segments).rstrip("\n").split("\n\n") if block]
    assert [block.split("\n")[0] for block in blocks] == [str(number + 1) for number in range(len(blocks))]


@patient
@given(segments())
def test_plain_data_survives_json(given_segments: list[Segment]) -> None:
    data = formats.to_data(given_segments)
    assert json.loads(json.dumps(data, allow_nan=False)) == [
        {**segment, "words": list(segment["words"])} for segment in data
    ]


def test_long_speech_is_cut_into_cues_at_the_times_of_its_words() -> None:
    spoken = [f"word{index:02}" for index in range(24)]
    words = tuple(Word(10.0 + index, 10.5 + index, word) for index, word in enumerate(spoken))
    cues = list(formats.cues([Segment(10.0, 34.0, " ".join(spoken), words)]))
    assert len(cues) == 2
    shown_first = " ".join(cues[0].lines).split()
    assert (cues[0].start, cues[0].end) == (10.0, 10.0 + len(shown_first) - 0.5)
    assert cues[1].start == 10.0 + len(shown_first)


def test_without_word_times_a_cue_gets_its_share_of_the_segment() -> None:
    cues = list(formats.cues([Segment(0.0, 100.0, " ".join(["abcd"] * 40))]))
    assert cues[0].start == 0.0
    assert cues[-1].end == 100.0
    assert all(before.end <= after.start + 1 for before, after in pairwise(cues))


def test_timestamps_carry_over_and_hours_grow() -> None:
    assert formats.timestamp(59.9996, ",") == "00:01:00,000"
    assert formats.timestamp(3661.0015, ".") == "01:01:01.002"
    assert formats.timestamp(360_000.0, ".") == "100:00:00.000"


def test_a_subrip_file_reads_as_players_expect() -> None:
    given_segments = [Segment(0.0, 1.5, "Hello --> there", speaker="S1"), Segment(2.0, 3.0, "Bye")]
    assert formats.to_srt(given_segments) == (
        "1\n00:00:00,000 --> 00:00:01,500\nS1: Hello → there\n\n2\n00:00:02,000 --> 00:00:03,000\nBye\n"
    )


def test_a_webvtt_file_names_voices_and_escapes() -> None:
    given_segments = [Segment(0.0, 1.5, "a < b & c --> d", speaker="Dr. <X>")]
    assert formats.to_vtt(given_segments) == (
        "WEBVTT\n\n00:00:00.000 --> 00:00:01.500\n<v Dr. &lt;X&gt;>a &lt; b &amp; c --&gt; d\n"
    )


def test_an_empty_transcript_is_still_a_valid_file() -> None:
    assert formats.to_vtt([]) == "WEBVTT\n"
    assert formats.to_srt([]) == ""
    assert formats.to_text([]) == ""


def test_plain_text_names_a_speaker_only_where_one_begins() -> None:
    spoken = [("S1", "one"), ("S1", "two\nthree"), ("S2", "four"), (None, "five")]
    text = formats.to_text([Segment(0, 1, words, speaker=speaker) for speaker, words in spoken])
    assert text == "S1: one\ntwo three\nS2: four\nfive\n"
