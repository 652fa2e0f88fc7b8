"""rclone as Debian has it, pointed at a local store with an access key."""

import os
from pathlib import Path

import pytest

from tests.fixtures.rclone import Rclone
from tests.fixtures.wire import READ_ONLY, Running

MIB = 1024 * 1024


def tool(wire: Running) -> Rclone:
    return Rclone(wire.service.endpoint_url, wire.service.credentials)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    folder = tmp_path / "files"
    (folder / "2026" / "may").mkdir(parents=True)
    (folder / "visit.m4a").write_bytes(os.urandom(100_000))
    (folder / "empty.wav").touch()
    (folder / "2026" / "may" / "large.wav").write_bytes(os.urandom(13 * MIB + 5))
    for number, path in enumerate(sorted(folder.rglob("*.*"))):
        os.utime(path, (1_700_000_000 + number, 1_700_000_000 + number))
    return folder


def test_a_folder_is_copied_listed_checked_and_deleted(wire: Running, files: Path, tmp_path: Path) -> None:
    rclone, there = tool(wire), "keep:recordings/tools"
    rclone("copy", files, there)
    listed = rclone("lsf", "-R", "--format", "ps", "--files-only", there).split()
    assert sorted(listed) == [f"2026/may/large.wav;{13 * MIB + 5}", "empty.wav;0", "visit.m4a;100000"]
    assert rclone("lsf", "keep:recordings") == "tools/\n"
    assert "0 differences found" in rclone.run("check", files, there).stderr
    assert "0 differences found" in rclone.run("check", "--download", files, there).stderr
    # Nothing is sent again: times and digests are those of the files, also where the ETag is no MD5.
    assert "There was nothing to transfer" in rclone.run("copy", files, there).stderr
    back = tmp_path / "back"
    rclone("copy", there, back)
    for path in files.rglob("*.*"):
        got = back / path.relative_to(files)
        assert (got.read_bytes(), got.stat().st_mtime) == (path.read_bytes(), path.stat().st_mtime)
    rclone("delete", there)
    assert rclone("lsf", "-R", "keep:recordings") == ""


def test_a_new_time_of_a_file_is_told_without_sending_it_again(wire: Running, files: Path) -> None:
    rclone, there = tool(wire), "keep:recordings/tools"
    rclone("copy", files, there)
    os.utime(files / "visit.m4a", (1_600_000_000, 1_600_000_000))
    ran = rclone.run("copy", files, there)
    assert "Updated modification time in destination" in ran.stderr
    assert "There was nothing to transfer" in ran.stderr
    assert "2020-09-13" in rclone("lsf", "--format", "pt", f"{there}/visit.m4a")


def test_a_changed_file_is_sent_and_told_by_check(wire: Running, files: Path) -> None:
    rclone, there = tool(wire), "keep:recordings/tools"
    rclone("copyto", files / "visit.m4a", f"{there}/visit.m4a")
    (files / "visit.m4a").write_bytes(os.urandom(100_000))
    assert rclone.run("check", files, there).returncode != 0
    rclone("sync", files, there)
    assert "0 differences found" in rclone.run("check", files, there).stderr


def test_objects_are_moved_and_purged_in_the_store(wire: Running, files: Path) -> None:
    rclone, there = tool(wire), "keep:recordings/tools"
    rclone("copy", files, there)
    rclone("moveto", f"{there}/visit.m4a", f"{there}/moved.m4a")
    assert sorted(rclone("lsf", there).split()) == ["2026/", "empty.wav", "moved.m4a"]
    rclone("purge", there)
    assert rclone("lsf", "-R", "keep:recordings") == ""


def test_sealed_bytes_can_be_copied_out_and_nothing_else(wire: Running, files: Path, tmp_path: Path) -> None:
    rclone, sealed = tool(wire), "recordings/o/r/b"
    rclone("copyto", files / "visit.m4a", "keep:recordings/incoming/x")
    wire.store._folder.copy("incoming/x", sealed)
    rclone("copyto", f"keep:recordings/{sealed}", tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == (files / "visit.m4a").read_bytes()
    for refused in (
        ("delete", "keep:recordings/recordings"),
        ("copyto", files / "empty.wav", f"keep:recordings/{sealed}"),
        ("moveto", f"keep:recordings/{sealed}", "keep:recordings/tools/stolen"),
    ):
        ran = rclone.run(*refused)
        assert ran.returncode != 0
        assert "AccessDenied" in ran.stderr
    assert rclone("lsf", "-R", "--files-only", "keep:recordings/recordings") == "o/r/b\n"


def test_a_reading_key_copies_out_and_not_in(wire: Running, files: Path, tmp_path: Path) -> None:
    tool(wire)("copy", files, "keep:recordings/tools")
    reading = Rclone(wire.service.endpoint_url, READ_ONLY.credentials)
    reading("copy", "keep:recordings/tools", tmp_path / "out")
    assert "AccessDenied" in reading.run("copyto", files / "visit.m4a", "keep:recordings/new").stderr
    assert "AccessDenied" in reading.run("delete", "keep:recordings/tools").stderr
    assert len(reading("lsf", "-R", "--files-only", "keep:recordings").split()) == 3
