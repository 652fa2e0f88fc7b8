"""The layout of encrypted objects: any range, and whatever is changed is refused."""

import hashlib
from collections.abc import AsyncIterator, Callable
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reelkeep.errors import Invalid, KeyRefused, ObjectNotFound, StoreUnavailable, WrongBytes
from reelkeep.stores.encrypted import EncryptedStore
from reelkeep.stores.encrypted_growth import GROWING, SMALL_PIECES_MAX
from reelkeep.stores.key_ring import DataKey
from reelkeep.stores.memory import MemoryStore
from reelkeep.stores.protocol import Grows, OpensFiles, SignsUrls, TakesParts
from reelkeep.stores.sealed_segments import (
    HEAD_BYTES,
    SEALED_SEGMENT_BYTES,
    SEGMENT_BYTES,
    TAG_BYTES,
    SealedObject,
    plain_size,
    sealed_size,
)
from tests.fixtures.encryption import KnownKeys

S = SEGMENT_BYTES
SOUND = hashlib.shake_256(b"sound").digest(3 * S + 1234)
KEY = "recordings/a"
SIZES = [0, 1, S - 1, S, S + 1, 2 * S, 2 * S + 5, 4 * S, 4 * S + 1, 9 * S - 1]


class Stores:
    """An encrypted store and the one inside."""

    def __init__(self, secret: str = "of the test") -> None:
        self.inside = MemoryStore()
        self.keys = KnownKeys(secret)
        self.store = EncryptedStore(self.inside, self.keys)

    async def put(self, key: str = KEY, body: bytes = SOUND) -> None:
        await self.store.put(key, pieces(body))

    async def sealed(self, key: str = KEY) -> bytes:
        return b"".join([piece async for piece in self.inside.read(key)])

    async def replace(self, body: bytes, key: str = KEY) -> None:
        await self.inside.put(key, pieces(body))

    async def read(self, start: int = 0, end: int | None = None, key: str = KEY) -> bytes:
        return b"".join([piece async for piece in self.store.read(key, start, end)])


async def pieces(body: bytes, size: int = 100_000) -> AsyncIterator[bytes]:
    for at in range(0, len(body), size):
        yield body[at : at + size]


def segment(sealed: bytes, number: int) -> bytes:
    at = HEAD_BYTES + number * SEALED_SEGMENT_BYTES
    return sealed[at : at + SEALED_SEGMENT_BYTES]


@given(size=st.integers(0, 10 * S))
def test_sizes_follow_from_each_other(size: int) -> None:
    assert plain_size(sealed_size(size)) == size


@pytest.mark.parametrize(
    "size", [0, HEAD_BYTES, HEAD_BYTES + TAG_BYTES - 1, sealed_size(S) + 1, sealed_size(S) + TAG_BYTES]
)
def test_a_size_that_no_object_of_ours_has_is_known(size: int) -> None:
    assert plain_size(size) is None


@pytest.mark.parametrize("size", SIZES)
async def test_sizes_about_a_segment_are_kept_exactly(size: int) -> None:
    stores, body = Stores(), SOUND * 4
    facts = await stores.store.put(KEY, pieces(body[:size], 70_001), size_bytes=size)
    assert (facts.size_bytes, facts.sha256) == (size, hashlib.sha256(body[:size]).hexdigest())
    assert (await stores.store.head(KEY)).size_bytes == size
    assert len(await stores.sealed()) == sealed_size(size)
    assert await stores.read() == body[:size]


@settings(max_examples=150, deadline=None)
@given(
    size=st.sampled_from([*SIZES, len(SOUND)]),
    start=st.integers(0, 4 * S),
    length=st.one_of(st.none(), st.integers(0, 3 * S), st.sampled_from([S, 2 * S, 1])),
    aligned=st.booleans(),
    piece=st.sampled_from([1 << 12, S, S + TAG_BYTES, 1 << 20]),
)
async def test_any_range_is_the_range_of_the_plain_bytes(
    size: int, start: int, length: int | None, aligned: bool, piece: int
) -> None:
    start = start // S * S if aligned else start
    body = (SOUND * 4)[:size]
    stores = Stores()
    await stores.store.put(KEY, pieces(body, piece))
    end = None if length is None else start + length
    assert await stores.read(start, end) == body[start:end]


async def test_a_range_reads_only_the_segments_it_needs() -> None:
    asked: list[tuple[int, int | None]] = []

    class Watched(MemoryStore):
        async def read(self, key: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
            asked.append((start, end))
            async for piece in super().read(key, start, end):
                yield piece

    store = EncryptedStore(Watched(), KnownKeys())
    await store.put(KEY, pieces(SOUND))
    assert b"".join([p async for p in store.read(KEY, 2 * S + 5, 2 * S + 9)]) == SOUND[2 * S + 5 : 2 * S + 9]
    assert asked == [
        (0, HEAD_BYTES),
        (HEAD_BYTES + 2 * SEALED_SEGMENT_BYTES, HEAD_BYTES + 3 * SEALED_SEGMENT_BYTES),
    ]


async def test_nothing_of_the_plain_bytes_is_in_the_store_and_equal_ones_look_different() -> None:
    stores = Stores()
    for key in ("recordings/a", "recordings/b"):
        await stores.put(key)
    one, other = await stores.sealed("recordings/a"), await stores.sealed("recordings/b")
    for at in range(0, len(SOUND), 10_007):
        assert SOUND[at : at + 16] not in one
    assert segment(one, 0) != segment(other, 0)
    assert hashlib.sha256(SOUND).hexdigest() not in str([await stores.inside.head(KEY)])


@settings(max_examples=60, deadline=None)
@given(at=st.integers(0, sealed_size(len(SOUND)) - 1), bit=st.integers(0, 7))
async def test_a_flipped_bit_is_refused_wherever_it_is(at: int, bit: int) -> None:
    stores = Stores()
    await stores.put()
    sealed = bytearray(await stores.sealed())
    sealed[at] ^= 1 << bit
    await stores.replace(bytes(sealed))
    with pytest.raises(WrongBytes):
        await stores.read()


async def test_what_is_given_out_before_a_flipped_segment_is_right_and_then_it_breaks_off() -> None:
    stores = Stores()
    await stores.put()
    sealed = bytearray(await stores.sealed())
    sealed[HEAD_BYTES + 2 * SEALED_SEGMENT_BYTES + 9] ^= 1
    await stores.replace(bytes(sealed))
    found = bytearray()
    with pytest.raises(WrongBytes):
        async for piece in stores.store.read(KEY):
            found += piece
    assert found == SOUND[: 2 * S]
    assert await stores.read(0, 2 * S) == SOUND[: 2 * S]


CUTS: dict[str, Callable[[bytes], bytes]] = {
    "a byte at the end": lambda sealed: sealed[:-1],
    "the last segment": lambda sealed: sealed[: HEAD_BYTES + 3 * SEALED_SEGMENT_BYTES],
    "all but the first": lambda sealed: sealed[: HEAD_BYTES + SEALED_SEGMENT_BYTES],
    "every segment": lambda sealed: sealed[:HEAD_BYTES],
    "into the head": lambda sealed: sealed[:20],
    "everything": lambda _: b"",
    "the first segment": lambda sealed: sealed[:HEAD_BYTES] + sealed[HEAD_BYTES + SEALED_SEGMENT_BYTES :],
    "one in the midst": lambda sealed: (
        sealed[: HEAD_BYTES + SEALED_SEGMENT_BYTES] + sealed[HEAD_BYTES + 2 * SEALED_SEGMENT_BYTES :]
    ),
    "segments out of order": lambda sealed: (
        sealed[:HEAD_BYTES]
        + segment(sealed, 1)
        + segment(sealed, 0)
        + sealed[HEAD_BYTES + 2 * SEALED_SEGMENT_BYTES :]
    ),
    "one twice": lambda sealed: (
        sealed[: HEAD_BYTES + SEALED_SEGMENT_BYTES]
        + segment(sealed, 0)
        + sealed[HEAD_BYTES + 2 * SEALED_SEGMENT_BYTES :]
    ),
    "more at the end": lambda sealed: sealed + b"\x00",
    "a segment more": lambda sealed: sealed + segment(sealed, 3),
    "plain bytes": lambda _: SOUND,
}


@pytest.mark.parametrize("cut", CUTS)
async def test_what_was_cut_or_put_together_otherwise_is_refused(cut: str) -> None:
    stores = Stores()
    await stores.put()
    await stores.replace(CUTS[cut](await stores.sealed()))
    with pytest.raises(WrongBytes):
        await stores.read()


async def test_a_range_behind_a_cut_is_no_quiet_end() -> None:
    stores = Stores()
    await stores.put()
    await stores.replace(CUTS["the last segment"](await stores.sealed()))
    for start, end in ((3 * S, None), (3 * S + 7, 3 * S + 9), (2 * S + 5, 3 * S + 5), (2 * S, None)):
        with pytest.raises(WrongBytes):
            await stores.read(start, end)


async def test_objects_that_were_exchanged_are_refused_and_so_are_their_segments() -> None:
    stores = Stores()
    await stores.put("recordings/a")
    await stores.put("recordings/b", SOUND[::-1])
    one, other = await stores.sealed("recordings/a"), await stores.sealed("recordings/b")
    await stores.replace(other, "recordings/a")
    with pytest.raises(WrongBytes):
        await stores.read(key="recordings/a")
    for mixed in (
        one[:HEAD_BYTES] + other[HEAD_BYTES:],
        one[:-SEALED_SEGMENT_BYTES] + other[-SEALED_SEGMENT_BYTES:],
    ):
        await stores.replace(mixed, "recordings/a")
        with pytest.raises(WrongBytes):
            await stores.read(key="recordings/a")


async def test_an_older_object_under_the_same_key_shows_by_its_digest_alone() -> None:
    """What a store can always do: give back what it was given before. The database's SHA-256 tells."""
    stores = Stores()
    await stores.put()
    older = await stores.sealed()
    await stores.put(body=SOUND[::-1])
    await stores.replace(older)
    assert await stores.read() == SOUND


async def test_another_key_opens_nothing() -> None:
    stores, others = Stores(), Stores("of somebody else")
    await stores.put()
    await others.replace(await stores.sealed())
    with pytest.raises(WrongBytes):
        await others.read()


async def test_an_erased_key_opens_nothing() -> None:
    stores = Stores()
    await stores.put()
    stores.keys.erased.add(stores.keys.id_of(KEY))
    with pytest.raises(KeyRefused):
        await stores.read()
    with pytest.raises(KeyRefused):
        await stores.put()


async def test_a_store_that_gives_nothing_of_what_it_has_is_told() -> None:
    class Mute(MemoryStore):
        async def read(self, key: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
            async for piece in super().read(key, start, end):
                if start == 0:
                    yield piece

    store = EncryptedStore(Mute(), KnownKeys())
    await store.put(KEY, pieces(SOUND))
    with pytest.raises(StoreUnavailable):
        assert [piece async for piece in store.read(KEY, 2 * S)]


def test_no_two_segments_and_no_two_objects_share_a_key_and_a_nonce() -> None:
    data_key = DataKey(UUID(int=1), bytes(32))
    plain = bytes(100)
    objects = [SealedObject.new(data_key, KEY) for _ in range(50)]
    found = {
        one.seal(number, plain, last=last)
        for one in objects
        for number in range(20)
        for last in (False, True)
    }
    assert len(found) == 50 * 20 * 2


def test_it_has_only_the_ability_to_grow() -> None:
    store = Stores().store
    assert isinstance(store, Grows)
    assert not isinstance(store, SignsUrls | TakesParts | OpensFiles)


# Growing


async def test_many_small_goes_are_joined_and_older_notes_stay_good() -> None:
    stores, notes, older = Stores(), {}, {}
    for turn in range(5 * SMALL_PIECES_MAX):
        async with stores.store.growing(KEY, notes) as growing:
            await growing.write(SOUND[turn * 100 : turn * 100 + 100])
            notes = await growing.flush()
        older = notes if turn == SMALL_PIECES_MAX - 1 else older
    assert len(notes["pieces"]) <= SMALL_PIECES_MAX
    assert await stores.store.grown(KEY, older) == SMALL_PIECES_MAX * 100
    async with stores.store.growing(KEY, older) as growing:
        assert growing.offset == SMALL_PIECES_MAX * 100
    facts = await stores.store.finish_growth(KEY, notes)
    assert facts.sha256 == hashlib.sha256(SOUND[: 500 * SMALL_PIECES_MAX]).hexdigest()
    assert [f.key async for f in stores.inside.list_objects()] == [KEY]


async def test_a_piece_that_is_lost_is_never_passed_over() -> None:
    stores, notes = Stores(), {}
    for at in (0, 1000, 2000):
        async with stores.store.growing(KEY, notes) as growing:
            await growing.write(SOUND[at : at + 1000])
            notes = await growing.flush()
    await stores.put(body=b"older")
    await stores.inside.delete(notes["pieces"][1][0])
    with pytest.raises(ObjectNotFound):
        await stores.store.finish_growth(KEY, notes)
    assert await stores.read() == b"older"


async def test_keys_of_what_grows_are_nobody_elses() -> None:
    stores = Stores()
    with pytest.raises(Invalid):
        await stores.put(f"{GROWING}recordings/a/0-0")
