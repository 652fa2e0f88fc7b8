"""What every speech engine keeps, whatever its maker; each is really loaded and really run."""

import json
import tracemalloc
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from reelkeep.errors import EngineError, ErrorCode
from reelkeep.speech.protocol import (
    SAMPLE_RATE_HZ,
    Engine,
    EngineSpec,
    LoadedEngine,
    Options,
    Ready,
    Segment,
    Span,
    StretchResult,
    Word,
)
from reelkeep.speech.registry import build
from reelkeep.speech.stretches import plan_stretches
from reelkeep.speech.timeline import spans_in
from tests.fixtures.speech import (
    MONOLOGUE,
    SENTENCES,
    TINY_WHISPER_EXTRA,
    decode,
    real_speech_dir,
    say,
    silence,
    tiny_whisper_dir,
    write_raw,
)
from tests.fixtures.wer import word_error_rate

JFK = (
    "And so, my fellow Americans, ask not what your country can do for you, "
    "ask what you can do for your country."
)


def specs() -> Iterator[EngineSpec]:
    yield EngineSpec("fake")
    yield EngineSpec("pocketsphinx")
    yield EngineSpec("faster-whisper", str(tiny_whisper_dir()), device="cpu", extra=TINY_WHISPER_EXTRA)


@pytest.fixture(scope="module", params=["fake", "pocketsphinx", "faster-whisper"])
def engine(request: pytest.FixtureRequest) -> Engine:
    return next(build(spec) for spec in specs() if spec.engine == request.param)


@pytest.fixture(scope="module")
def loaded(engine: Engine) -> LoadedEngine:
    return engine.load()


def words_of(result: StretchResult) -> list[Word]:
    return [word for segment in result.segments for word in segment.words]


def times_of(result: StretchResult) -> list[Segment | Word]:
    return [*result.segments, *words_of(result)]


def test_it_says_what_it_is_and_that_it_is_ready(engine: Engine) -> None:
    assert isinstance(engine.check(), Ready)
    assert engine.facts.name == engine.spec.engine
    assert build(EngineSpec(**asdict(engine.spec))) == engine


def test_times_are_in_order_and_inside_the_stretch(loaded: LoadedEngine) -> None:
    pcm = say(SENTENCES[0])
    result = loaded.transcribe(pcm, Options())
    assert result.segments
    assert [segment.start for segment in result.segments] == sorted(s.start for s in result.segments)
    for piece in times_of(result):
        assert 0 <= piece.start <= piece.end <= len(pcm) / SAMPLE_RATE_HZ
        assert piece.text == piece.text.strip() != ""


def test_numbers_are_plain_python_so_that_json_can_hold_them(loaded: LoadedEngine) -> None:
    result = loaded.transcribe(say(SENTENCES[0]), Options())
    json.dumps(asdict(result), allow_nan=False)
    for piece in times_of(result):
        assert type(piece.start) is float
        assert type(piece.end) is float
        assert piece.confidence is None or type(piece.confidence) is float
        assert piece.confidence is None or 0 <= piece.confidence <= 1


def test_the_same_sound_gives_the_same_words_whatever_came_before(loaded: LoadedEngine) -> None:
    pcm = say(SENTENCES[1])
    first = loaded.transcribe(pcm, Options())
    loaded.transcribe(say(SENTENCES[2], "rms"), Options())
    assert loaded.transcribe(pcm, Options()) == first


def test_only_the_speech_that_it_is_told_of_is_heard(loaded: LoadedEngine) -> None:
    one, other = say(SENTENCES[0]), say(SENTENCES[3])
    gap = silence(8)
    end = len(one) / SAMPLE_RATE_HZ
    start = end + len(gap) / SAMPLE_RATE_HZ
    spans = [Span(0.0, end), Span(start, start + len(other) / SAMPLE_RATE_HZ)]
    told: list[float] = []
    result = loaded.transcribe(np.concatenate([one, gap, other]), Options(), spans, told.append)
    assert result.segments
    for segment in result.segments:
        assert segment.start <= end + 0.1 or segment.start >= start - 0.1
    assert told
    assert told[-1] == pytest.approx(spans[-1].end)


def test_silence_gives_no_segment_with_words_of_a_language(engine: Engine, loaded: LoadedEngine) -> None:
    result = loaded.transcribe(silence(2), Options())
    # The random model hears words everywhere; what it must not do is to be sure of their language.
    assert result.language is None
    assert result.segments == () or engine.spec.engine == "faster-whisper"


def test_a_moment_of_sound_is_no_error(loaded: LoadedEngine) -> None:
    for samples in (0, 1, 100, 2_000):
        assert loaded.transcribe(silence(1)[:samples], Options()).language is None


def test_pocketsphinx_makes_few_errors_on_clear_speech(tmp_path: Path) -> None:
    recogniser = build(EngineSpec("pocketsphinx")).load()
    errors = [
        word_error_rate(
            MONOLOGUE, _transcribed(recogniser, write_raw(tmp_path / voice, say(MONOLOGUE, voice)))
        )
        for voice in ("slt", "rms")
    ]
    assert max(errors) <= 0.10


@pytest.mark.parametrize("file", ["jfk.flac"])
def test_pocketsphinx_understands_a_real_recording(file: str, tmp_path: Path) -> None:
    folder = real_speech_dir()
    if folder is None:
        # Real recordings are a second source, used where they are; the test above needs none.
        return
    raw = write_raw(tmp_path / "real.raw", decode(folder / file))
    assert word_error_rate(JFK, _transcribed(build(EngineSpec("pocketsphinx")).load(), raw)) <= 0.30


def test_pocketsphinx_text_is_bare_words() -> None:
    result = build(EngineSpec("pocketsphinx")).load().transcribe(say(MONOLOGUE), Options(prompt="fox"))
    text = " ".join(segment.text for segment in result.segments)
    assert text == " ".join(word.text for word in words_of(result))
    assert text == text.lower()
    assert not set("<>()[]") & set(text)
    assert result.language == "en"
    assert result.warnings == ("prompt_ignored",)


@pytest.mark.parametrize("name", ["pocketsphinx", "faster-whisper"])
def test_a_language_that_the_model_does_not_know_is_refused(name: str) -> None:
    recogniser = next(build(spec) for spec in specs() if spec.engine == name).load()
    with pytest.raises(EngineError) as refused:
        recogniser.transcribe(say(SENTENCES[0]), Options(language="xx"))
    assert refused.value.code == ErrorCode.ENGINE_NOT_READY


def test_whisper_says_the_language_that_it_was_told() -> None:
    recogniser = next(build(spec) for spec in specs() if spec.engine == "faster-whisper").load()
    result = recogniser.transcribe(say(SENTENCES[0]), Options(language="de"))
    assert result.language == "de"
    assert result.language_probability is None


def test_whisper_draws_the_same_lots_after_each_load() -> None:
    extra = {**TINY_WHISPER_EXTRA, "temperature": "0.9", "best_of": "1"}
    engine = build(EngineSpec("faster-whisper", str(tiny_whisper_dir()), device="cpu", extra=extra))
    found = [engine.load().transcribe(say(SENTENCES[0]), Options()) for _ in range(2)]
    assert found[0] == found[1]


def test_whisper_is_not_given_long_silence_and_hears_long_stretches_in_parts() -> None:
    recogniser = next(build(spec) for spec in specs() if spec.engine == "faster-whisper").load()
    part = np.concatenate([say(MONOLOGUE), silence(20)])
    seconds = len(part) / SAMPLE_RATE_HZ
    spans = [Span(index * seconds, (index + 1) * seconds - 20) for index in range(6)]
    told: list[float] = []
    result = recogniser.transcribe(np.concatenate([part] * 6), Options(), spans, told.append)
    assert len(told) == 2
    for segment in result.segments:
        assert any(span.start - 0.1 <= segment.start <= span.end + 0.1 for span in spans), segment


def test_whisper_needs_little_memory_for_as_much_as_it_hears_at_once() -> None:
    recogniser = next(build(spec) for spec in specs() if spec.engine == "faster-whisper").load()
    pcm = np.resize(say(MONOLOGUE), 110 * SAMPLE_RATE_HZ)
    tracemalloc.start()
    try:
        recogniser.transcribe(pcm, Options(language="en"))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 12 * pcm.nbytes


def test_a_broken_model_is_an_error_that_names_it(tmp_path: Path) -> None:
    for file in tiny_whisper_dir().iterdir():
        if file.name != "model.bin":
            (tmp_path / file.name).symlink_to(file)
    (tmp_path / "model.bin").write_bytes(b"\x00" * 4_096)
    with pytest.raises(EngineError, match=tmp_path.name) as refused:
        build(EngineSpec("faster-whisper", str(tmp_path), device="cpu")).load()
    assert refused.value.code == ErrorCode.ENGINE_NOT_READY


def _transcribed(recogniser: LoadedEngine, raw: Path) -> str:
    pcm = np.fromfile(raw, dtype="<i2")
    texts = []
    for stretch in plan_stretches(raw):
        first, after = (round(at * SAMPLE_RATE_HZ) for at in (stretch.start_seconds, stretch.end_seconds))
        result = recogniser.transcribe(pcm[first:after], Options(), spans_in(stretch))
        texts += [segment.text for segment in result.segments]
    return " ".join(texts)
