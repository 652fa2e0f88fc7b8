"""`reelkeep storage encryption` and `reelkeep recordings shred`, as an operator uses them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.service.cli.conftest import CommandLine, clean_environment


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    return tmp_path / "master.keys"


@pytest.fixture
def operator(tmp_path: Path, keys: Path) -> Iterator[CommandLine]:
    """The command line of an installation whose store is to be encrypted."""
    stores = tmp_path / "stores.toml"
    stores.write_text("[stores.local]\nencrypted = true\n")
    given = {"REELKEEP_STORES_FILE": str(stores), "REELKEEP_ENCRYPTION_KEY_FILE": str(keys)}
    line = CommandLine(tmp_path / "data", {**clean_environment(), **given})
    yield line
    line.end()


def test_from_a_first_key_to_a_shredded_recording(
    operator: CommandLine, keys: Path, spoken: Path, tmp_path: Path
) -> None:
    refused = operator("storage", "encryption", "show")
    assert refused.code != 0 and "master.keys" in refused.notes
    keys.write_text(operator.ok("storage", "encryption", "new-key", "--id", "first").out)
    added = operator.ok("add", spoken, "--json").json
    (recording,) = [item["id"] for item in added["items"]] if "items" in added else [added["id"]]
    kept = [path for path in (tmp_path / "data" / "stores" / "local").rglob("*.bytes") if path.is_file()]
    sound = spoken.read_bytes()
    assert kept and all(sound[1000:1064] not in path.read_bytes() for path in kept)
    newer = operator.ok("storage", "encryption", "new-key", "--id", "second").out
    keys.write_text(newer + keys.read_text())
    assert operator.ok("storage", "encryption", "rotate", "--json").json["rewrapped"] == 1
    shown = operator.ok("storage", "encryption", "show", "--json").json["items"]
    assert [(key["id"], key["data_keys"], key["wraps"]) for key in shown] == [
        ("first", 0, False),
        ("second", 1, True),
    ]
    keys.write_text(newer)
    out = tmp_path / "back.wav"
    operator.ok("recordings", "export", recording, "--format", "original", "-o", out)
    assert out.read_bytes() == sound
    asked = operator("recordings", "shred", recording, stdin="n\n")
    assert asked.code != 0
    shred = operator.ok("recordings", "shred", recording, "--yes", "--json").json
    assert (shred["unreadable_in"], shred["readable_in"]) == (["local"], [])
    again = operator("recordings", "export", recording, "--format", "original", "-o", tmp_path / "no.wav")
    assert again.code != 0 and not (tmp_path / "no.wav").exists()


def test_where_nothing_is_encrypted_there_is_no_key_to_erase(reelkeep: CommandLine, spoken: Path) -> None:
    added = reelkeep.ok("add", spoken, "--json").json
    (recording,) = [item["id"] for item in added["items"]] if "items" in added else [added["id"]]
    ran = reelkeep("recordings", "shred", recording, "--yes", "--json")
    assert ran.code != 0 and ran.json["error_code"] == "RECORDING_STATE"
