"""`reelkeep recordings`: list, show, export, delete, restore, rerun."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.service.cli.conftest import CommandLine

NOBODY = "00000000-0000-0000-0000-000000000000"


@pytest.fixture(scope="module")
def recording(used: CommandLine, spoken: Path) -> Any:
    """A transcribed recording."""
    return used.ok("add", spoken, "--wait", "--json", "--title", "Greeting").json


def test_a_list_is_newest_first_with_state_length_age_and_title(used: CommandLine, recording: Any) -> None:
    lines = used.ok("recordings", "list").out.splitlines()
    assert lines[0].split() == ["ID", "STATE", "LENGTH", "AGE", "TITLE"]
    row = next(line for line in lines if recording["id"] in line)
    assert "transcribed" in row
    assert "Greeting" in row
    page = used.ok("recordings", "list", "--search", "greet", "--status", "transcribed", "--json").json
    assert [item["id"] for item in page["items"]] == [recording["id"]]
    assert used.ok("recordings", "list", "--status", "failed", "--json").json["items"] == []


def test_show_has_the_shape_of_the_api_and_the_transcript_when_asked(
    used: CommandLine, recording: Any
) -> None:
    plain = used.ok("recordings", "show", recording["id"], "--json").json
    assert plain == {name: value for name, value in recording.items() if name != "transcript"}
    assert used.ok("recordings", "show", recording["id"], "--transcript", "--json").json == recording
    told = used.ok("recordings", "show", recording["id"], "--transcript").out
    assert recording["transcript_text"].splitlines()[0] in told
    assert "playback" in told


@pytest.mark.parametrize(("form", "begins"), [("srt", "1\n00:00:"), ("vtt", "WEBVTT\n"), ("json", "{")])
def test_a_transcript_is_exported_in_the_common_formats(
    used: CommandLine, recording: Any, form: str, begins: str, tmp_path: Path
) -> None:
    target = tmp_path / f"words.{form}"
    assert used.ok("recordings", "export", recording["id"], "--format", form).out.startswith(begins)
    told = used.ok("recordings", "export", recording["id"], "--format", form, "-o", target, "--json").json
    assert target.read_text().startswith(begins)
    assert told["size_bytes"] == target.stat().st_size


def test_the_original_comes_back_byte_for_byte(
    used: CommandLine, recording: Any, spoken: Path, tmp_path: Path
) -> None:
    target = tmp_path / "original.wav"
    told = used.ok(
        "recordings", "export", recording["id"], "--format", "original", "-o", target, "--json"
    ).json
    assert target.read_bytes() == spoken.read_bytes()
    assert told["sha256"] == recording["sha256"]


def test_an_original_that_was_damaged_in_the_store_is_not_kept(
    used: CommandLine, spoken: Path, tmp_path: Path
) -> None:
    added = used.ok("add", spoken, "--json").json
    original = spoken.read_bytes()
    (damaged,) = [
        path
        for path in (used.data / "stores" / "local").rglob("*")
        if added["id"] in str(path) and path.is_file() and path.read_bytes() == original
    ]
    damaged.write_bytes(original[:-1] + bytes([original[-1] ^ 0xFF]))
    target = tmp_path / "original.wav"
    ran = used("recordings", "export", added["id"], "--format", "original", "-o", target, "--json")
    assert ran.code == 1
    assert ran.json["error_code"] == "WRONG_BYTES"
    assert list(tmp_path.iterdir()) == []


def test_a_deleted_recording_is_in_the_trash_until_it_is_restored(used: CommandLine, spoken: Path) -> None:
    added = used.ok("add", spoken, "--json").json["id"]
    assert used.ok("recordings", "delete", added, "--json").json["is_deleted"] is True
    listed = used.ok("recordings", "list", "--json").json["items"]
    assert added not in [item["id"] for item in listed]
    assert added in used.ok("recordings", "list", "--deleted").out
    assert used("recordings", "export", added).code == 3
    assert used.ok("recordings", "restore", added, "--json").json["is_deleted"] is False
    assert added in used.ok("recordings", "list").out


def test_a_step_is_done_again(used: CommandLine, recording: Any) -> None:
    again = used.ok("recordings", "rerun", recording["id"], "transcribe", "--wait", "--json").json
    assert again["transcript"]["version"] == recording["transcript"]["version"] + 1
    unknown = used("recordings", "rerun", recording["id"], "transcribe", "--engine", "ears", "--json")
    assert (unknown.code, unknown.json["error_code"]) == (2, "ENGINE_UNKNOWN")


def test_what_is_not_there_and_what_is_not_ready_have_codes_of_their_own(
    used: CommandLine, spoken: Path
) -> None:
    for wrong in (NOBODY, "nonsense"):
        ran = used("recordings", "show", wrong, "--json")
        assert ran.code == 3
        assert set(ran.json) == {"message", "error_code", "details"}
    waiting = used.ok("add", spoken, "--json").json["id"]
    ran = used("recordings", "export", waiting, "--json")
    assert (ran.code, ran.json["error_code"]) == (4, "TRANSCRIPT_NOT_READY")
    told = used("recordings", "export", waiting)
    assert (told.code, told.out) == (4, "")
    assert "Traceback" not in told.notes
    assert "TRANSCRIPT_NOT_READY" in told.notes


def test_another_organization_must_be_there(used: CommandLine, recording: Any) -> None:
    name = "Default organization"
    assert recording["id"] in used.ok("recordings", "list", "--organization", name).out
    ran = used("recordings", "list", "--organization", "Nowhere clinic", "--json")
    assert ran.code == 3
    assert json.loads(ran.out)["details"]["organizations"] == [name]
