"""What every store promises that takes parts; see `TakesParts` in `stores/protocol.py`."""

import asyncio
import hashlib
import random
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol, cast

import pytest

from reelkeep.errors import Invalid, ObjectNotFound, WrongBytes
from reelkeep.stores.protocol import PART_BYTES_MIN, PART_NUMBER_MAX, PartFacts, Store, TakesParts
from tests.contract.conftest import kinds_with

pytestmark = pytest.mark.parametrize("opener", kinds_with(TakesParts), indirect=True)
PARTS = [random.Random(n).randbytes(PART_BYTES_MIN + n) for n in range(2)] + [b"the last"]
KEY = "incoming/a"


class PartsStore(Store, TakesParts, Protocol):
    """A store that takes parts."""


@pytest.fixture
def store(opener: Callable[[], Store]) -> PartsStore:
    return cast(PartsStore, opener())


async def whole(store: Store, key: str = KEY) -> bytes:
    return b"".join([piece async for piece in store.read(key)])


async def keys(store: Store) -> list[str]:
    return [facts.key async for facts in store.list_objects()]


async def pieces(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def listed(store: PartsStore, upload_id: str) -> list[PartFacts]:
    return [part async for part in store.list_parts(KEY, upload_id)]


async def sent(store: PartsStore, upload_id: str, *bodies: bytes) -> list[tuple[int, str]]:
    """Parts 1, 2, … as they are named when completing."""
    facts = [await store.put_part(KEY, upload_id, n, body) for n, body in enumerate(bodies, 1)]
    return [(part.number, part.etag) for part in facts]


async def test_parts_in_any_order_and_in_parallel_become_one_object(store: PartsStore) -> None:
    upload_id = await store.create_parts(KEY, content_type="audio/mp4")
    third = await store.put_part(KEY, upload_id, 3, PARTS[2])
    first_two = await asyncio.gather(*(store.put_part(KEY, upload_id, n, PARTS[n - 1]) for n in (2, 1)))
    parts = sorted([*first_two, third], key=lambda part: part.number)
    assert [part.size_bytes for part in parts] == [len(body) for body in PARTS]
    made = await store.complete_parts(KEY, upload_id, [(part.number, part.etag) for part in parts])
    assert await whole(store) == b"".join(PARTS)
    found = await store.head(KEY)
    for facts in (made, found):
        assert (facts.key, facts.size_bytes) == (KEY, sum(map(len, PARTS)))
        assert (facts.content_type, facts.sha256) == ("audio/mp4", None)
        assert abs(facts.modified_at - datetime.now(UTC)) < timedelta(minutes=1)
    md5s = [hashlib.md5(body).digest() for body in PARTS]
    assert made.etag == found.etag == f"{hashlib.md5(b''.join(md5s)).hexdigest()}-3"


async def test_the_parts_that_arrived_are_listed_by_number(store: PartsStore) -> None:
    upload_id = await store.create_parts(KEY)
    assert await listed(store, upload_id) == []
    for number in (10, 9, PART_NUMBER_MAX, 1):
        await store.put_part(KEY, upload_id, number, b"part" * number)
    found = await listed(store, upload_id)
    assert [part.number for part in found] == [1, 9, 10, PART_NUMBER_MAX]
    assert [part.size_bytes for part in found] == [4 * part.number for part in found]
    assert [part.etag for part in found] == [hashlib.md5(b"part" * part.number).hexdigest() for part in found]
    assert all(abs(part.modified_at - datetime.now(UTC)) < timedelta(minutes=1) for part in found)


async def test_of_a_part_sent_again_the_last_counts(store: PartsStore) -> None:
    upload_id = await store.create_parts(KEY)
    earlier = await store.put_part(KEY, upload_id, 1, b"earlier")
    later = await store.put_part(KEY, upload_id, 1, b"and later")
    assert [(part.size_bytes, part.etag) for part in await listed(store, upload_id)] == [(9, later.etag)]
    with pytest.raises(WrongBytes) as refused:
        await store.complete_parts(KEY, upload_id, [(1, earlier.etag)])
    assert refused.value.details["check"] == "part"
    await store.complete_parts(KEY, upload_id, [(1, later.etag)])
    assert await whole(store) == b"and later"


async def test_numbers_may_have_gaps(store: PartsStore) -> None:
    upload_id = await store.create_parts(KEY)
    first = await store.put_part(KEY, upload_id, 2, PARTS[0])
    last = await store.put_part(KEY, upload_id, 700, b"end")
    await store.complete_parts(KEY, upload_id, [(2, first.etag), (700, last.etag)])
    assert await whole(store) == PARTS[0] + b"end"


async def test_a_part_that_is_not_named_is_left_out(store: PartsStore) -> None:
    upload_id = await store.create_parts(KEY)
    first = await store.put_part(KEY, upload_id, 1, PARTS[0])
    await store.put_part(KEY, upload_id, 2, b"left out")
    last = await store.put_part(KEY, upload_id, 3, b"end")
    completing = store.complete_parts(KEY, upload_id, [(1, first.etag), (3, last.etag)])
    if store.name == "s3":  # Ceph 16 wants every part that arrived to be named; Amazon does not
        with pytest.raises(WrongBytes):
            await completing
    else:
        await completing
        assert await whole(store) == PARTS[0] + b"end"


@pytest.mark.parametrize("number", [1, 3])
async def test_a_part_that_is_missing_or_has_another_etag_is_told_and_the_parts_stay(
    store: PartsStore, number: int
) -> None:
    upload_id = await store.create_parts(KEY)
    (right,) = await sent(store, upload_id, b"part")
    with pytest.raises(WrongBytes) as refused:
        await store.complete_parts(KEY, upload_id, [(number, hashlib.md5(b"other").hexdigest())])
    assert refused.value.details["check"] == "part"
    assert await keys(store) == []
    await store.complete_parts(KEY, upload_id, [right])
    assert await whole(store) == b"part"


async def test_a_part_that_is_too_small_is_told_and_may_be_sent_again(store: PartsStore) -> None:
    upload_id = await store.create_parts(KEY)
    parts = await sent(store, upload_id, PARTS[0], PARTS[0][:-1], b"end")
    with pytest.raises(WrongBytes) as refused:
        await store.complete_parts(KEY, upload_id, parts)
    assert refused.value.details["check"] == "part_size"
    assert [part.number for part in await listed(store, upload_id)] == [1, 2, 3]
    again = await store.put_part(KEY, upload_id, 2, PARTS[1])
    await store.complete_parts(KEY, upload_id, [parts[0], (2, again.etag), parts[2]])
    assert await whole(store) == PARTS[0] + PARTS[1] + b"end"


@pytest.mark.parametrize("numbers", [[], [2, 1], [1, 1], [0], [PART_NUMBER_MAX + 1]])
async def test_parts_named_out_of_order_are_refused(store: PartsStore, numbers: list[int]) -> None:
    upload_id = await store.create_parts(KEY)
    parts = dict(await sent(store, upload_id, PARTS[0], b"end"))
    with pytest.raises(Invalid):
        await store.complete_parts(KEY, upload_id, [(n, parts.get(n, "0" * 32)) for n in numbers])
    assert len(await listed(store, upload_id)) == 2


@pytest.mark.parametrize("number", [0, -1, PART_NUMBER_MAX + 1])
async def test_a_number_that_s3_does_not_know_is_refused(store: PartsStore, number: int) -> None:
    upload_id = await store.create_parts(KEY)
    with pytest.raises(Invalid):
        await store.put_part(KEY, upload_id, number, b"part")


async def test_an_odd_key_is_refused(store: PartsStore) -> None:
    for key in ("", "../a"):
        for call in (
            lambda key=key: store.create_parts(key),
            lambda key=key: store.put_part(key, "0" * 32, 1, b""),
            lambda key=key: store.complete_parts(key, "0" * 32, [(1, "0" * 32)]),
            lambda key=key: store.abort_parts(key, "0" * 32),
            lambda key=key: anext(aiter(store.list_parts(key, "0" * 32))),
        ):
            with pytest.raises(Invalid):
                await call()


async def unknown(store: PartsStore, upload_id: str, key: str = KEY) -> None:
    """Every request but abort says that there is no such upload."""
    with pytest.raises(ObjectNotFound):
        await store.put_part(key, upload_id, 1, b"late")
    with pytest.raises(ObjectNotFound):
        await anext(aiter(store.list_parts(key, upload_id)))
    with pytest.raises(ObjectNotFound):
        await store.complete_parts(key, upload_id, [(1, hashlib.md5(b"late").hexdigest())])
    await store.abort_parts(key, upload_id)


async def test_an_upload_that_never_was_is_not_known(store: PartsStore) -> None:
    for upload_id in ("0" * 32, "2~AbCdEfGhIjKlMnOpQrStUvWxYz01234", "../../a"):
        await unknown(store, upload_id)
    upload_id = await store.create_parts(KEY)
    await unknown(store, upload_id, "incoming/other")
    assert await listed(store, upload_id) == []


async def test_an_aborted_upload_is_not_known_any_more(store: PartsStore) -> None:
    upload_id = await store.create_parts(KEY)
    await sent(store, upload_id, b"part")
    for _ in range(2):
        await store.abort_parts(KEY, upload_id)
    await unknown(store, upload_id)
    assert [upload async for upload in store.list_part_uploads()] == []
    assert await keys(store) == []


async def test_a_completed_upload_is_not_known_any_more_and_its_object_stays(store: PartsStore) -> None:
    upload_id = await store.create_parts(KEY)
    parts = await sent(store, upload_id, PARTS[0], b"end")
    made = await store.complete_parts(KEY, upload_id, parts)
    await unknown(store, upload_id)
    assert await whole(store) == PARTS[0] + b"end"
    # A client whose answer was lost asks again.
    again = await store.complete_parts(KEY, upload_id, parts)
    assert (again.etag, again.size_bytes) == (made.etag, made.size_bytes)
    assert await whole(store) == PARTS[0] + b"end"


async def test_nothing_is_seen_before_it_is_complete(store: PartsStore) -> None:
    upload_id = await store.create_parts(KEY)
    parts = await sent(store, upload_id, b"part")
    assert await keys(store) == []
    with pytest.raises(ObjectNotFound):
        await store.head(KEY)
    await store.put(KEY, pieces(b"older"))
    assert await keys(store) == [KEY]
    assert await whole(store) == b"older"
    await store.complete_parts(KEY, upload_id, parts)
    assert await whole(store) == b"part"


async def test_two_uploads_of_one_key_do_not_mix(store: PartsStore) -> None:
    ids = [await store.create_parts(KEY) for _ in range(2)]
    assert len(set(ids)) == 2
    one, other = [
        await sent(store, upload_id, name) for upload_id, name in zip(ids, (b"1", b"2"), strict=True)
    ]
    await store.complete_parts(KEY, ids[0], one)
    assert await whole(store) == b"1"
    await store.complete_parts(KEY, ids[1], other)
    assert await whole(store) == b"2"


async def test_uploads_under_way_are_listed_by_prefix(store: PartsStore) -> None:
    ids = {}
    for key in ("incoming/a", "incoming/b", "incoming/b", "other/c"):
        ids.setdefault(key, set()).add(await store.create_parts(key))
    for prefix in ("", "incoming/", "incoming/b", "nothing"):
        found = [upload async for upload in store.list_part_uploads(prefix)]
        wanted = {(key, upload) for key, some in ids.items() if key.startswith(prefix) for upload in some}
        assert {(upload.key, upload.upload_id) for upload in found} == wanted
        assert len(found) == len(wanted)
        assert all(abs(upload.begun_at - datetime.now(UTC)) < timedelta(minutes=1) for upload in found)


async def test_another_process_goes_on_with_the_parts(opener: Callable[[], Store]) -> None:
    one, other = cast(PartsStore, opener()), cast(PartsStore, opener())
    upload_id = await one.create_parts(KEY, content_type="audio/mp4")
    first = await one.put_part(KEY, upload_id, 1, PARTS[0])
    second = await other.put_part(KEY, upload_id, 2, b"end")
    assert [part.number for part in await listed(other, upload_id)] == [1, 2]
    facts = await other.complete_parts(KEY, upload_id, [(1, first.etag), (2, second.etag)])
    assert facts.content_type == "audio/mp4"
    assert await whole(one) == PARTS[0] + b"end"


async def test_a_part_whose_sending_was_cancelled_may_be_sent_again(store: PartsStore) -> None:
    upload_id = await store.create_parts(KEY)

    async def put() -> None:
        await store.put_part(KEY, upload_id, 1, PARTS[0])

    for steps in range(6):
        sending = asyncio.create_task(put())
        for _ in range(steps):
            await asyncio.sleep(0)
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
    await store.complete_parts(KEY, upload_id, await sent(store, upload_id, PARTS[1]))
    assert await whole(store) == PARTS[1]
