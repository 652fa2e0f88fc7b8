"""What every store promises whose objects grow in several goes; see `Grows` in `stores/protocol.py`."""

import asyncio
import hashlib
import json
import random
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reelkeep.errors import Invalid, ObjectNotFound
from reelkeep.stores.encrypted import EncryptedStore
from reelkeep.stores.protocol import COUNTED, PART_BYTES_MIN, Grows, GrowthNotes, ObjectFacts, Store
from tests.contract.conftest import kinds_with

pytestmark = pytest.mark.parametrize("opener", kinds_with(Grows), indirect=True)
SOUND = random.Random(5).randbytes(2 * PART_BYTES_MIN + 1_500_000)
SMALL = SOUND[:200_000]
KEY = "incoming/a"
TYPE = "audio/mp4"


class GrowingStore(Store, Grows, Protocol):
    """A store whose objects grow."""


@pytest.fixture
def store(opener: Callable[[], Store]) -> GrowingStore:
    return cast(GrowingStore, opener())


def is_encrypted(store: object) -> bool:
    return isinstance(getattr(store, "_inside", None), EncryptedStore)


async def whole(store: Store, key: str = KEY) -> bytes:
    return b"".join([piece async for piece in store.read(key)])


async def keys(store: Store) -> list[str]:
    return [facts.key async for facts in store.list_objects()]


async def growths(store: GrowingStore, prefix: str = "") -> list[tuple[str, int]]:
    return sorted([(facts.key, facts.size_bytes) async for facts in store.list_growths(prefix)])


async def grow(
    store: GrowingStore, notes: GrowthNotes, body: bytes, *, piece: int = 64 * 1024, key: str = KEY
) -> GrowthNotes:
    """Append a body in pieces and flush; the notes as they come back from a row."""
    async with store.growing(key, notes, content_type=TYPE) as growing:
        before = growing.offset
        for at in range(0, len(body), piece):
            await growing.write(body[at : at + piece])
        assert growing.offset == before + len(body)
        found: GrowthNotes = json.loads(json.dumps(await growing.flush()))
        assert growing.offset == before + len(body)
    return found


async def finish(store: GrowingStore, notes: GrowthNotes, key: str = KEY) -> ObjectFacts:
    return await store.finish_growth(key, notes, content_type=TYPE)


async def test_what_grew_in_one_go_has_its_digest(store: GrowingStore) -> None:
    notes = await grow(store, {}, SOUND)
    facts = await finish(store, notes)
    assert (facts.key, facts.size_bytes, facts.content_type) == (KEY, len(SOUND), TYPE)
    assert facts.sha256 == hashlib.sha256(SOUND).hexdigest()
    assert abs(facts.modified_at - datetime.now(UTC)) < timedelta(minutes=1)
    assert await whole(store) == SOUND
    found = await store.head(KEY)
    assert (found.size_bytes, found.content_type, found.etag) == (len(SOUND), TYPE, facts.etag)


async def test_what_grew_in_two_goes_has_no_digest_that_is_guessed(opener: Callable[[], Store]) -> None:
    one, other = cast(GrowingStore, opener()), cast(GrowingStore, opener())
    notes = await grow(one, {}, SMALL[:70_000])
    assert await other.grown(KEY, notes) == 70_000
    notes = await grow(other, notes, SMALL[70_000:])
    found = (await finish(other, notes)).sha256
    # Finishing reads all bytes once more where we encrypt.
    assert found in (None, hashlib.sha256(SMALL).hexdigest() if is_encrypted(other) else None)
    assert await whole(one) == SMALL


async def test_a_go_that_brings_nothing_leaves_everything_as_it_was(store: GrowingStore) -> None:
    notes = await grow(store, {}, SMALL)
    notes = await grow(store, notes, b"")
    assert await store.grown(KEY, notes) == len(SMALL)
    assert (await finish(store, notes)).sha256 in (None, hashlib.sha256(SMALL).hexdigest())
    assert await whole(store) == SMALL


async def test_nothing_has_come_where_nothing_was_written(store: GrowingStore) -> None:
    assert await store.grown(KEY, {}) == 0
    assert await growths(store) == []
    await store.discard_growth(KEY, {})
    assert await keys(store) == []


async def test_an_empty_object_may_grow_too(store: GrowingStore) -> None:
    facts = await finish(store, await grow(store, {}, b""))
    assert facts.size_bytes == 0
    assert await whole(store) == b""


@pytest.mark.parametrize("size", [PART_BYTES_MIN - 1, PART_BYTES_MIN, PART_BYTES_MIN + 1, 2 * PART_BYTES_MIN])
async def test_sizes_about_a_part_are_kept_exactly(store: GrowingStore, size: int) -> None:
    notes = await grow(store, {}, SOUND[:size], piece=1 << 20)
    assert await store.grown(KEY, notes) == size
    assert (await finish(store, notes)).size_bytes == size
    assert await whole(store) == SOUND[:size]


@settings(
    max_examples=5,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    derandomize=True,
)
@given(
    cuts=st.lists(st.integers(0, len(SOUND)), max_size=5),
    small_cuts=st.lists(st.integers(0, 70_000), max_size=4),
    piece=st.sampled_from([30_011, 300_000, 3 * 1024 * 1024]),
)
async def test_it_goes_on_from_wherever_it_was_cut(
    opener: Callable[[], Store], cuts: list[int], small_cuts: list[int], piece: int
) -> None:
    """Each go is another process's, which knows only the notes; one in the midst is lost before its flush."""
    notes: GrowthNotes = {}
    store = cast(GrowingStore, opener())
    for cut in sorted([*cuts, *small_cuts, len(SOUND)]):
        store = cast(GrowingStore, opener())
        start = await store.grown(KEY, notes)
        async with store.growing(KEY, notes, content_type=TYPE) as lost:
            await lost.write(SOUND[start:cut])
        start = await store.grown(KEY, notes)
        notes = await grow(store, notes, SOUND[start:cut], piece=piece)
        assert await store.grown(KEY, notes) == cut
    await finish(store, notes)
    assert hashlib.sha256(await whole(store)).digest() == hashlib.sha256(SOUND).digest()
    assert await growths(store) == []
    assert await keys(store) == [KEY]
    await store.delete(KEY)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.lists(st.integers(0, len(SMALL)), max_size=6), views=st.booleans())
async def test_small_goes_are_joined_exactly(
    opener: Callable[[], Store], cuts: list[int], views: bool
) -> None:
    store, notes, start = cast(GrowingStore, opener()), cast(GrowthNotes, {}), 0
    for cut in sorted([*cuts, len(SMALL)]):
        async with store.growing(KEY, notes, content_type=TYPE) as growing:
            assert growing.offset == start
            part = memoryview(SMALL)[start:cut]
            await growing.write(part if views else bytes(part))
            notes = await growing.flush()
        start = cut
    await finish(store, notes)
    assert await whole(store) == SMALL
    await store.delete(KEY)


async def test_many_flushes_within_one_go_are_joined_exactly(store: GrowingStore) -> None:
    notes: GrowthNotes = {}
    async with store.growing(KEY, notes, content_type=TYPE) as growing:
        for at in range(0, 40_000, 1000):
            await growing.write(SMALL[at : at + 1000])
            notes = await growing.flush()
            assert await store.grown(KEY, notes) == at + 1000
    facts = await finish(store, notes)
    assert facts.sha256 == hashlib.sha256(SMALL[:40_000]).hexdigest()
    assert await whole(store) == SMALL[:40_000]


async def test_flushed_bytes_survive_an_error_and_others_never_come_out_of_order(
    opener: Callable[[], Store],
) -> None:
    store, notes = cast(GrowingStore, opener()), cast(GrowthNotes, {})
    with pytest.raises(ConnectionResetError):
        async with store.growing(KEY, notes, content_type=TYPE) as growing:
            await growing.write(SMALL[:50_000])
            notes = await growing.flush()
            await growing.write(SMALL[50_000:90_000])
            raise ConnectionResetError
    other = cast(GrowingStore, opener())
    start = await other.grown(KEY, notes)
    assert 50_000 <= start <= 90_000
    await finish(other, await grow(other, notes, SMALL[start:]))
    assert await whole(other) == SMALL


@pytest.mark.parametrize("steps", [0, 1, 2, 5, 20, 200])
async def test_a_go_may_be_cancelled_anywhere(opener: Callable[[], Store], steps: int) -> None:
    store = cast(GrowingStore, opener())
    notes = await grow(store, {}, SOUND[:3_000_000])

    async def go_on() -> None:
        async with store.growing(KEY, notes, content_type=TYPE) as growing:
            for at in range(3_000_000, len(SOUND), 400_000):
                await growing.write(SOUND[at : at + 400_000])
            await growing.flush()

    going = asyncio.create_task(go_on())
    for _ in range(steps):
        await asyncio.sleep(0)
    going.cancel()
    await asyncio.gather(going, return_exceptions=True)
    start = await store.grown(KEY, notes)
    assert start >= 3_000_000
    await finish(store, await grow(store, notes, SOUND[start:]))
    assert await whole(store) == SOUND
    assert await growths(store) == []


@pytest.mark.parametrize("steps", [1, 3, 8, 40])
async def test_what_a_cancelled_write_took_may_still_be_flushed(store: GrowingStore, steps: int) -> None:
    notes: GrowthNotes = {}
    async with store.growing(KEY, notes, content_type=TYPE) as growing:

        async def write() -> None:
            for at in range(0, len(SOUND), 400_000):
                await growing.write(SOUND[at : at + 400_000])

        writing = asyncio.create_task(write())
        for _ in range(steps):
            await asyncio.sleep(0)
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
        notes = await growing.flush()
        taken = growing.offset
    assert await store.grown(KEY, notes) == taken
    facts = await finish(store, notes)
    assert facts.sha256 == hashlib.sha256(SOUND[:taken]).hexdigest()
    assert await whole(store) == SOUND[:taken]


@pytest.mark.parametrize("size", [1000, PART_BYTES_MIN + 5])
async def test_nothing_is_seen_before_it_is_finished(store: GrowingStore, size: int) -> None:
    notes = await grow(store, {}, SOUND[:size])
    assert await keys(store) == []
    with pytest.raises(ObjectNotFound):
        await store.head(KEY)
    await finish(store, notes)
    assert await keys(store) == [KEY]


@pytest.mark.parametrize("size", [0, 1000, PART_BYTES_MIN + 5])
async def test_finishing_twice_is_harmless(opener: Callable[[], Store], size: int) -> None:
    store = cast(GrowingStore, opener())
    notes = await grow(store, {}, SOUND[:size])
    made = await finish(store, notes)
    again = await finish(cast(GrowingStore, opener()), notes)
    assert (again.size_bytes, again.etag, again.content_type) == (size, made.etag, TYPE)
    assert again.sha256 in (None, hashlib.sha256(SOUND[:size]).hexdigest())
    assert await whole(store) == SOUND[:size]
    assert await growths(store) == []


async def test_a_finished_object_replaces_an_older_one_whole(store: GrowingStore) -> None:
    async def older() -> AsyncIterator[bytes]:
        yield b"older"

    await store.put(KEY, older())
    notes = await grow(store, {}, SMALL)
    assert await whole(store) == b"older"
    await finish(store, notes)
    assert await whole(store) == SMALL


@pytest.mark.parametrize("size", [1000, PART_BYTES_MIN + 5])
async def test_what_is_discarded_leaves_nothing_and_may_grow_anew(store: GrowingStore, size: int) -> None:
    notes = await grow(store, {}, SOUND[:size])
    for _ in range(2):
        await store.discard_growth(KEY, notes)
    assert await growths(store) == []
    assert await store.grown(KEY, {}) == 0
    await finish(store, await grow(store, {}, SMALL))
    assert await whole(store) == SMALL


async def test_what_grows_is_listed_with_its_size_and_last_change(store: GrowingStore) -> None:
    sizes = {"incoming/a": 1000, "incoming/b": PART_BYTES_MIN + 7, "other/c": 3}
    notes = {key: await grow(store, {}, SOUND[:size], key=key) for key, size in sizes.items()}
    assert await growths(store) == sorted(sizes.items())
    assert await growths(store, "incoming/") == sorted(sizes.items())[:2]
    assert await growths(store, "incoming/b") == [("incoming/b", PART_BYTES_MIN + 7)]
    assert await growths(store, "nothing") == []
    async for facts in store.list_growths():
        assert abs(facts.modified_at - datetime.now(UTC)) < timedelta(minutes=1)
    await finish(store, notes["incoming/a"], "incoming/a")
    await store.discard_growth("incoming/b", notes["incoming/b"])
    assert await growths(store) == [("other/c", 3)]


async def test_keys_grow_apart(store: GrowingStore) -> None:
    names = ["incoming/a", "incoming/a/b", "incoming/ab", "incoming/a.bytes"]
    bodies = {key: f"{key} grows".encode() for key in names}
    notes = {key: await grow(store, {}, body, key=key) for key, body in bodies.items()}
    assert dict(await growths(store)) == {key: len(body) for key, body in bodies.items()}
    await store.discard_growth("incoming/a", notes["incoming/a"])
    for key in names[1:]:
        await finish(store, notes[key], key)
        assert await whole(store, key) == bodies[key]


@pytest.mark.parametrize("counted", [0, 20_000, 60_000, 90_000])
async def test_bytes_that_do_not_count_are_cut_off(store: GrowingStore, counted: int) -> None:
    notes = await grow(store, {}, SMALL[:30_000])
    notes = {**await grow(store, notes, SMALL[30_000:90_000]), COUNTED: counted}
    assert await store.grown(KEY, notes) == counted
    notes = await grow(store, notes, b"proved")
    assert await store.grown(KEY, notes) == counted + 6
    await finish(store, notes)
    assert await whole(store) == SMALL[:counted] + b"proved"


async def test_an_odd_key_is_refused(store: GrowingStore) -> None:
    for key in ("", "../a"):
        with pytest.raises(Invalid):
            await store.grown(key, {})
        with pytest.raises(Invalid):
            async with store.growing(key, {}):
                pass
        with pytest.raises(Invalid):
            await store.finish_growth(key, {})
        with pytest.raises(Invalid):
            await store.discard_growth(key, {})
