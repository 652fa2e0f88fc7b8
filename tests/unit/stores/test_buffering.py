"""The buffer between clients and stores: order, backpressure, a shared budget, little for who is slow."""

import asyncio

import pytest

from reelkeep.errors import StoreFull
from reelkeep.stores import buffering
from reelkeep.stores.buffering import (
    ROOM_BYTES_MAX,
    ROOM_BYTES_MIN,
    BufferBudget,
    Piece,
    WriteBuffer,
    joined,
)


class Kept:
    """Where the bytes go, with a gate that a test may close."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []
        self.open = asyncio.Event()
        self.open.set()
        self.running = 0
        self.dropped = asyncio.Event()

    async def write(self, pieces: list[Piece]) -> None:
        assert self.running == 0, "two writes at once"
        self.running += 1
        await self.open.wait()
        self.writes.append(joined(pieces))
        self.running -= 1
        if self.writes[-1] == b"drop":
            self.dropped.set()

    @property
    def body(self) -> bytes:
        return b"".join(self.writes)


async def test_every_byte_comes_in_order_whatever_the_sizes() -> None:
    kept, budget, sent = Kept(), BufferBudget(), bytearray()
    async with WriteBuffer(budget, kept.write) as buffer:
        for n in range(600):
            chunk = bytes([n % 256]) * (n * n % 70_000)
            sent += chunk
            await buffer.add(memoryview(chunk) if n % 3 else chunk)
        await buffer.flush()
        assert kept.body == bytes(sent)
    assert budget.taken_bytes == 0


async def test_a_fast_client_gets_a_large_buffer_and_few_writes() -> None:
    kept = Kept()
    async with WriteBuffer(BufferBudget(), kept.write) as buffer:
        for _ in range(4096):
            await buffer.add(bytes(4096))
        await buffer.flush()
    assert len(kept.body) == 16 * 1024 * 1024
    assert max(map(len, kept.writes)) == ROOM_BYTES_MAX
    assert len(kept.writes) < 16 * 4 + 10


async def test_over_the_budget_a_buffer_stays_small() -> None:
    kept, budget = Kept(), BufferBudget(ROOM_BYTES_MIN * 3)
    async with WriteBuffer(budget, Kept().write), WriteBuffer(budget, kept.write) as buffer:
        for _ in range(256):
            await buffer.add(bytes(4096))
        assert max(map(len, kept.writes)) == 2 * ROOM_BYTES_MIN
        assert budget.taken_bytes == 3 * ROOM_BYTES_MIN
    assert budget.taken_bytes == 0


async def test_what_trickles_is_written_within_a_moment_and_the_memory_given_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(buffering, "HELD_SECONDS_MAX", 0.02)
    kept, budget = Kept(), BufferBudget()
    async with WriteBuffer(budget, kept.write) as buffer:
        for _ in range(64):
            await buffer.add(bytes(4096))  # it was fast once
        assert budget.taken_bytes > ROOM_BYTES_MIN
        await buffer.flush()
        await buffer.add(b"drop")
        await kept.dropped.wait()
        assert budget.taken_bytes == ROOM_BYTES_MIN


async def test_a_slow_store_holds_the_client_back() -> None:
    kept = Kept()
    kept.open.clear()
    async with WriteBuffer(BufferBudget(), kept.write) as buffer:
        adding = asyncio.create_task(buffer.add(bytes(ROOM_BYTES_MIN)))
        _, waiting = await asyncio.wait([adding], timeout=0.05)
        assert waiting
        kept.open.set()
        await adding
        assert len(kept.body) == ROOM_BYTES_MIN


async def test_a_failed_write_is_told_to_the_next_who_asks_and_ever_after(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(buffering, "HELD_SECONDS_MAX", 0.01)
    tried = asyncio.Event()

    async def fail(_pieces: list[Piece]) -> None:
        tried.set()
        raise StoreFull("no space")

    async with WriteBuffer(BufferBudget(), fail) as buffer:
        await buffer.add(b"sound")
        await tried.wait()  # in the background: nobody was waiting for it
        for act in (buffer.flush, buffer.flush):
            with pytest.raises(StoreFull):
                await act()
        with pytest.raises(StoreFull):
            await buffer.add(b"more")


async def test_leaving_waits_for_a_running_write_and_starts_no_other() -> None:
    kept = Kept()
    kept.open.clear()

    async def use() -> None:
        async with WriteBuffer(BufferBudget(), kept.write) as buffer:
            await buffer.add(bytes(ROOM_BYTES_MIN))

    task = asyncio.create_task(use())
    await asyncio.sleep(0.01)
    task.cancel()
    _, waiting = await asyncio.wait([task], timeout=0.05)
    assert waiting, "left while bytes were being written"
    kept.open.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(kept.writes) == 1


async def test_a_store_that_need_not_wait_is_given_bytes_at_once_and_in_order_when_it_must() -> None:
    kept, quick = Kept(), [True]

    def write_now(pieces: list[Piece]) -> bool:
        if quick[0]:
            kept.writes.append(joined(pieces))
        return quick[0]

    async with WriteBuffer(BufferBudget(), kept.write, write_now) as buffer:
        sent = b""
        for number in range(40):
            quick[0] = number % 3 > 0
            chunk = bytes([number]) * (ROOM_BYTES_MIN // 3 + number * 1000)
            sent += chunk
            await buffer.add(chunk)
        await buffer.flush()
        assert kept.body == sent


async def test_a_write_that_fails_at_once_is_told_and_not_tried_again() -> None:
    def full(_pieces: list[Piece]) -> bool:
        raise StoreFull("no space")

    kept = Kept()
    async with WriteBuffer(BufferBudget(), kept.write, full) as buffer:
        for act in (buffer.add(bytes(ROOM_BYTES_MIN)), buffer.flush(), buffer.add(b"more")):
            with pytest.raises(StoreFull):
                await act
    assert kept.writes == []
