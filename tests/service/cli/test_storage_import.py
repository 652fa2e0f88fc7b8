"""`reelkeep storage layout` and `import`: keys as people want them, and a folder without its database."""

import os
import random
import shutil
import signal
from pathlib import Path

from tests.fixtures.media import beeps, wav
from tests.service.cli.conftest import CommandLine, wait_for


def test_a_layout_is_set_shown_and_cleared(used: CommandLine) -> None:
    assert used.ok("storage", "layout", "show", "--json").json["own"] == {}

    made = used.ok("storage", "layout", "set", "conversations", "--store", "kind:local", "--json").json
    (local,) = made["stores"]
    assert local["template"].startswith("{organization}/{session}/{year}/")
    assert local["example"].startswith(f"recordings/{made['organization_id']}/session-1/")
    assert local["transcripts"] == "plain", "as that product keeps them in folders"
    assert (
        used.ok("storage", "layout", "set", "--transcripts", "gzip", "--json").json["transcripts"] == "gzip"
    )
    assert "session-1" in used.ok("storage", "layout", "show").out
    assert "appointments" in used.ok("storage", "layout", "presets").out

    back = used.ok("storage", "layout", "clear", "--json").json
    assert (back["own"], back["transcripts"]) == ({}, None)
    assert back["stores"][0]["template"] == "{organization}/{recording}/{blob}"


def test_a_layout_that_cannot_be_is_refused_with_the_reason(used: CommandLine) -> None:
    for wrong, code, told in (
        (("{organization}/{recording}",), "KEY_TEMPLATE_INVALID", "{blob} is missing"),
        (("no-such",), "KEY_TEMPLATE_INVALID", "Presets are"),
        (("ids", "--store", "elsewhere"), "STORE_UNKNOWN", "there are local"),
        (("--transcripts", "zip"), "INVALID_REQUEST", "not gzip or plain"),
    ):
        ran = used("storage", "layout", "set", *wrong, "--json")
        assert (ran.code != 0, ran.json["error_code"]) == (True, code), wrong
        assert told in ran.json["message"], wrong
    assert used.ok("storage", "layout", "show", "--json").json["own"] == {}


def test_recordings_come_back_when_the_database_is_gone(reelkeep: CommandLine, spoken: Path) -> None:
    reelkeep.ok("add", spoken, "--wait")
    (before,) = reelkeep.ok("recordings", "list", "--json").json["items"]
    words = reelkeep.ok("recordings", "export", before["id"], "--format", "json").json["segments"]
    # Postgres ends after the last process that used it.
    wait_for(lambda: not list((reelkeep.data / "pg").rglob("postmaster.pid")))
    shutil.rmtree(reelkeep.data / "pg")

    tried = reelkeep.ok("storage", "import", "local", "--dry-run")
    assert "would be taken" in tried.out
    assert reelkeep.ok("recordings", "list", "--json").json["items"] == []

    organization = reelkeep.ok("storage", "import", "local", "--json").json["organizations"][0]
    again = reelkeep.ok("storage", "import", "local", "--json").json
    assert (again["taken"], again["there"]) == ([], 1)
    (after,) = reelkeep.ok("recordings", "list", "--organization", organization, "--json").json["items"]
    assert (after["id"], after["status"]) == (before["id"], "transcribed")
    named = ("--organization", organization)
    assert (
        reelkeep.ok("recordings", "export", after["id"], *named, "--format", "json").json["segments"] == words
    )


def test_killed_while_it_takes_in_files_it_goes_on_and_doubles_nothing(
    used: CommandLine, tmp_path: Path
) -> None:
    rng = random.Random(11)
    archive = tmp_path / "archive"
    for number in range(12):
        folder = archive / "2024" / f"client-{number % 3}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"s{number:02}.wav").write_bytes(wav(beeps(2 + number / 10)))
    given = ("storage", "import", archive, "--pattern", "{year}/{client}/{visit}.{ext}")
    assert used.ok(*given, "--dry-run", "--json").json["taken"] == 12

    def taken() -> list[str]:
        items = used.ok("recordings", "list", "--limit", "100", "--json").json["items"]
        return sorted(one["visit_id"] for one in items if one["visit_id"] and one["status"] != "uploading")

    for _ in range(4):
        running = used.start(*given)
        some = len(taken()) + rng.randint(1, 2)
        wait_for(lambda some=some, running=running: running.poll() is not None or len(taken()) >= some)  # type: ignore[misc]
        if running.poll() is None:
            os.killpg(running.pid, signal.SIGKILL)
            running.wait()
    last = used.ok(*given, "--json").json

    assert last["taken"] + last["there"] == 12
    assert taken() == [f"s{number:02}" for number in range(12)]
    assert used.ok(*given, "--json").json["there"] == 12


def test_what_cannot_be_imported_is_told(used: CommandLine, tmp_path: Path) -> None:
    ran = used("storage", "import", "elsewhere", "--json")
    assert (ran.code, ran.json["error_code"]) == (3, "NOT_FOUND")
    ran = used("storage", "import", tmp_path, "--pattern", "{Client}", "--json")
    assert (ran.code, ran.json["error_code"]) == (2, "IMPORT_PATTERN")
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b.txt").write_text("no sound")
    ran = used("storage", "import", tmp_path, "--pattern", "{client}/{name}.{ext}")
    assert ran.code == 1
    assert "a/b.txt" in ran.out
