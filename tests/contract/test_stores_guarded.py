"""What the guard adds to a store: refusal inside a unit of work, further tries, and a log."""

import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest
import structlog

from reelkeep.errors import ObjectNotFound, StoreRefused, StoreUnavailable
from reelkeep.stores.guarded import Patience, guard
from reelkeep.stores.local import LocalStore, LocalStoreConfig
from reelkeep.stores.memory import MemoryStore
from reelkeep.stores.protocol import (
    Growing,
    Grows,
    GrowthNotes,
    ObjectFacts,
    OpensFiles,
    PartFacts,
    SignsUrls,
    Store,
    TakesParts,
    TicketLimits,
)
from reelkeep.stores.s3 import S3Store, S3StoreConfig
from reelkeep.stores.signer import Credentials
from reelkeep.transactions import IoInsideUnitOfWork, unit_of_work_open

QUICK = Patience(tries_max=4, first_wait_seconds=0.001, wait_seconds_max=0.002)
SOUND = bytes(range(256)) * 1024


async def pieces(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


class Unsteady(MemoryStore):
    """A store in memory that fails as often as it is told to, in the midst of things where there is one."""

    def __init__(self, faults: int, error: type[Exception] = StoreUnavailable) -> None:
        super().__init__()
        self.faults, self.error, self.calls = faults, error, 0
        self.listed_before_failing = 0

    def fail(self) -> None:
        self.calls += 1
        if self.faults:
            self.faults -= 1
            raise self.error("The network is away.")

    async def put(self, key: str, body: AsyncIterator[bytes], **facts: Any) -> ObjectFacts:
        self.fail()
        return await super().put(key, body, **facts)

    async def head(self, key: str) -> ObjectFacts:
        self.fail()
        return await super().head(key)

    async def read(self, key: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        async for piece in super().read(key, start, end):
            yield piece
            self.fail()

    async def copy(self, source_key: str, target_key: str, **facts: Any) -> ObjectFacts:
        facts = await super().copy(source_key, target_key)
        self.fail()
        return facts

    async def delete(self, key: str) -> None:
        await super().delete(key)
        self.fail()

    async def list_objects(self, prefix: str = "") -> AsyncIterator[ObjectFacts]:
        self.fail()
        async for facts in super().list_objects(prefix):
            yield facts

    async def create_parts(self, key: str, **facts: Any) -> str:
        self.fail()
        return await super().create_parts(key, **facts)

    async def put_part(self, key: str, upload_id: str, number: int, body: bytes) -> PartFacts:
        facts = await super().put_part(key, upload_id, number, body)
        self.fail()
        return facts

    async def list_parts(self, key: str, upload_id: str) -> AsyncIterator[PartFacts]:
        async for part in super().list_parts(key, upload_id):
            if part.number > self.listed_before_failing:
                self.fail()
            yield part

    async def complete_parts(self, key: str, upload_id: str, parts: Sequence[tuple[int, str]]) -> ObjectFacts:
        facts = await super().complete_parts(key, upload_id, parts)
        self.fail()
        return facts

    async def abort_parts(self, key: str, upload_id: str) -> None:
        await super().abort_parts(key, upload_id)
        self.fail()

    async def grown(self, key: str, notes: GrowthNotes) -> int:
        self.fail()
        return await super().grown(key, notes)

    @asynccontextmanager
    async def growing(self, key: str, notes: GrowthNotes, **facts: Any) -> AsyncIterator[Any]:
        async with super().growing(key, notes, **facts) as growing:
            yield UnsteadyGrowing(growing, self)

    async def finish_growth(self, key: str, notes: GrowthNotes, **facts: Any) -> ObjectFacts:
        found = await super().finish_growth(key, notes, **facts)
        self.fail()
        return found

    async def discard_growth(self, key: str, notes: GrowthNotes) -> None:
        await super().discard_growth(key, notes)
        self.fail()


class UnsteadyGrowing:
    """Bytes that are taken, and then the failure."""

    def __init__(self, inside: Growing, store: Unsteady) -> None:
        self._inside, self._store = inside, store

    @property
    def offset(self) -> int:
        return self._inside.offset

    async def write(self, data: bytes | memoryview) -> None:
        await self._inside.write(data)
        self._store.fail()

    async def flush(self) -> GrowthNotes:
        return await self._inside.flush()

    async def salvage(self) -> None:
        return None


class Plain:
    """A store of which nothing is asked but what it can do."""

    name = bucket = "plain"


async def filled(faults: int, error: type[Exception] = StoreUnavailable) -> tuple[Unsteady, Store]:
    inside = Unsteady(0, error)
    await inside.put("a", pieces(SOUND))
    inside.faults, inside.calls = faults, 0
    return inside, guard(inside, QUICK)


async def test_every_method_refuses_inside_a_unit_of_work(tmp_path: Path) -> None:
    config = LocalStoreConfig("local", "recordings", tmp_path, "http://127.0.0.1:9", "key", "secret")
    store = guard(LocalStore(config))
    assert isinstance(store, OpensFiles)
    with unit_of_work_open():
        for call in (
            lambda: store.put("a", pieces(b"x")),
            lambda: store.head("a"),
            lambda: store.copy("a", "b"),
            lambda: store.delete("a"),
            store.check,
        ):
            with pytest.raises(IoInsideUnitOfWork):
                await call()
        for begin in (lambda: store.read("a"), store.list_objects, lambda: store.path_of("a")):
            with pytest.raises(IoInsideUnitOfWork):
                begin()


async def test_parts_and_growths_refuse_inside_a_unit_of_work() -> None:
    store = guard(MemoryStore())
    assert isinstance(store, TakesParts)
    assert isinstance(store, Grows)
    with unit_of_work_open():
        for call in (
            lambda: store.create_parts("a"),
            lambda: store.put_part("a", "id", 1, b""),
            lambda: store.complete_parts("a", "id", [(1, "etag")]),
            lambda: store.abort_parts("a", "id"),
            lambda: store.grown("a", {}),
            lambda: store.finish_growth("a", {}),
            lambda: store.discard_growth("a", {}),
        ):
            with pytest.raises(IoInsideUnitOfWork):
                await call()
        for begin in (
            lambda: store.list_parts("a", "id"),
            store.list_part_uploads,
            lambda: store.growing("a", {}),
            store.list_growths,
        ):
            with pytest.raises(IoInsideUnitOfWork):
                begin()


async def test_growing_begun_outside_refuses_to_go_on_inside_a_unit_of_work() -> None:
    store = guard(MemoryStore())
    assert isinstance(store, Grows)
    async with store.growing("a", {}) as growing:
        with unit_of_work_open():
            for call in (lambda: growing.write(b"x"), growing.flush):
                with pytest.raises(IoInsideUnitOfWork):
                    await call()
        await growing.write(b"outside")
        assert growing.offset == 7


async def test_reading_begun_outside_refuses_to_go_on_inside_a_unit_of_work() -> None:
    _, store = await filled(0)
    reading = store.read("a")
    with unit_of_work_open(), pytest.raises(IoInsideUnitOfWork):
        await anext(reading)


async def test_what_may_be_repeated_is_tried_again() -> None:
    for faults in (1, 3):
        _, store = await filled(faults)
        assert (await store.head("a")).size_bytes == len(SOUND)
        _, store = await filled(faults)
        assert (await store.copy("a", "b")).key == "b"
        _, store = await filled(faults)
        assert [facts.key async for facts in store.list_objects()] == ["a"]
        _, store = await filled(faults)
        await store.delete("a")


async def test_parts_may_be_repeated_and_leave_what_once_does() -> None:
    for faults in (1, 3):
        inside = Unsteady(0)
        store = guard(inside, QUICK)
        assert isinstance(store, TakesParts)
        inside.faults = faults
        upload_id = await store.create_parts("a")
        inside.faults = faults
        part = await store.put_part("a", upload_id, 1, b"part")
        inside.faults = faults
        assert [found.etag async for found in store.list_parts("a", upload_id)] == [part.etag]
        inside.faults = faults
        assert (await store.complete_parts("a", upload_id, [(1, part.etag)])).size_bytes == 4
        inside.faults = faults
        await store.abort_parts("a", upload_id)
        assert [upload async for upload in store.list_part_uploads()] == []
        assert b"".join([piece async for piece in inside.read("a")]) == b"part"


async def test_a_list_that_broke_off_in_its_midst_is_not_begun_again() -> None:
    inside = Unsteady(0)
    store = guard(inside, QUICK)
    assert isinstance(store, TakesParts)
    upload_id = await store.create_parts("a")
    for number in (1, 2, 3):
        await store.put_part("a", upload_id, number, b"part")
    inside.faults, inside.listed_before_failing = 1, 2
    found = []
    with pytest.raises(StoreUnavailable):
        async for part in store.list_parts("a", upload_id):
            found.append(part.number)  # noqa: PERF401 - what came before the failure counts
    assert found == [1, 2]


async def test_what_frames_a_growth_may_be_repeated_and_a_write_never_is() -> None:
    inside = Unsteady(0)
    store = guard(inside, QUICK)
    assert isinstance(store, Grows)
    async with store.growing("a", {}) as growing:
        inside.faults = 1
        with pytest.raises(StoreUnavailable):
            await growing.write(b"once")
        assert growing.offset == 4
        notes = await growing.flush()
    inside.faults = 3
    assert await store.grown("a", notes) == 4
    inside.faults = 3
    assert (await store.finish_growth("a", notes)).size_bytes == 4
    inside.faults = 3
    await store.discard_growth("a", notes)
    assert [facts async for facts in store.list_growths()] == []
    assert b"".join([piece async for piece in inside.read("a")]) == b"once"


async def test_a_failure_that_its_caller_lives_with_counts_and_what_the_notes_tell_is_no_proof() -> None:
    store = guard(Unsteady(2), QUICK)
    assert isinstance(store, Grows)
    for _ in range(2):
        async with store.growing("a", {}) as growing:
            with pytest.raises(StoreUnavailable):
                await growing.write(b"lost")
    assert store.health.is_open
    assert await store.grown("a", {}) == 0
    assert store.health.is_open, "the notes told it, not the store"


async def test_growing_is_logged_as_one_operation_with_its_bytes() -> None:
    store = guard(Unsteady(0), QUICK)
    assert isinstance(store, Grows)
    with structlog.testing.capture_logs() as lines:
        async with store.growing("a", {}) as growing:
            for _ in range(3):
                await growing.write(b"12345")
        with pytest.raises(ConnectionResetError):
            async with store.growing("a", {}):
                raise ConnectionResetError("the client left")
        with pytest.raises(StoreRefused):
            async with store.growing("a", {}):
                raise StoreRefused("The store said no.")
    done, left, failed = lines
    assert (done["action"], done["key"], done["bytes"], done["log_level"]) == ("grow", "a", 15, "info")
    assert left["log_level"] == "info"
    assert failed["log_level"] == "error"


async def test_what_changes_a_store_is_told_at_the_usual_level_and_what_only_looks_below_it() -> None:
    store = guard(MemoryStore("memory"))
    with structlog.testing.capture_logs() as lines:
        await store.put("a", pieces(b"sound"))
        assert b"".join([piece async for piece in store.read("a")]) == b"sound"
        await store.head("a")
        assert [facts.key async for facts in store.list_objects()] == ["a"]
        await store.delete("a")
    told = [(line["action"], line["log_level"]) for line in lines]
    assert told == [
        ("put", "info"),
        ("read", "debug"),
        ("head", "debug"),
        ("list", "debug"),
        ("delete", "info"),
    ]


async def test_patience_ends() -> None:
    inside, store = await filled(99)
    with pytest.raises(StoreUnavailable):
        await store.head("a")
    assert inside.calls == QUICK.tries_max


async def test_what_will_not_get_better_is_not_tried_again() -> None:
    inside, store = await filled(99, StoreRefused)
    with pytest.raises(StoreRefused):
        await store.head("a")
    inside, store = await filled(0)
    with pytest.raises(ObjectNotFound):
        await store.head("none")
    assert inside.calls == 1


async def test_a_write_is_not_tried_again_because_its_body_is_spent() -> None:
    inside, store = await filled(1)
    with pytest.raises(StoreUnavailable):
        await store.put("b", pieces(b"x"))
    assert inside.calls == 1


@pytest.mark.parametrize(("start", "end"), [(0, None), (5, len(SOUND) - 5)])
async def test_a_broken_read_goes_on_from_the_byte_reached(start: int, end: int | None) -> None:
    _, store = await filled(3)
    body = b"".join([piece async for piece in store.read("a", start, end)])
    assert hashlib.sha256(body).digest() == hashlib.sha256(SOUND[start:end]).digest()


async def test_it_shows_the_abilities_of_the_store_inside_and_no_others(tmp_path: Path) -> None:
    local = guard(
        LocalStore(LocalStoreConfig("local", "recordings", tmp_path, "http://host:9", "key", "secret"))
    )
    s3 = guard(S3Store(S3StoreConfig("s3", "bucket", credentials=Credentials("key", "secret"))))
    memory, plain = guard(MemoryStore()), guard(cast(Store, Plain()))
    shown = {
        kind: [
            ability for ability in (SignsUrls, OpensFiles, TakesParts, Grows) if isinstance(store, ability)
        ]
        for kind, store in {"local": local, "s3": s3, "memory": memory, "plain": plain}.items()
    }
    assert shown == {
        "local": [SignsUrls, OpensFiles, TakesParts, Grows],
        "s3": [SignsUrls, TakesParts, Grows],
        "memory": [TakesParts, Grows],
        "plain": [],
    }
    assert isinstance(local, SignsUrls)
    assert local.client_origin == "http://host:9"
    ticket = local.ticket_post(TicketLimits("a", "audio/mp4", 60, 10))
    assert ticket.url == "http://host:9/s3/recordings"
    assert (local.name, local.bucket, local.abilities.shared) == ("local", "recordings", False)
    assert isinstance(s3, SignsUrls)
    assert s3.client_origin == "https://bucket.s3.us-east-1.amazonaws.com"


async def test_every_operation_is_logged_with_what_it_took() -> None:
    _, store = await filled(1)
    with structlog.testing.capture_logs() as lines:
        _ = [piece async for piece in store.read("a")]
        await store.put("b", pieces(b"12345"))
        with pytest.raises(ObjectNotFound):
            await store.head("none")
    again, read, put, head = lines
    assert (again["log_level"], again["failures"]) == ("warning", 1)
    assert isinstance(again["exc_info"], StoreUnavailable)
    assert (read["action"], read["key"], read["bytes"], read["failures"]) == ("read", "a", len(SOUND), 1)
    assert (put["action"], put["bytes"], put["store"]) == ("put", 5, "memory")
    assert head["found"] is False
    assert all(line["duration_ms"] >= 0 for line in lines)


async def test_a_failure_is_logged_with_its_stack() -> None:
    _, store = await filled(99)
    with structlog.testing.capture_logs() as lines, pytest.raises(StoreUnavailable):
        await store.head("a")
    assert lines[-1]["log_level"] == "error"
    assert lines[-1]["exc_info"].__traceback__ is not None
