"""`reelkeep watch`: every file of a folder becomes one recording, whatever happens meanwhile."""

import contextlib
import json
import os
import random
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures.media import beeps, wav
from tests.service.cli.conftest import CommandLine, Ran, wait_for

QUICK = ("--settle", "0.2", "--no-transcribe")
SOUND = wav(beeps(1))


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    """A folder to watch."""
    folder = tmp_path / "in box"
    folder.mkdir()
    return folder


def sound(seconds: float) -> bytes:
    """A file that no other length has."""
    return wav(beeps(seconds))


def recordings(used: CommandLine, organization: str | None = None) -> list[dict[str, Any]]:
    """All recordings there are."""
    named = ("--organization", organization) if organization else ()
    items: list[dict[str, Any]] = used.ok("recordings", "list", "--limit", "200", "--json", *named).json[
        "items"
    ]
    return items


def named(used: CommandLine, prefix: str) -> list[dict[str, Any]]:
    """The recordings of files whose names begin so."""
    return [one for one in recordings(used) if one["original_filename"].startswith(prefix)]


def lines(ran: Ran) -> dict[str, dict[str, Any]]:
    """What was told of each file."""
    return {line["file"]: line for line in map(json.loads, ran.out.splitlines())}


def watch_once(used: CommandLine, inbox: Path, *more: object) -> Ran:
    """Take what is there."""
    return used("watch", inbox, "--once", "--json", *QUICK, *more)


def left(folder: Path) -> list[str]:
    """Names in a folder, hidden ones too."""
    return sorted(one.name for one in folder.iterdir())


def test_files_become_recordings_and_move_and_what_is_none_moves_with_the_reason(
    used: CommandLine, inbox: Path
) -> None:
    names = ["one Ünï-\N{SNOWMAN}.wav", "-rf *.wav", "q\"uo'te.wav", "new\nline.wav", "no ending"]
    for number, name in enumerate(names):
        (inbox / name).write_bytes(sound(1 + number / 10))
    (inbox / "no ending").rename(inbox / os.fsdecode(b"byte\xff.wav"))
    (inbox / "notes.txt").write_text("no sound at all")
    (inbox / "empty.wav").touch()
    (inbox / ".hidden.wav").write_bytes(SOUND)
    (inbox / "coming.wav.part").write_bytes(SOUND)
    (inbox / "link.wav").symlink_to(used.data.parent / "secret.wav")
    (inbox / "deeper").mkdir()
    (inbox / "deeper" / "x.wav").write_bytes(SOUND)

    ran = watch_once(used, inbox)

    told = lines(ran)
    assert ran.code == 1
    assert {name for name, line in told.items() if line["outcome"] == "recorded"} == {
        *names[:4],
        "byte\N{REPLACEMENT CHARACTER}.wav",
    }
    assert told["notes.txt"]["error"]["error_code"] == "UNSUPPORTED_TYPE"
    assert told["empty.wav"]["error"]["error_code"] == "UPLOAD_EMPTY"
    assert left(inbox) == [".hidden.wav", "coming.wav.part", "deeper", "done", "failed", "link.wav"]
    assert left(inbox / "done") == sorted([*names[:4], os.fsdecode(b"byte\xff.wav")])
    assert left(inbox / "failed") == ["empty.wav", "empty.wav.txt", "notes.txt", "notes.txt.txt"]
    assert "UNSUPPORTED_TYPE" in (inbox / "failed" / "notes.txt.txt").read_text()
    one = used.ok("recordings", "show", told[names[0]]["recording_id"], "--json").json
    assert (one["original_filename"], one["file_size_bytes"]) == (names[0], len(sound(1)))
    assert list((used.data / "watch").glob("*/*.json")) == []


def test_folders_inside_patterns_and_deleting(used: CommandLine, inbox: Path) -> None:
    (inbox / "a" / "b").mkdir(parents=True)
    (inbox / "a" / "b" / "deep.WAV").write_bytes(sound(2))
    (inbox / "top.wav").write_bytes(sound(2.1))
    (inbox / "other.mp3").write_bytes(sound(2.2))

    first = watch_once(used, inbox, "--recursive", "--pattern", "*.wav", "--done", inbox / "away")
    assert (first.code, set(lines(first))) == (0, {"a/b/deep.WAV", "top.wav"})
    assert (inbox / "away" / "a" / "b" / "deep.WAV").read_bytes() == sound(2)

    second = watch_once(used, inbox, "--delete")
    assert set(lines(second)) == {"other.mp3"}
    assert left(inbox) == ["a", "away"]
    assert used("watch", inbox, "--delete", "--done", inbox / "x").code == 2
    assert used("watch", inbox / "missing").code == 3


def test_the_same_name_again_never_overwrites_what_is_done(used: CommandLine, inbox: Path) -> None:
    for length in (3.0, 3.1, 3.2):
        (inbox / "again.wav").write_bytes(sound(length))
        assert watch_once(used, inbox).code == 0
    assert left(inbox / "done") == ["again (2).wav", "again (3).wav", "again.wav"]
    assert (inbox / "done" / "again (3).wav").read_bytes() == sound(3.2)
    assert len(named(used, "again")) == 3


def test_a_file_is_taken_only_when_it_has_stopped_growing_and_nobody_writes_to_it(
    used: CommandLine, inbox: Path
) -> None:
    body = sound(4)
    watching = used.start("watch", inbox, "--settle", "0.4", "--json", "--no-transcribe")
    with (inbox / "growing.wav").open("wb", buffering=0) as file:
        for at in range(0, len(body), len(body) // 8 + 1):
            file.write(body[at : at + len(body) // 8 + 1])
            time.sleep(0.15)
        time.sleep(1.2)
        assert (inbox / "growing.wav").exists(), "it was taken while it was open for writing"
    wait_for((inbox / "done" / "growing.wav").exists)
    watching.send_signal(signal.SIGTERM)
    out, _ = watching.communicate(timeout=200)
    assert [json.loads(line)["outcome"] for line in out.splitlines()] == ["recorded"]
    [one] = named(used, "growing")
    assert one["file_size_bytes"] == len(body)


def test_a_folder_is_watched_by_one_at_a_time(used: CommandLine, inbox: Path) -> None:
    watching = used.start("watch", inbox)
    assert watching.stderr is not None
    assert "Watching" in watching.stderr.readline()
    second = watch_once(used, inbox)
    assert (second.code, "watches" in second.out) == (1, True)
    watching.send_signal(signal.SIGINT)
    assert watching.wait(30) == 130


def test_a_store_without_room_keeps_the_file_where_it_is_until_there_is_some(
    used: CommandLine, inbox: Path
) -> None:
    (inbox / "large.wav").write_bytes(sound(6))
    full = used(*("watch", inbox, "--once", "--json", *QUICK), REELKEEP_QUOTA_BYTES="1000")
    assert lines(full)["large.wav"]["error"]["error_code"] == "QUOTA_EXCEEDED"
    assert (full.code, left(inbox)) == (1, ["large.wav"])
    assert watch_once(used, inbox).code == 0
    assert len(named(used, "large")) == 1


def test_killed_again_and_again_it_loses_no_file_and_makes_no_recording_twice(
    used: CommandLine, inbox: Path
) -> None:
    """SIGKILL at random moments, while files keep coming, vanish, and are replaced under their names."""
    rng = random.Random(5)
    expected: dict[str, bytes] = {}
    for number in range(5):
        expected[f"kill-{number}.wav"] = sound(7 + number / 10)
    for name, body in expected.items():
        (inbox / name).write_bytes(body)
    for round_number in range(20):
        watching = used.start("watch", inbox, *QUICK, "--recursive")
        if round_number == 3:
            (inbox / "kill-late.wav").write_bytes(sound(9))
            expected["kill-late.wav"] = sound(9)
        with contextlib.suppress(subprocess.TimeoutExpired):
            watching.wait(0.8 + 1.7 * rng.random())
        os.killpg(watching.pid, signal.SIGKILL)
        watching.wait()
        if not [one for one in inbox.iterdir() if one.is_file()]:
            break
    assert watch_once(used, inbox).code == 0
    made = named(used, "kill-")
    assert sorted(one["original_filename"] for one in made) == sorted(expected)
    assert all(one["file_size_bytes"] == len(expected[one["original_filename"]]) for one in made)
    assert {one["status"] for one in made} == {"uploaded"}
    assert sorted(left(inbox / "done")) == sorted(expected)
    assert {name: (inbox / "done" / name).read_bytes() for name in expected} == expected
    assert left(inbox) == ["done"]
    assert list((used.data / "watch").glob("*/*.json")) == []
