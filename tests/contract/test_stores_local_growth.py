"""What holds of growing files alone: locks between processes, deaths between two steps, known digests."""

import hashlib
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from reelkeep.errors import StoreRefused, StoreUnavailable
from reelkeep.stores import local_growth
from reelkeep.stores.local import LocalStore, LocalStoreConfig
from reelkeep.stores.protocol import COUNTED

KEY = "incoming/org/a"
FILE = "growing/incoming.d/org.d/a.bytes"
HOLD = """
import fcntl, sys
file = open(sys.argv[1], "r+b")
fcntl.flock(file, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[LocalStore]:
    config = LocalStoreConfig("local", "local", tmp_path, "http://127.0.0.1:1", "key", "secret" * 8)
    opened = LocalStore(config)
    yield opened
    await opened.close()


async def append(store: LocalStore, data: bytes, *, flush: bool = True, counted: int | None = None) -> None:
    notes = {} if counted is None else {COUNTED: counted}
    async with store.growing(KEY, notes) as growing:
        await growing.write(data)
        if flush:
            await growing.flush()


async def read(store: LocalStore) -> bytes:
    return b"".join([piece async for piece in store.read(KEY)])


async def test_another_process_that_writes_is_waited_for_and_then_told(
    store: LocalStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_growth, "LOCK_SECONDS_MAX", 0.2)
    await append(store, b"one")
    other = subprocess.Popen(
        [sys.executable, "-c", HOLD, tmp_path / FILE], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert other.stdout is not None
    assert other.stdout.readline() == b"held\n"
    with pytest.raises(StoreUnavailable) as refused:
        await append(store, b"two")
    assert refused.value.retry_after_seconds is not None
    with pytest.raises(StoreUnavailable):
        await store.finish_growth(KEY, {})
    assert await store.grown(KEY, {}) == 3, "looking needs no lock"
    other.kill()
    other.wait()
    await append(store, b"two")
    assert await store.grown(KEY, {}) == 6


async def test_bytes_that_do_not_count_are_cut_off_by_the_next_go_and_by_the_end(store: LocalStore) -> None:
    await append(store, b"good")
    await append(store, b"damaged", counted=4)
    assert await store.grown(KEY, {COUNTED: 4}) == 4
    await append(store, b"+better", counted=4)
    assert await store.grown(KEY, {}) == 11
    facts = await store.finish_growth(KEY, {COUNTED: 5})
    assert (facts.size_bytes, await read(store)) == (5, b"good+")


async def test_the_digest_is_known_where_one_go_saw_all_and_only_there(store: LocalStore) -> None:
    await append(store, b"whole")
    facts = await store.finish_growth(KEY, {})
    assert facts.sha256 == hashlib.sha256(b"whole").hexdigest()
    await store.delete(KEY)
    await append(store, b"in two")
    await append(store, b" goes")
    assert (await store.finish_growth(KEY, {})).sha256 is None


async def test_a_death_between_the_object_and_the_end_of_the_file_is_harmless(
    store: LocalStore, tmp_path: Path
) -> None:
    await append(store, b"all of it")
    kept = tmp_path / "kept"
    os.link(tmp_path / FILE, kept)  # so the file is there again, as one with the object
    await store.finish_growth(KEY, {})
    (tmp_path / FILE).parent.mkdir()
    kept.rename(tmp_path / FILE)

    assert await store.grown(KEY, {}) == 9
    with pytest.raises(StoreRefused):  # the object's own bytes would change
        await append(store, b"!")
    facts = await store.finish_growth(KEY, {})
    assert (facts.size_bytes, await read(store)) == (9, b"all of it")
    assert not (tmp_path / FILE).exists()


async def test_what_is_discarded_leaves_no_file_and_no_folder(store: LocalStore, tmp_path: Path) -> None:
    await append(store, b"x")
    await store.discard_growth(KEY, {})
    assert [path for path in (tmp_path / "growing").rglob("*") if path.name != "incoming.d"] == []
