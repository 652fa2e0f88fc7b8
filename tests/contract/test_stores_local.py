"""What only the local store promises: durability on a real disk, and rights on its files."""

import asyncio
import hashlib
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from reelkeep.errors import ObjectNotFound, StoreFull, StoreRefused, StoreUnavailable, WrongBytes
from reelkeep.stores.local import LocalStore, LocalStoreConfig
from reelkeep.stores.local_files import ExpectedBytes
from reelkeep.stores.protocol import OpensFiles, SignsUrls

MIB = 1024 * 1024


def open_store(root: Path) -> LocalStore:
    return LocalStore(LocalStoreConfig("local", "recordings", root, "http://127.0.0.1:9", "key", "secret"))


@pytest.fixture
async def local(tmp_path: Path) -> AsyncIterator[LocalStore]:
    store = open_store(tmp_path / "store")
    yield store
    await store.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", folder], check=True)
    yield folder
    subprocess.run(["umount", folder], check=True)


async def pieces(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


def files(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.is_file() and path.parent.name != "locks"]


async def test_only_its_owner_may_look_into_it(local: LocalStore) -> None:
    os.umask(0o022)
    await local.put("a/b", pieces(b"sound"))
    await local.copy("a/b", "c")
    root = local._config.root
    for path in [root, *root.rglob("*")]:
        expected = 0o700 if path.is_dir() else 0o600
        assert stat.S_IMODE(path.stat().st_mode) == expected, path


async def test_it_signs_urls_and_opens_files(local: LocalStore) -> None:
    assert isinstance(local, SignsUrls)
    assert isinstance(local, OpensFiles)
    await local.put("a", pieces(b"sound"))
    assert local.path_of("a").read_bytes() == b"sound"
    with pytest.raises(ObjectNotFound):
        local.path_of("b")


class TestSmallDisk:
    """What only root can try, since it mounts a file system; elsewhere it is not collected."""

    __test__ = os.geteuid() == 0

    async def test_a_full_disk_is_told_and_leaves_the_older_object(self, small_disk: Path) -> None:
        store = open_store(small_disk / "store")
        await store.put("a", pieces(b"older"))
        with pytest.raises(StoreFull, match="Make room"):
            await store.put("a", pieces(*[bytes(MIB)] * 8))
        assert b"".join([piece async for piece in store.read("a")]) == b"older"
        assert len(files(small_disk)) == 2
        await store.put("b", pieces(bytes(MIB)))
        await store.close()

    async def test_a_folder_that_may_not_be_written_is_told_with_its_cure(self, small_disk: Path) -> None:
        subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
        with pytest.raises(StoreRefused, match="right to write"):
            await open_store(small_disk / "store").check()


@pytest.mark.parametrize("parts", [1, 8])
async def test_a_limit_on_file_sizes_counts_as_a_full_disk(tmp_path: Path, parts: int) -> None:
    script = (
        "import asyncio, resource, sys; from pathlib import Path\n"
        "from reelkeep.errors import StoreFull\n"
        "from reelkeep.stores.local import LocalStore, LocalStoreConfig\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({MIB // 2}, {MIB // 2}))\n"
        "store = LocalStore(LocalStoreConfig('l', 'b', Path(sys.argv[1]), 'http://h', 'k', 's'))\n"
        "async def body():\n"
        f"    for _ in range({parts}): yield bytes({MIB})\n"
        "try: asyncio.run(store.put('a', body()))\n"
        "except StoreFull: print('full')\n"
    )
    said = subprocess.run(
        [sys.executable, "-c", script, tmp_path], capture_output=True, text=True, check=True
    )
    assert said.stdout == "full\n"
    assert files(tmp_path) == []


KILLED = """
import asyncio, sys
from pathlib import Path
from reelkeep.stores.local import LocalStore, LocalStoreConfig
store = LocalStore(LocalStoreConfig('l', 'b', Path(sys.argv[1]), 'http://h', 'k', 's'))
async def body(n):
    for _ in range(8):
        yield bytes([n]) * 262144
async def main():
    n = 0
    while True:
        n = (n + 1) % 250
        await store.put('a', body(n))
        await store.copy('a', 'b')
        if n == 1: print('begun', flush=True)
asyncio.run(main())
"""


async def test_kill_9_in_mid_write_leaves_whole_objects_only(tmp_path: Path) -> None:
    root = tmp_path / "store"
    for turn in range(6):
        writer = subprocess.Popen([sys.executable, "-c", KILLED, root], stdout=subprocess.PIPE)
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"begun\n"
        time.sleep(0.013 * turn)  # a different moment of the cycle each turn
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        writer.stdout.close()
        store = open_store(root)
        for facts in [facts async for facts in store.list_objects()]:
            body = b"".join([piece async for piece in store.read(facts.key)])
            assert body == bytes([body[0]]) * (8 * 262144)
            assert hashlib.sha256(body).hexdigest() == facts.sha256
        await store.sweep_temporary(0)
        assert len(files(root)) == 2 * len([key async for key in store.list_objects()])
        await store.close()


async def test_a_sweep_removes_what_is_old_and_nobody_names_and_nothing_else(local: LocalStore) -> None:
    await local.put("a/b", pieces(b"kept"))
    root = local._config.root
    (root / "temporary" / "left").write_bytes(b"x")
    (root / "objects" / "a.d" / f"b.{'0' * 32}.bytes").write_bytes(b"x")
    (root / "objects" / "a.d" / f"gone.{'0' * 32}.bytes").write_bytes(b"x")
    assert await local.sweep_temporary(3600) == 0
    assert await local.sweep_temporary(0) == 3
    assert b"".join([piece async for piece in local.read("a/b")]) == b"kept"
    assert len(files(root)) == 2


async def test_a_sweep_does_not_disturb_writers(local: LocalStore) -> None:
    async def sweep() -> None:
        for _ in range(20):
            await local.sweep_temporary(5)

    async def write(n: int) -> None:
        for turn in range(20):
            await local.put(f"a/{n}", pieces(bytes([turn]) * 1000))
            await local.copy(f"a/{n}", f"b/{n}/{turn}")
            await local.delete(f"b/{n}/{turn}")

    await asyncio.gather(sweep(), *(write(n) for n in range(4)))
    assert [facts.key async for facts in local.list_objects()] == [f"a/{n}" for n in range(4)]
    assert len(files(local._config.root)) == 8


async def test_writers_in_several_processes_leave_one_object_and_no_rubbish(tmp_path: Path) -> None:
    script = KILLED.replace("while True", "for _ in range(15)")
    writers = [
        subprocess.Popen([sys.executable, "-c", script, tmp_path], stdout=subprocess.DEVNULL)
        for _ in range(3)
    ]
    assert [writer.wait(60) for writer in writers] == [0, 0, 0]
    store = open_store(tmp_path)
    for key in ("a", "b"):
        body = b"".join([piece async for piece in store.read(key)])
        assert hashlib.md5(body).hexdigest() == (await store.head(key)).etag
    assert len(files(tmp_path)) == 4
    await store.close()


async def test_a_reader_keeps_its_bytes_when_the_key_is_overwritten(local: LocalStore) -> None:
    await local.put("a", pieces(b"old" * MIB))
    async with local.reader("a") as reader:
        await local.put("a", pieces(b"new"))
        body = b"".join([piece async for piece in reader.pieces()])
        assert body == b"old" * MIB
        assert hashlib.md5(body).hexdigest() == reader.facts.etag


async def test_a_file_cut_short_behind_our_back_is_no_quiet_end(local: LocalStore) -> None:
    await local.put("a", pieces(bytes(2 * MIB)))
    os.truncate(local.path_of("a"), MIB)
    with pytest.raises(StoreUnavailable, match="cut"):
        _ = [piece async for piece in local.read("a")]


async def test_damaged_facts_are_told_and_may_be_written_over(local: LocalStore) -> None:
    await local.put("a", pieces(b"sound"))
    facts = local._config.root / "objects" / "a.json"
    for damage in (b"", b"{", b"[]"):
        facts.write_bytes(damage)
        with pytest.raises(WrongBytes, match="damaged"):
            await local.head("a")
    await local.put("a", pieces(b"again"))
    assert local.path_of("a").read_bytes() == b"again"


async def test_a_writer_without_commit_leaves_nothing(local: LocalStore) -> None:
    async with local.writer("a") as writer:
        await writer.write(bytes(MIB))
    assert files(local._config.root) == []


@pytest.mark.parametrize(
    ("expected", "check"),
    [
        (ExpectedBytes(md5="0" * 32), "md5"),
        (ExpectedBytes(crc32="0" * 8), "crc32"),
        (ExpectedBytes(size_bytes=4), "size_bytes"),
        (ExpectedBytes(sha256="0" * 64), "sha256"),
    ],
)
async def test_a_writer_says_which_check_failed(
    local: LocalStore, expected: ExpectedBytes, check: str
) -> None:
    with pytest.raises(WrongBytes) as wrong:
        async with local.writer("a", expected=expected) as writer:
            await writer.write(b"sound")
            await writer.commit()
    assert wrong.value.details["check"] == check
    assert files(local._config.root) == []


async def test_emptied_folders_go_away(local: LocalStore) -> None:
    await local.put("a/b/c", pieces(b"x"))
    await local.delete("a/b/c")
    assert list((local._config.root / "objects").iterdir()) == []
