"""Which engine is taken, and what is said about it."""

from pathlib import Path

import pytest

from reelkeep.errors import EngineError, ErrorCode
from reelkeep.speech.choose import choose
from reelkeep.speech.protocol import EngineSpec, Missing, Ready
from reelkeep.speech.registry import build, known_engines


def test_auto_takes_the_best_that_is_ready_and_says_why_not_the_better_one() -> None:
    chosen = choose("auto", known_engines())
    assert chosen.engine.facts.name == "pocketsphinx"
    assert "basic, English" in chosen.why
    assert "faster-whisper was passed over: no model directory is set" in chosen.why
    (name, missing) = chosen.passed_over[0]
    assert name == "faster-whisper"
    assert "CTranslate2" in missing.fix


def test_auto_takes_faster_whisper_when_it_has_a_model(tiny_whisper_model: Path) -> None:
    chosen = choose("auto", known_engines(model_dir=str(tiny_whisper_model)))
    assert chosen.engine.facts.name == "faster-whisper"
    assert chosen.ready.model == tiny_whisper_model.name
    assert chosen.passed_over == ()


def test_auto_passes_over_an_engine_that_does_not_know_the_language() -> None:
    with pytest.raises(EngineError, match="de was asked for") as refused:
        choose("auto", known_engines(), language="de")
    assert refused.value.code == ErrorCode.ENGINE_NOT_READY


def test_an_engine_asked_for_by_name_is_never_replaced_by_another() -> None:
    with pytest.raises(EngineError, match="model directory") as refused:
        choose("faster-whisper", known_engines())
    assert refused.value.code == ErrorCode.ENGINE_NOT_READY
    assert refused.value.details["engines"]["faster-whisper"]["fix"]


def test_an_unknown_engine_is_refused_with_the_names_of_the_known_ones() -> None:
    with pytest.raises(EngineError, match="faster-whisper, pocketsphinx") as refused:
        choose("wisper", known_engines())
    assert refused.value.code == ErrorCode.ENGINE_UNKNOWN
    with pytest.raises(EngineError) as refused:
        build(EngineSpec("wisper"))
    assert refused.value.code == ErrorCode.ENGINE_UNKNOWN
    assert "fake" not in refused.value.details["known"]


def test_the_fake_engine_is_reached_by_name_only() -> None:
    assert choose("fake", known_engines(with_fake=True)).engine.facts.name == "fake"
    only_fake = [engine for engine in known_engines(with_fake=True) if engine.facts.name == "fake"]
    with pytest.raises(EngineError):
        choose("auto", only_fake)
    assert all(engine.facts.name != "fake" for engine in known_engines())


def checked(model_dir: Path, **settings: str) -> Ready | Missing:
    return build(EngineSpec("faster-whisper", model_dir=str(model_dir), **settings)).check()


@pytest.mark.parametrize("absent", ["model.bin", "tokenizer.json", "config.json", "vocabulary.json"])
def test_a_model_directory_with_a_file_missing_is_named_before_the_library_can_ask_a_hub(
    absent: str, tiny_whisper_model: Path, tmp_path: Path
) -> None:
    for file in tiny_whisper_model.iterdir():
        if file.name != absent:
            (tmp_path / file.name).symlink_to(file)
    found = checked(tmp_path)
    assert isinstance(found, Missing)
    assert absent in found.reason
    with pytest.raises(EngineError, match=absent):
        build(EngineSpec("faster-whisper", model_dir=str(tmp_path))).load()


def test_a_hub_name_is_not_a_model_directory() -> None:
    found = checked(Path("Systran/faster-whisper-small"))
    assert isinstance(found, Missing)
    assert "does not exist" in found.reason


def test_a_pointer_that_git_left_in_place_of_the_model_is_recognised(
    tiny_whisper_model: Path, tmp_path: Path
) -> None:
    for file in tiny_whisper_model.iterdir():
        if file.name != "model.bin":
            (tmp_path / file.name).symlink_to(file)
    (tmp_path / "model.bin").write_text("version https://git-lfs.github.com/spec/v1\n")
    found = checked(tmp_path)
    assert isinstance(found, Missing)
    assert "git lfs pull" in found.fix


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"device": "tpu"}, "unknown"),
        ({"device": "cpu", "compute_type": "float16"}, "NVIDIA"),
        ({"extra": {"beam": "1"}}, "beam"),
        ({"extra": {"beam_size": "many"}}, "many"),
    ],
)
def test_settings_that_do_not_fit_are_named(tiny_whisper_model: Path, settings: dict, reason: str) -> None:
    found = checked(tiny_whisper_model, **settings)
    assert isinstance(found, Missing)
    assert reason in found.reason
