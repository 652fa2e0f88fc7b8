"""Times of a stretch and times of its recording."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reelkeep.speech import timeline, wire
from reelkeep.speech.protocol import Options, Segment, Span, Stretch, StretchResult, Word

# How fast a loaded machine is says nothing about the rule.
patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

seconds = st.floats(-20, 700, allow_nan=False)
segments = st.builds(
    Segment,
    start=seconds,
    end=seconds,
    text=st.text(max_size=20),
    words=st.lists(st.builds(Word, start=seconds, end=seconds, text=st.text(max_size=8)), max_size=4).map(
        tuple
    ),
    confidence=st.none() | st.floats(0, 1),
)
results = st.builds(
    StretchResult,
    segments=st.lists(segments, max_size=6).map(tuple),
    language=st.none() | st.just("en"),
    warnings=st.just(("prompt_ignored",)),
)
stretches = st.builds(
    lambda start, length: Stretch(
        3, start, round(start + length, 3), (Span(start, round(start + length, 3)),)
    ),
    st.floats(0, 90_000).map(lambda value: round(value, 3)),
    st.floats(0.1, 600),
)


@patient
@given(results, stretches)
def test_times_in_a_recording_are_inside_the_stretch_sorted_and_never_backwards(
    result: StretchResult, stretch: Stretch
) -> None:
    moved = timeline.in_recording(result, stretch).segments
    assert len(moved) == len(result.segments)
    assert [segment.start for segment in moved] == sorted(segment.start for segment in moved)
    for piece in (*moved, *(word for segment in moved for word in segment.words)):
        assert stretch.start_seconds <= piece.start <= piece.end <= stretch.end_seconds


def test_a_word_is_heard_at_the_stretch_s_start_plus_its_own_time() -> None:
    found = StretchResult((Segment(1.0, 2.0, "hello", (Word(1.0, 2.0, "hello"),)),))
    moved = timeline.in_recording(found, Stretch(1, 600.5, 700.0)).segments[0]
    assert (moved.start, moved.end, moved.words[0].start) == (601.5, 602.5, 601.5)


def test_spans_are_told_to_the_engine_from_the_stretch_s_start() -> None:
    stretch = Stretch(0, 100.0, 110.0, (Span(100.0, 104.0), Span(105.5, 110.0)))
    assert timeline.spans_in(stretch) == [Span(0.0, 4.0), Span(5.5, 10.0)]


@patient
@given(results, stretches)
def test_what_is_said_over_the_wire_comes_out_the_same(result: StretchResult, stretch: Stretch) -> None:
    from dataclasses import asdict

    assert wire.result_from(wire.decode(wire.encode(asdict(result)))) == result
    assert wire.stretch_from(wire.decode(wire.encode(asdict(stretch)))) == stretch
    options = Options(language="en", prompt="Zoë")
    assert wire.options_from(wire.decode(wire.encode(asdict(options)))) == options
