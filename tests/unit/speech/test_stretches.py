"""Where a recording is cut."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reelkeep.errors import EngineError
from reelkeep.speech import sound, stretches, vad
from reelkeep.speech.protocol import SAMPLE_RATE_HZ, STRETCH_SECONDS_MAX, Stretch
from reelkeep.speech.stretches import DEFAULT_LIMITS, Listener, Planner, StretchLimits, plan_stretches
from tests.fixtures.speech import MONOLOGUE, hum, say, silence, write_raw

WINDOW = vad.WINDOW_SECONDS


def heard(*parts: tuple[float, float], loudness: float = 0.1) -> vad.Hearing:
    """What is heard of (seconds of speech, seconds of pause) one after another."""
    curve: list[float] = []
    for speech, pause in parts:
        curve += [0.9] * round(speech / WINDOW) + [0.01] * round(pause / WINDOW)
    speech_curve = np.array(curve, dtype=np.float32)
    loud = np.where(speech_curve > 0.5, loudness, 0.001).astype(np.float32)
    return vad.Hearing(speech_curve, loud)


def seconds_of(hearing: vad.Hearing) -> float:
    """How long was listened."""
    return len(hearing.speech) * WINDOW


def cut(
    hearing: vad.Hearing, given_limits: StretchLimits = DEFAULT_LIMITS, windows: int = 0
) -> list[Stretch]:
    """The stretches of what was heard: at once, or so many windows at a time."""
    planner, settled = Planner(given_limits), []
    step = windows or len(hearing.speech) or 1
    for first in range(0, len(hearing.speech), step):
        part = slice(first, first + step)
        settled += planner.hear(vad.Hearing(hearing.speech[part], hearing.loudness[part]))
    return settled + planner.end(seconds_of(hearing))


# How fast a loaded machine is says nothing about the rule.
patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

parts = st.lists(st.tuples(st.floats(0.0, 60), st.floats(0.0, 40)), max_size=30)
limits = st.builds(
    StretchLimits,
    stretch_seconds_max=st.floats(5, 100),
    look_back_seconds=st.floats(1, 60),
    pause_seconds_max=st.floats(1, 50),
    span_seconds_max=st.floats(3, 40),
)


@settings(patient, max_examples=60)
@given(parts, limits)
def test_stretches_are_short_enough_sorted_apart_and_made_of_their_spans(
    given_parts: list[tuple[float, float]], given_limits: StretchLimits
) -> None:
    hearing = heard(*given_parts)
    planned = cut(hearing, given_limits)
    assert [stretch.index for stretch in planned] == list(range(len(planned)))
    for stretch in planned:
        assert round(stretch.duration_seconds, 3) <= given_limits.stretch_seconds_max
        assert (stretch.start_seconds, stretch.end_seconds) == (
            stretch.speech[0].start,
            stretch.speech[-1].end,
        )
        assert all(before.end <= after.start for before, after in pairwise(stretch.speech))
        assert all(0 <= span.start < span.end <= seconds_of(hearing) + 0.001 for span in stretch.speech)
    assert all(before.end_seconds <= after.start_seconds for before, after in pairwise(planned))


@settings(patient, max_examples=40)
@given(parts, limits)
def test_no_speech_is_lost_between_stretches(
    given_parts: list[tuple[float, float]], given_limits: StretchLimits
) -> None:
    hearing = heard(*given_parts)
    finder = vad.Spans()
    spans = finder.hear(hearing.speech) + finder.end(seconds_of(hearing))
    kept = [span for stretch in cut(hearing, given_limits) for span in stretch.speech]
    assert sum(span.end - span.start for span in kept) == pytest.approx(sum(s.end - s.start for s in spans))


@settings(patient, max_examples=60)
@given(parts, limits, st.integers(1, 2_000))
def test_stretches_told_while_listening_are_those_told_at_the_end(
    given_parts: list[tuple[float, float]], given_limits: StretchLimits, windows: int
) -> None:
    hearing = heard(*given_parts)
    assert cut(hearing, given_limits, windows) == cut(hearing, given_limits)


def test_a_stretch_is_told_long_before_the_recording_ends() -> None:
    hour = heard(*[(9.0, 1.0)] * 360)
    first = round(2 * STRETCH_SECONDS_MAX / WINDOW)
    told = Planner().hear(vad.Hearing(hour.speech[:first], hour.loudness[:first]))
    assert told == cut(hour)[: len(told)]
    assert told


@settings(patient, max_examples=20)
@given(parts)
def test_the_same_sound_gives_the_same_stretches(given_parts: list[tuple[float, float]]) -> None:
    assert cut(heard(*given_parts)) == cut(heard(*given_parts))


def test_the_longest_pause_near_the_limit_is_where_a_stretch_ends() -> None:
    sentence = (9.0, 1.0)
    hearing = heard(*[sentence] * 23, (9.0, 6.0), *[sentence] * 40)
    first = cut(hearing)[0]
    assert first.end_seconds == pytest.approx(24 * 9 + 23 + vad.PADDING_SECONDS, abs=1)
    assert first.duration_seconds < STRETCH_SECONDS_MAX - 50


def test_a_long_pause_far_from_the_limit_is_not_where_a_stretch_ends() -> None:
    sentence = (9.0, 1.0)
    hearing = heard(*[sentence] * 10, (9.0, 6.0), *[sentence] * 40)
    assert cut(hearing)[0].duration_seconds > STRETCH_SECONDS_MAX - stretches.DEFAULT_LIMITS.look_back_seconds


def test_speech_without_a_pause_is_cut_where_it_is_quietest() -> None:
    hearing = heard((100.0, 0.0))
    quiet_at = 25.0
    hearing.loudness[round(quiet_at / WINDOW)] = 0.0001
    spans = cut(hearing, StretchLimits(span_seconds_max=30))[0].speech
    assert spans[0].end == pytest.approx(quiet_at, abs=3 * WINDOW)


def test_speech_without_a_pause_still_gives_stretches_of_five_minutes_at_most() -> None:
    planned = cut(heard((1500.0, 0.0)))
    assert all(stretch.duration_seconds <= STRETCH_SECONDS_MAX for stretch in planned)
    assert len(planned) == 6
    assert planned[0].end_seconds == planned[1].start_seconds


def test_long_silence_belongs_to_no_stretch() -> None:
    planned = cut(heard((5.0, 300.0), (5.0, 10.0)))
    assert [round(stretch.duration_seconds) for stretch in planned] == [5, 6]
    assert planned[1].start_seconds == pytest.approx(305 - vad.PADDING_SECONDS, abs=0.1)


@pytest.mark.parametrize("quiet", [silence(20), hum(20), silence(0), silence(0.01)])
def test_a_recording_in_which_nobody_speaks_has_no_stretches(tmp_path: Path, quiet: np.ndarray) -> None:
    assert plan_stretches(write_raw(tmp_path / "quiet.raw", quiet)) == []


def test_real_speech_is_found_where_it_is(tmp_path: Path) -> None:
    spoken = say(MONOLOGUE)
    path = write_raw(tmp_path / "late.raw", silence(40), spoken, silence(40), spoken, silence(5))
    planned = plan_stretches(path)
    length = len(spoken) / SAMPLE_RATE_HZ
    assert [stretch.start_seconds for stretch in planned] == pytest.approx([40, 80 + length], abs=1)
    assert [stretch.end_seconds for stretch in planned] == pytest.approx(
        [40 + length, 80 + 2 * length], abs=1
    )


def test_listening_while_the_file_is_written_finds_what_listening_afterwards_finds(tmp_path: Path) -> None:
    spoken = say(MONOLOGUE)
    path = write_raw(tmp_path / "speech.raw", spoken, silence(40), spoken, silence(5), spoken, silence(20))
    listener, told = Listener(path), []
    samples = sound.sample_count(path)
    for so_far in range(0, samples, 100_003):
        told += listener.hear(so_far, is_all=False)
    assert listener.has_heard_speech
    assert told, "the first stretch is settled by the long pause after it"
    assert told + listener.hear(samples, is_all=True) == plan_stretches(path)


def test_listening_in_blocks_hears_what_listening_at_once_hears() -> None:
    pcm = say(MONOLOGUE)
    at_once, ear = vad.Ear().hear(pcm), vad.Ear()
    step = vad.WINDOW_SAMPLES * 7
    in_blocks = [ear.hear(pcm[first : first + step]) for first in range(0, len(pcm), step)]
    assert np.allclose(at_once.speech, np.concatenate([part.speech for part in in_blocks]), atol=1e-4)
    assert np.array_equal(at_once.loudness, np.concatenate([part.loudness for part in in_blocks]))


def test_listening_tells_how_far_it_is(monologue: Path) -> None:
    told: list[float] = []
    Listener(monologue).hear(sound.sample_count(monologue), is_all=True, progress=told.append)
    assert told[-1] == sound.duration_seconds(monologue) > 10


def test_a_file_that_is_gone_is_an_error_that_says_so(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="cannot be read"):
        plan_stretches(tmp_path / "gone.raw")


def test_half_a_sample_at_the_end_does_not_count(tmp_path: Path) -> None:
    path = write_raw(tmp_path / "odd.raw", silence(1))
    path.write_bytes(path.read_bytes() + b"\x01")
    assert sound.duration_seconds(path) == 1.0
