"""`reelkeep doctor`, `engines`, `db`, `openapi`, `version`, and what every command has in common."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer._click import Context
from typer.core import TyperGroup

from reelkeep import __version__
from reelkeep.cli.document import render
from reelkeep.cli.tree import ENTRIES, build_tree
from reelkeep.http.app import build_app
from tests.service.cli.conftest import CommandLine, wait_for


def states(report: Any) -> dict[str, str]:
    """The state of each thing that doctor looked at."""
    return {check["name"]: check["state"] for check in report["checks"]}


def test_doctor_finds_a_running_installation_well_by_the_browsers_own_path(used: CommandLine) -> None:
    report = used.ok("doctor", "--json").json
    assert report["ok"] is True
    found = states(report)
    assert found["browser's path"] == "ok"
    assert found["store local"] == found["database"] == found["tables"] == found["secret key"] == "ok"
    assert found["worker"] == "warning", "this server was started without one"
    left = [path for path in (used.data / "stores").rglob("*doctor*") if path.is_file()]
    assert left == []


def test_doctor_says_what_it_could_not_try_when_no_server_runs(reelkeep: CommandLine) -> None:
    reelkeep.ok("db", "migrate")
    ran = reelkeep.ok("doctor", REELKEEP_PUBLIC_URL="http://127.0.0.1:9")
    assert "No server answers at http://127.0.0.1:9" in ran.out
    assert "Start `reelkeep serve`" in ran.out


def test_doctor_finds_a_server_of_another_installation(used: CommandLine, reelkeep: CommandLine) -> None:
    reelkeep.ok("db", "migrate")
    ran = reelkeep("doctor", "--json", REELKEEP_PUBLIC_URL=used.environment["REELKEEP_PUBLIC_URL"])
    assert ran.code == 1
    assert states(ran.json)["browser's path"] == "failed"
    assert set(ran.json) >= {"message", "error_code", "details"}


def test_doctor_finds_what_is_missing_or_open(reelkeep: CommandLine) -> None:
    fresh = reelkeep("doctor", "--json", REELKEEP_ENGINE="faster-whisper")
    assert fresh.code == 1
    assert states(fresh.json)["tables"] == "failed"
    assert states(fresh.json)["speech"] == "failed"
    assert all(check["fix"] for check in fresh.json["checks"] if check["state"] == "failed")
    reelkeep.ok("db", "migrate")
    (reelkeep.data / "secret.key").chmod(0o644)
    assert states(reelkeep("doctor", "--json").json)["secret key"] == "failed"


def test_doctor_tells_of_a_database_that_is_away_and_looks_at_the_rest(reelkeep: CommandLine) -> None:
    ran = reelkeep("doctor", "--json", DATABASE_URL="postgresql://nobody:hush@127.0.0.1:9/none")
    assert ran.code == 1
    found = states(ran.json)
    assert found["database"] == "failed"
    assert found["store local"] == found["speech"] == "ok"
    assert "hush" not in ran.out + ran.notes


def test_engines_says_which_is_used_and_why_the_others_are_not(reelkeep: CommandLine) -> None:
    found = reelkeep.ok("engines", "--json", REELKEEP_ENGINE="auto").json
    assert found["chosen"] == "pocketsphinx"
    whisper = next(engine for engine in found["engines"] if engine["name"] == "faster-whisper")
    assert (whisper["ready"], bool(whisper["reason"]), bool(whisper["fix"])) == (False, True, True)
    told = reelkeep.ok("engines", REELKEEP_ENGINE="auto").out
    assert "Used: pocketsphinx" in told
    assert whisper["fix"] in told
    assert not reelkeep.data.exists(), "looking at engines needs no database"


def test_the_database_is_migrated_once(reelkeep: CommandLine) -> None:
    before = reelkeep("db", "current", "--json")
    assert (before.code, before.json) == (4, {"revision": None, "is_current": False})
    made = reelkeep.ok("db", "migrate", "--json").json
    assert made["before"] is None
    assert reelkeep.ok("db", "migrate", "--json").json["before"] == made["revision"]
    assert reelkeep.ok("db", "current", "--json").json == {"revision": made["revision"], "is_current": True}


def test_openapi_is_the_applications_own(reelkeep: CommandLine, tmp_path: Path) -> None:
    document = json.loads(json.dumps(build_app(None).openapi()))
    assert reelkeep.ok("openapi").json == document
    target = tmp_path / "openapi.json"
    reelkeep.ok("openapi", "-o", target)
    assert json.loads(target.read_text()) == document


def test_version(reelkeep: CommandLine) -> None:
    assert reelkeep.ok("version").out == f"reelkeep {__version__}\n"
    assert reelkeep.ok("version", "--json").json["version"] == __version__


@pytest.mark.parametrize(
    "arguments",
    [
        ["bogus"],
        ["add"],
        ["users", "add", "a@example.org"],
        ["worker", "--queue", "lunch"],
        ["serve", "--port", "x"],
    ],
    ids=" ".join,
)
def test_a_wrong_command_line_is_code_2_and_json_when_json_was_asked_for(
    reelkeep: CommandLine, arguments: list[str]
) -> None:
    assert reelkeep(*arguments).code == 2
    ran = reelkeep(*arguments, "--json")
    assert ran.code == 2
    assert ran.json["error_code"] == "INVALID_REQUEST"


def test_wrong_settings_are_code_2_and_name_the_variable(reelkeep: CommandLine) -> None:
    ran = reelkeep("recordings", "list", "--json", REELKEEP_PORT="many")
    assert (ran.code, ran.json["error_code"]) == (2, "SETTINGS_INVALID")
    assert "REELKEEP_PORT" in ran.json["details"]["settings"]
    told = reelkeep("recordings", "list", REELKEEP_PORT="many")
    assert "REELKEEP_PORT" in told.notes
    assert (told.out, "Traceback" in told.notes) == ("", False)


def test_a_database_that_is_away_is_code_4(reelkeep: CommandLine) -> None:
    ran = reelkeep("recordings", "list", "--json", DATABASE_URL="postgresql://nobody@127.0.0.1:9/none")
    assert (ran.code, ran.json["error_code"]) == (4, "DATABASE_UNAVAILABLE")


def test_settings_come_from_the_env_file_beside_and_flags_win(reelkeep: CommandLine, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("# comment\nREELKEEP_DATA=from-file\nREELKEEP_ENGINE=pocketsphinx\n")
    del reelkeep.environment["REELKEEP_ENGINE"]
    assert reelkeep.ok("engines", "--json").json["chosen"] == "pocketsphinx"
    reelkeep.ok("db", "migrate", "--data", tmp_path / "from-flag")
    assert (tmp_path / "from-flag" / "pg").is_dir()
    assert not (tmp_path / "from-file").exists()


def test_a_reader_that_leaves_early_gets_no_traceback(reelkeep: CommandLine) -> None:
    process = reelkeep.start("openapi")
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    notes = process.stderr.read()
    assert process.wait(60) == 1
    assert notes == ""


def test_serve_with_json_has_one_document_on_standard_output(reelkeep: CommandLine) -> None:
    server = reelkeep.start("serve", "--json", "--no-worker", "--port", "0")
    assert server.stderr is not None
    wait_for(lambda: "Reelkeep is ready" in (server.stderr.readline() if server.stderr else ""))
    os.kill(server.pid, signal.SIGTERM)
    out, _ = server.communicate(timeout=60)
    assert (server.returncode, json.loads(out)) == (0, {"stopped": True, "exit_code": 0})


def test_the_list_of_commands_says_what_each_commands_own_help_begins_with() -> None:
    tree = build_tree()
    storage = tree.get_command(Context(tree), "storage")
    assert isinstance(storage, TyperGroup)
    for group, entries in ((tree, ENTRIES), (storage, ENTRIES["storage"].inner)):
        for name, entry in entries.items():
            command = group.get_command(Context(group), name)
            assert command is not None
            assert (command.help or "").split("\n")[0] == entry.summary


def test_every_command_takes_data_and_json_and_shows_an_example() -> None:
    parts = render().split("\n## reelkeep ")[1:]
    assert len(parts) >= 20
    for part in parts:
        assert "`--data` DIR" in part
        assert "`--json`" in part
        assert re.search(r"```bash\n.*reelkeep ", part), part


def test_help_and_output_have_no_colour_where_nobody_sees_it(used: CommandLine) -> None:
    for arguments in (["--help"], ["doctor"], ["recordings", "list"]):
        assert "\x1b" not in used.ok(*arguments).out


def test_help_is_there_without_loading_the_rooms() -> None:
    code = (
        "import sys, reelkeep.cli as c\ntry: c.main(['--help'])\nfinally: sys.exit('\\n'.join(sys.modules))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    loaded = ran.stderr.split()
    heavy = {"fastapi", "sqlalchemy", "av", "numpy", "boto3", "psycopg", "structlog", "pydantic"}
    assert "typer" in loaded
    assert heavy.isdisjoint(loaded)
