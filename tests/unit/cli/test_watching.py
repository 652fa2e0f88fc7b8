"""A watched folder's small rules: what is whole, what is put away, and never another file in its place."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest

from reelkeep.cli.watching.away import Places, put_away
from reelkeep.cli.watching.folder import Folder, being_written, lock_folder
from reelkeep.cli.watching.journal import Entry, Identity, Journal, path_of, text_of
from reelkeep.cli.watching.take import _whole
from reelkeep.errors import Conflict

ODD = Path(os.fsdecode(b"sub/odd\xff name.wav"))


class Clock:
    """Time that a test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The watched folder."""
    folder = tmp_path / "in"
    (folder / "sub").mkdir(parents=True)
    return folder


@pytest.fixture
def journal(tmp_path: Path, root: Path) -> Journal:
    """Its journal."""
    return Journal(tmp_path / "data", root)


def noted(journal: Journal, root: Path, path: Path = ODD, body: bytes = b"sound") -> Entry:
    """A file with its entry, brought in."""
    (root / path).write_bytes(body)
    return journal.end(journal.begin(path, Identity.of((root / path).stat())))


def names(folder: Path) -> list[str]:
    """Every name in a folder."""
    return sorted(one.name for one in folder.iterdir()) if folder.exists() else []


def test_the_journal_outlives_its_process_with_every_kind_of_name(tmp_path: Path, root: Path) -> None:
    first = Journal(tmp_path / "data", root)
    entry = first.begin(ODD, Identity(1, 2, 3))
    failed = first.end(entry, ("UPLOAD_EMPTY", "It is empty."))
    assert Journal(tmp_path / "data", root).entries == {ODD: failed}
    assert Journal(tmp_path / "data", root / "sub").entries == {}
    first.forget(failed)
    assert Journal(tmp_path / "data", root).entries == {}
    assert path_of(text_of(ODD)) == ODD


def test_a_file_is_moved_and_twice_is_once(root: Path, journal: Journal) -> None:
    places = Places(root, root / "done", root / "failed")
    entry = noted(journal, root)
    put_away(journal, places, entry)
    put_away(journal, places, entry)
    assert (root / "done" / ODD).read_bytes() == b"sound"
    assert names(root / "sub") == []
    assert journal.entries == {}


@pytest.mark.parametrize("died_after", ["taking off", "choosing", "linking"])
def test_it_goes_on_wherever_it_was_killed(root: Path, journal: Journal, died_after: str) -> None:
    places = Places(root, root / "done", root / "failed")
    entry = noted(journal, root)
    apart = (root / ODD).with_name(f".{entry.recording_id}.reelkeep")
    (root / ODD).rename(apart)
    target = root / "done" / ODD
    if died_after != "taking off":
        target.parent.mkdir(parents=True)
        entry = Entry(entry.recording_id, entry.path, entry.identity, ended=True, target=target)
        journal.write(entry)
    if died_after == "linking":
        os.link(apart, target)
    put_away(journal, places, entry)
    assert names(root / "done" / "sub") == [ODD.name]
    assert names(root / "sub") == []


@pytest.mark.parametrize("done", ["done", None])
def test_another_file_under_the_name_is_never_put_away_in_its_place(
    root: Path, journal: Journal, done: str | None
) -> None:
    places = Places(root, root / done if done else None, root / "failed")
    entry = noted(journal, root)
    (root / ODD).unlink()
    (root / ODD).write_bytes(b"another")
    put_away(journal, places, entry)
    assert (root / ODD).read_bytes() == b"another"
    assert names(root / "done") == []
    assert journal.entries == {}


def test_what_failed_has_its_reason_beside_it(root: Path, journal: Journal) -> None:
    entry = noted(journal, root, Path("a.wav"))
    put_away(
        journal,
        Places(root, root / "done", root / "failed"),
        journal.end(entry, ("TYPE_MISMATCH", "It is\x1b no wav.")),
    )
    assert names(root / "failed") == ["a.wav", "a.wav.txt"]
    assert (
        root / "failed" / "a.wav.txt"
    ).read_text() == "It is\N{REPLACEMENT CHARACTER} no wav.\n(TYPE_MISMATCH)\n"


@pytest.fixture
def elsewhere() -> Iterator[Path]:
    """A folder that lies in memory: another disk than the test's own."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        yield Path(folder)


def test_a_file_goes_over_to_another_disk_whole(root: Path, journal: Journal, elsewhere: Path) -> None:
    put_away(journal, Places(root, elsewhere, root / "failed"), noted(journal, root))
    assert (elsewhere / ODD).read_bytes() == b"sound"
    assert names(root / "sub") == []
    assert names(elsewhere / "sub") == [ODD.name]


async def test_a_file_that_changes_while_it_is_read_gives_no_bytes_to_keep(root: Path) -> None:
    path = root / "a.wav"
    path.write_bytes(b"a" * 3_000_000)
    entry = Entry(UUID(int=1), Path("a.wav"), Identity.of(path.stat()))
    with path.open("rb") as file, pytest.raises(Conflict, match="changed"):
        async for _ in _whole(file, entry):
            os.utime(path, ns=(1, 1))


def test_only_what_has_stayed_the_same_for_long_enough_and_nobody_writes_is_whole(root: Path) -> None:
    clock = Clock()
    folder = Folder(root, False, "*.WAV", 5, apart=(), clock=clock)
    path = root / "a.wav"
    path.write_bytes(b"a")
    (root / "b.mp3").write_bytes(b"b")
    assert folder.look() == ([], 1)
    clock.now = 4.9
    assert folder.look() == ([], 1)
    clock.now = 5
    assert [found.path.name for found in folder.look()[0]] == ["a.wav"]
    with path.open("ab") as file:
        assert folder.look() == ([], 1)
        facts = path.stat()
        assert being_written([(facts.st_dev, facts.st_ino)]) == {(facts.st_dev, facts.st_ino)}
        file.write(b"more")
    assert folder.look() == ([], 1)
    clock.now = 10
    assert len(folder.look()[0]) == 1
    with path.open("rb"):
        assert len(folder.look()[0]) == 1


def test_two_cannot_watch_one_folder(root: Path) -> None:
    held = lock_folder(root)
    with pytest.raises(Conflict):
        lock_folder(root)
    os.close(held)
    os.close(lock_folder(root))
