"""What every store promises; see `stores/protocol.py`."""

import asyncio
import hashlib
import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from reelkeep.errors import Invalid, ObjectNotFound, WrongBytes
from reelkeep.stores.encrypted import EncryptedStore
from reelkeep.stores.protocol import ObjectFacts, Store

MIB = 1024 * 1024
SOUND = random.Random(1).randbytes(3 * MIB + 17)


async def pieces(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def whole(store: Store, key: str, start: int = 0, end: int | None = None) -> bytes:
    return b"".join([piece async for piece in store.read(key, start, end)])


async def keys(store: Store, prefix: str = "") -> list[str]:
    return [facts.key async for facts in store.list_objects(prefix)]


def is_tag_of(store: Store, etag: str, body: bytes) -> bool:
    """Whether a tag is the MD5, as S3's; where we encrypt it is of other bytes each time."""
    is_md5 = etag == hashlib.md5(body).hexdigest()
    return not is_md5 and etag != "" if isinstance(store, EncryptedStore) else is_md5


async def put(store: Store, key: str, body: bytes = b"sound") -> ObjectFacts:
    return await store.put(key, pieces(body), content_type="audio/mp4")


async def test_what_was_put_is_read_back(store: Store) -> None:
    facts = await store.put("a/b", pieces(SOUND[:100], SOUND[100:]), content_type="audio/mp4")
    assert await whole(store, "a/b") == SOUND
    assert (facts.key, facts.size_bytes, facts.content_type) == ("a/b", len(SOUND), "audio/mp4")
    assert facts.sha256 == hashlib.sha256(SOUND).hexdigest()
    assert abs(facts.modified_at - datetime.now(UTC)) < timedelta(minutes=1)


async def test_head_tells_the_facts_of_the_writer(store: Store) -> None:
    written = await put(store, "a/b", SOUND)
    found = await store.head("a/b")
    assert (found.key, found.size_bytes, found.content_type) == ("a/b", len(SOUND), "audio/mp4")
    assert found.etag == written.etag
    assert is_tag_of(store, found.etag, SOUND)
    assert found.sha256 in (None, written.sha256)


async def test_an_empty_object_is_an_object(store: Store) -> None:
    facts = await store.put("empty", pieces(), size_bytes=0)
    assert facts.size_bytes == 0
    assert await whole(store, "empty") == b""
    assert await whole(store, "empty", 0, 10) == b""


async def test_a_body_of_many_parts_arrives_whole(store: Store) -> None:
    part = random.Random(2).randbytes(MIB)
    digest = hashlib.sha256(part * 20).hexdigest()
    facts = await store.put("big", pieces(*[part] * 20), size_bytes=20 * MIB, sha256=digest)
    assert (facts.size_bytes, facts.sha256) == (20 * MIB, digest)
    assert hashlib.sha256(await whole(store, "big")).hexdigest() == digest


async def test_a_body_of_known_length_and_digest_arrives_whole(store: Store) -> None:
    body = SOUND * 4
    digest = hashlib.sha256(body).hexdigest()
    facts = await store.put(
        "known", _in_pieces(body), content_type="audio/mp4", size_bytes=len(body), sha256=digest
    )
    found = await store.head("known")
    assert (facts.size_bytes, facts.sha256, facts.content_type) == (len(body), digest, "audio/mp4")
    assert (found.size_bytes, found.content_type, found.etag) == (len(body), "audio/mp4", facts.etag)
    assert await whole(store, "known") == body


@pytest.mark.parametrize(
    "body",
    [
        SOUND * 4 + b"more",
        SOUND * 5,
        (SOUND * 4)[:-1],
        SOUND,
        (SOUND * 4)[:-1] + b"!",
        b"!" + (SOUND * 4)[1:],
    ],
    ids=["longer", "much longer", "shorter", "much shorter", "other end", "other beginning"],
)
async def test_other_bytes_than_are_known_are_refused_and_leave_the_key_as_it_was(
    store: Store, body: bytes
) -> None:
    known = SOUND * 4
    await put(store, "a", b"older")
    with pytest.raises(WrongBytes):
        await store.put(
            "a", _in_pieces(body), size_bytes=len(known), sha256=hashlib.sha256(known).hexdigest()
        )
    assert await whole(store, "a") == b"older"
    assert await keys(store) == ["a"]


async def test_a_body_of_known_digest_that_breaks_off_leaves_nothing(store: Store) -> None:
    async def breaking() -> AsyncIterator[bytes]:
        async for piece in _in_pieces(SOUND * 2):
            yield piece
        raise FileNotFoundError("the sender went away")

    known = SOUND * 4
    with pytest.raises(FileNotFoundError, match="went away"):
        await store.put("a", breaking(), size_bytes=len(known), sha256=hashlib.sha256(known).hexdigest())
    assert await keys(store) == []


@pytest.mark.parametrize("size", [8 * MIB - 1, 8 * MIB, 8 * MIB + 1])
async def test_sizes_about_a_part_are_kept_exactly(store: Store, size: int) -> None:
    facts = await store.put("edge", pieces(bytes(size)), size_bytes=size)
    assert facts.size_bytes == size == (await store.head("edge")).size_bytes


@pytest.mark.parametrize("declared", [len(SOUND) - 1, len(SOUND) + 1])
async def test_a_body_of_another_length_is_refused_and_leaves_the_key_as_it_was(
    store: Store, declared: int
) -> None:
    await put(store, "a", b"older")
    with pytest.raises(WrongBytes):
        await store.put("a", pieces(SOUND), size_bytes=declared)
    assert await whole(store, "a") == b"older"


async def test_a_body_with_another_digest_is_refused_and_leaves_nothing(store: Store) -> None:
    with pytest.raises(WrongBytes):
        await store.put("a", pieces(SOUND), sha256=hashlib.sha256(b"other").hexdigest())
    assert await keys(store) == []


@pytest.mark.parametrize("taken", [0, 3, 20])
async def test_a_body_that_breaks_off_leaves_nothing_and_its_error_comes_through(
    store: Store, taken: int
) -> None:
    async def breaking() -> AsyncIterator[bytes]:
        for _ in range(taken):
            yield bytes(MIB)
        raise FileNotFoundError("the sender went away")

    with pytest.raises(FileNotFoundError, match="went away"):
        await store.put("a", breaking())
    assert await keys(store) == []
    with pytest.raises(ObjectNotFound):
        await store.head("a")


@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("taken", [1, 20])
async def test_a_cancelled_write_leaves_nothing(store: Store, taken: int, *, known: bool) -> None:
    waiting = asyncio.Event()

    async def stuck() -> AsyncIterator[bytes]:
        for _ in range(taken):
            yield bytes(MIB)
        waiting.set()
        await asyncio.Event().wait()

    declared = (40 * MIB, hashlib.sha256(bytes(40 * MIB)).hexdigest()) if known else (None, None)
    writing = asyncio.create_task(_put(store, "a", stuck(), *declared))
    await waiting.wait()
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    assert await keys(store) == []


async def _in_pieces(body: bytes) -> AsyncIterator[bytes]:
    for first in range(0, len(body), MIB):
        yield body[first : first + MIB]


async def _put(
    store: Store, key: str, body: AsyncIterator[bytes], size_bytes: int | None, sha256: str | None
) -> ObjectFacts:
    return await store.put(key, body, size_bytes=size_bytes, sha256=sha256)


async def test_a_later_write_replaces_the_earlier_whole(store: Store) -> None:
    await put(store, "a", SOUND)
    await store.put("a", pieces(b"short"), content_type="audio/wav")
    assert await whole(store, "a") == b"short"
    assert (await store.head("a")).content_type == "audio/wav"


async def test_of_concurrent_writers_one_wins_whole(store: Store) -> None:
    bodies = [bytes([n]) * (300_000 + n) for n in range(8)]
    await asyncio.gather(*(store.put("a", pieces(body[:7], body[7:])) for body in bodies))
    found, facts = await whole(store, "a"), await store.head("a")
    assert found in bodies
    assert is_tag_of(store, facts.etag, found)
    assert facts.size_bytes == len(found)
    assert facts.sha256 in (None, hashlib.sha256(found).hexdigest())


@pytest.mark.parametrize(
    ("start", "end"), [(0, 1), (10, 20), (MIB - 1, 2 * MIB + 3), (len(SOUND) - 5, None), (5, None), (7, 7)]
)
async def test_a_range_is_read(store: Store, start: int, end: int | None) -> None:
    await put(store, "a", SOUND)
    assert await whole(store, "a", start, end) == SOUND[start:end]


@pytest.mark.parametrize(
    ("start", "end"),
    [(len(SOUND) - 3, len(SOUND) + 10), (len(SOUND), None), (len(SOUND) + 5, len(SOUND) + 9)],
)
async def test_a_range_past_the_end_gives_what_there_is(store: Store, start: int, end: int | None) -> None:
    await put(store, "a", SOUND)
    assert await whole(store, "a", start, end) == SOUND[start:end]


async def test_a_missing_key_is_told(store: Store) -> None:
    with pytest.raises(ObjectNotFound):
        await store.head("no/such")
    for start, end in ((0, None), (5, 9), (3, 3)):
        with pytest.raises(ObjectNotFound):
            await whole(store, "no/such", start, end)
    with pytest.raises(ObjectNotFound):
        await store.copy("no/such", "target")
    await store.delete("no/such")
    assert await keys(store) == []


async def test_a_deleted_object_is_gone_and_its_key_may_be_used_again(store: Store) -> None:
    await put(store, "a/b/c")
    await store.delete("a/b/c")
    with pytest.raises(ObjectNotFound):
        await whole(store, "a/b/c")
    await put(store, "a/b/c", b"again")
    assert await whole(store, "a/b/c") == b"again"


async def test_a_copy_keeps_its_bytes_and_type_when_the_source_changes_or_goes(store: Store) -> None:
    await put(store, "incoming/a", SOUND)
    copied = await store.copy("incoming/a", "blobs/a")
    assert (copied.key, copied.size_bytes, copied.content_type) == ("blobs/a", len(SOUND), "audio/mp4")
    assert await whole(store, "incoming/a") == SOUND
    await put(store, "incoming/a", b"other")
    assert await whole(store, "blobs/a") == SOUND
    await store.delete("incoming/a")
    assert await whole(store, "blobs/a") == SOUND
    assert is_tag_of(store, (await store.head("blobs/a")).etag, SOUND)


async def test_a_copy_replaces_its_target_whole_and_may_be_made_twice(store: Store) -> None:
    await put(store, "a", b"new")
    await put(store, "b", SOUND)
    for _ in range(2):
        await store.copy("a", "b")
        assert await whole(store, "b") == b"new"


async def test_a_copy_made_while_its_source_is_overwritten_is_one_or_the_other(store: Store) -> None:
    bodies = [b"one" * 1000, b"other" * 1000]
    await put(store, "a", bodies[0])

    async def overwrite() -> None:
        for turn in range(10):
            await put(store, "a", bodies[turn % 2])

    async def copy() -> None:
        for turn in range(10):
            await store.copy("a", f"copy/{turn}")

    await asyncio.gather(overwrite(), copy())
    for turn in range(10):
        found = await whole(store, f"copy/{turn}")
        assert found in bodies
        assert is_tag_of(store, (await store.head(f"copy/{turn}")).etag, found)


async def test_a_read_during_overwrites_is_one_or_the_other(store: Store) -> None:
    bodies = [b"one" * 1000, b"other" * 1000]
    await put(store, "a", bodies[0])
    done = asyncio.Event()

    async def overwrite() -> None:
        for turn in range(40):
            await put(store, "a", bodies[turn % 2])
        done.set()

    async def read() -> None:
        while not done.is_set():
            assert await whole(store, "a") in bodies
            await asyncio.sleep(0)

    await asyncio.gather(overwrite(), read(), read(), read())


async def test_a_list_has_every_key_of_a_prefix_in_key_order(store: Store) -> None:
    names = ["a", "a-b", "a.json", "a.d", "a/b", "a/b.d/c", "a/b-c", "a0", "ab/c", "b", "a/b/x.bytes", "B/c"]
    for name in names:
        await put(store, name, name.encode())
    assert await keys(store) == sorted(names)
    for prefix in ("a", "a/", "a/b", "a/b/", "b", "ab/c", "nothing", "a."):
        assert await keys(store, prefix) == sorted(n for n in names if n.startswith(prefix)), prefix
    for name in names:
        assert await whole(store, name) == name.encode()


async def test_keys_that_are_also_folders_are_removed_apart(store: Store) -> None:
    for name in ("a", "a/b", "a/b/c"):
        await put(store, name, name.encode())
    await store.delete("a/b")
    assert await keys(store) == ["a", "a/b/c"]
    await store.delete("a")
    assert await whole(store, "a/b/c") == b"a/b/c"


ODD_KEYS = [
    "",
    "/",
    "/a",
    "a/",
    "a//b",
    ".",
    "..",
    "a/../b",
    "a/.",
    "ü",
    "a b",
    "a\n",
    "a\x00",
    "a\\b",
    "%2e",
]


@pytest.mark.parametrize("key", [*ODD_KEYS, "a" * 201, "/".join(["a" * 100] * 11)])
async def test_an_odd_key_is_refused_by_every_method(store: Store, key: str) -> None:
    await put(store, "a")
    with pytest.raises(Invalid):
        await put(store, key)
    with pytest.raises(Invalid):
        await store.head(key)
    with pytest.raises(Invalid):
        await whole(store, key)
    with pytest.raises(Invalid):
        await store.copy("a", key)
    with pytest.raises(Invalid):
        await store.copy(key, "b")
    with pytest.raises(Invalid):
        await store.delete(key)
    assert await keys(store) == ["a"]


async def test_the_longest_key_works(store: Store) -> None:
    key = "/".join(["k" * 200] * 4)
    await put(store, key)
    assert await keys(store, "k" * 200 + "/") == [key]


async def test_a_read_left_early_holds_nothing(store: Store) -> None:
    await put(store, "a", SOUND)
    reading = store.read("a")
    await anext(reading)
    await reading.aclose()  # type: ignore[attr-defined]
    await store.delete("a")
    assert await keys(store) == []


async def test_a_check_passes_and_leaves_nothing(store: Store) -> None:
    await store.check()
    assert await keys(store) == []


async def test_a_class_is_kept_as_a_fact_and_copies_take_another(store: Store) -> None:
    put_in = await store.put("a", pieces(b"sound"), storage_class="STANDARD_IA")
    assert put_in.storage_class == (await store.head("a")).storage_class == "STANDARD_IA"
    copied = await store.copy("a", "b", storage_class="GLACIER")
    assert copied.storage_class == (await store.head("b")).storage_class == "GLACIER"
    classes = {facts.key: facts.storage_class async for facts in store.list_objects()}
    assert classes == {"a": "STANDARD_IA", "b": "GLACIER"}


async def test_without_a_class_bytes_lie_in_the_stores_own(store: Store) -> None:
    await put(store, "a")
    own = (await store.head("a")).storage_class
    assert own in ("", "STANDARD")
    await store.put("b", pieces(b"sound"), storage_class="STANDARD_IA")
    await store.copy("b", "c")
    assert (await store.head("c")).storage_class == own


async def test_an_object_is_moved_to_another_class_by_copying_it_onto_itself(store: Store) -> None:
    await put(store, "a", SOUND)
    await store.copy("a", "a", storage_class="STANDARD_IA")
    facts = await store.head("a")
    assert (facts.storage_class, facts.content_type) == ("STANDARD_IA", "audio/mp4")
    assert await whole(store, "a") == SOUND
