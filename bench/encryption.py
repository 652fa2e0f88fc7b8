"""What encryption by us costs: writing to and reading from a local store, with and without it."""

import hashlib
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

from bench.figures import Report, median
from bench.processes import MB
from bench.registry import Setup
from reelkeep.stores.encrypted import EncryptedStore
from reelkeep.stores.guarded import guard
from reelkeep.stores.key_ring import DataKey
from reelkeep.stores.local import LocalStore, LocalStoreConfig
from reelkeep.stores.protocol import Store

FILE_BYTES, ROUNDS = 200 * MB, 9
PIECE_BYTES = 64 * 1024
RANGE_BYTES, RANGES = 64 * 1024, 200
COST_PERCENT_MAX = 25.0
MEMORY_DISK = Path("/dev/shm")
KEY = "recordings/a"
COUNTED = (
    "One file of 200 MB, in pieces of 64 KB, put into a local store and read back whole, plain and encrypted "
    "in turns; medians of nine rounds. A put ends when the file is fsynced; the plain one has its MD5 and "
    "SHA-256 then, the encrypted one the SHA-256 of its plain bytes. Once on the disk of the scratch folder, "
    "once on memory-backed files (/dev/shm), where the disk does not count."
)


class OneKey:
    """A ring with one key, which is at hand as after the first object of a recording."""

    def __init__(self) -> None:
        self._key = DataKey(UUID(int=1), hashlib.sha256(b"bench").digest())

    async def key_for(self, _object_key: str) -> DataKey:
        """The key."""
        return self._key

    async def key_of(self, _key_id: UUID, _object_key: str) -> DataKey:
        """The key."""
        return self._key

    def forget(self) -> None:
        """Nothing is kept."""


@dataclass(slots=True)
class Side:
    """One store, and how fast it was."""

    store: Store
    writes: list[float] = field(default_factory=list)
    reads: list[float] = field(default_factory=list)
    ranges: list[float] = field(default_factory=list)


async def measure(setup: Setup) -> Report:
    """Both stores in turns, on the disk and in memory."""
    report = Report("encryption", "Encryption by us, local store", COUNTED)
    size = 8 * MB if setup.quick else FILE_BYTES
    block = hashlib.shake_256(b"sound").digest(PIECE_BYTES)
    with ExitStack() as stack:
        places = {"disk": setup.scratch}
        if MEMORY_DISK.is_dir():
            folder = tempfile.TemporaryDirectory(prefix="reelkeep-bench-", dir=MEMORY_DISK)
            places["memory"] = Path(stack.enter_context(folder))
        for place, root in places.items():
            plain = Side(guard(_local(root / "plain")))
            sealed = Side(guard(EncryptedStore(_local(root / "encrypted"), OneKey())))
            for turn in range(2 if setup.quick else ROUNDS):
                setup.say(f"{place}, round {turn + 1}")
                for side in (plain, sealed) if turn % 2 else (sealed, plain):
                    await _once(side, block, size)
            _tell(report, place, plain, sealed)
            for side in (plain, sealed):
                await side.store.close()
    return report


def _local(root: Path) -> LocalStore:
    return LocalStore(LocalStoreConfig("local", "recordings", root, "http://127.0.0.1:9", "key", "secret"))


async def _once(side: Side, block: bytes, size: int) -> None:
    count = size // len(block)

    async def body() -> AsyncIterator[bytes]:
        for _ in range(count):
            yield block

    started = time.perf_counter()
    await side.store.put(KEY, body(), size_bytes=count * len(block))
    side.writes.append(count * len(block) / MB / (time.perf_counter() - started))
    started, read = time.perf_counter(), 0
    async for piece in side.store.read(KEY):
        read += len(piece)
    side.reads.append(read / MB / (time.perf_counter() - started))
    started = time.perf_counter()
    for turn in range(RANGES):
        at = turn * 7919 * 1000 % (read - RANGE_BYTES)
        async for _ in side.store.read(KEY, at, at + RANGE_BYTES):
            pass
    side.ranges.append((time.perf_counter() - started) / RANGES * 1000)
    await side.store.delete(KEY)


def _tell(report: Report, place: str, plain: Side, sealed: Side) -> None:
    without, with_it = median(plain.writes), median(sealed.writes)
    # Of each round by itself: what else the machine does meanwhile falls on both.
    cost = median([(1 - s / p) * 100 for s, p in zip(sealed.writes, plain.writes, strict=True)])
    report.add(f"{place}: write, plain", without, "MB/s")
    report.add(f"{place}: write, encrypted", with_it, "MB/s")
    report.add(f"{place}: cost of encryption when writing", cost, "%", COST_PERCENT_MAX)
    report.add(f"{place}: read, plain", median(plain.reads), "MB/s")
    report.add(f"{place}: read, encrypted", median(sealed.reads), "MB/s")
    report.add(f"{place}: a range of 64 KB, plain", median(plain.ranges), "ms")
    report.add(f"{place}: a range of 64 KB, encrypted", median(sealed.ranges), "ms")
