"""What growing in several goes leaves in a bucket, and what it takes from this machine."""

import asyncio
import random
import resource
import tracemalloc
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from reelkeep.errors import ObjectNotFound, StoreFull, StoreUnavailable
from reelkeep.stores.buffering import ROOM_BYTES_MIN, BufferBudget
from reelkeep.stores.protocol import PART_BYTES_MIN, GrowthNotes
from reelkeep.stores.s3 import S3Store
from reelkeep.stores.s3_growing import TAILS_MAX
from reelkeep.stores.s3_notes import S3Notes
from tests.contract.conftest import s3_store
from tests.fixtures.ceph import Ceph

pytestmark = pytest.mark.s3
SOUND = random.Random(6).randbytes(2 * PART_BYTES_MIN + 300_000)
KEY = "incoming/a"


@pytest.fixture
async def store(ceph: Ceph, ceph_bucket: str, tmp_path: Path) -> AsyncIterator[S3Store]:
    made = s3_store(ceph, ceph_bucket, scratch=tmp_path, page_entries_max=2)
    yield made
    await made.close()


class Bucket:
    """What really lies in a bucket."""

    def __init__(self, ceph: Ceph, name: str) -> None:
        self._client, self._name = ceph.client(), name

    def keys(self) -> list[str]:
        found = self._client.list_objects_v2(Bucket=self._name).get("Contents", [])
        return [entry["Key"].removeprefix("reelkeep/") for entry in found]

    def uploads(self) -> list[Any]:
        found: list[Any] = self._client.list_multipart_uploads(Bucket=self._name).get("Uploads", [])
        return found


@pytest.fixture
def bucket(ceph: Ceph, ceph_bucket: str) -> Bucket:
    return Bucket(ceph, ceph_bucket)


async def grow(store: S3Store, notes: GrowthNotes, body: bytes) -> GrowthNotes:
    async with store.growing(KEY, notes) as growing:
        for at in range(0, len(body), 1 << 20):
            await growing.write(body[at : at + (1 << 20)])
        return await growing.flush()


async def whole(store: S3Store) -> bytes:
    return b"".join([piece async for piece in store.read(KEY)])


async def test_a_finished_object_is_all_that_is_left(store: S3Store, bucket: Bucket) -> None:
    notes = await grow(store, {}, SOUND[:100])
    await grow(store, notes, SOUND[100:])  # its process dies before it notes anything
    await grow(store, {}, SOUND)  # and so does this one's, which knew of nothing
    notes = await grow(store, notes, SOUND[100:])
    assert len(bucket.uploads()) == 3
    await store.finish_growth(KEY, notes)
    assert await whole(store) == SOUND
    assert (bucket.keys(), bucket.uploads()) == ([KEY], [])


async def test_what_is_discarded_is_gone_also_where_nothing_was_noted(store: S3Store, bucket: Bucket) -> None:
    await grow(store, {}, SOUND)
    await grow(store, {}, SOUND[:100])
    await store.discard_growth(KEY, {})
    assert (bucket.keys(), bucket.uploads()) == ([], [])


@pytest.mark.parametrize("size", [100, len(SOUND)])
async def test_a_death_between_the_object_and_the_clearing_is_made_good(
    store: S3Store, bucket: Bucket, size: int
) -> None:
    notes = await grow(store, {}, SOUND[:size])
    await store._growth._make(f"reelkeep/{KEY}", S3Notes.read(notes), None)
    for _ in range(2):
        assert (await store.finish_growth(KEY, notes)).size_bytes == size
        assert (bucket.keys(), bucket.uploads()) == ([KEY], [])
    assert await whole(store) == SOUND[:size]


async def test_an_object_that_another_growth_made_is_not_taken_for_this_one(store: S3Store) -> None:
    lost = await grow(store, {}, SOUND[:100])
    await store.discard_growth(KEY, lost)
    await store.finish_growth(KEY, await grow(store, {}, SOUND[100:200]))
    with pytest.raises(ObjectNotFound):
        await store.finish_growth(KEY, lost)


async def test_a_go_that_is_not_noted_takes_nothing_away(store: S3Store) -> None:
    noted = await grow(store, {}, SOUND[: PART_BYTES_MIN + 100_000])
    assert noted["parts"]
    assert noted["tails"]
    await grow(store, noted, SOUND[PART_BYTES_MIN + 100_000 :])  # fills a part, and its process dies
    start = await store.grown(KEY, noted)
    await store.finish_growth(KEY, await grow(store, noted, SOUND[start:]))
    assert await whole(store) == SOUND


async def test_tails_are_few_and_go_when_their_bytes_lie_in_parts(store: S3Store, bucket: Bucket) -> None:
    notes: GrowthNotes = {}
    for at in range(0, len(SOUND), 500_000):
        notes = await grow(store, notes, SOUND[at : at + 500_000])
    left = len(bucket.keys())
    assert 0 < left <= 2 * PART_BYTES_MIN // 500_000
    notes = await grow(store, {}, b"")
    for at in range(3 * TAILS_MAX):
        notes = await grow(store, notes, SOUND[at : at + 1])
        assert len(notes["tails"]) <= TAILS_MAX
    await store.finish_growth(KEY, notes)
    assert await whole(store) == SOUND[: 3 * TAILS_MAX]


async def test_lists_of_several_pages_are_whole(store: S3Store) -> None:
    ids = [await store.create_parts(f"incoming/{n % 3}") for n in range(7)]
    found = [upload.upload_id async for upload in store.list_part_uploads()]
    assert sorted(found) == sorted(ids)
    for number in range(1, 8):
        await store.put_part("incoming/0", ids[0], number, b"part")
    assert [part.number async for part in store.list_parts("incoming/0", ids[0])] == list(range(1, 8))


async def test_clients_send_parts_by_urls(store: S3Store) -> None:
    async with httpx.AsyncClient() as client:
        begun = await client.post(store.url_for("POST", KEY, 60, [("uploads", "")]))
        upload_id = begun.text.partition("<UploadId>")[2].partition("<")[0]
        query = [("partNumber", "1"), ("uploadId", upload_id)]
        sent = await client.put(store.url_for("PUT", KEY, 60, query), content=b"part")
        assert sent.status_code == 200
        listed = await client.get(store.url_for("GET", KEY, 60, [("uploadId", upload_id)]))
        assert "<PartNumber>1</PartNumber>" in listed.text
        other = await client.put(store.url_for("PUT", KEY, 60, query).replace("partNumber=1", "partNumber=2"))
        assert other.status_code == 403
        await store.complete_parts(KEY, upload_id, [(1, sent.headers["etag"])])
        assert await whole(store) == b"part"
        upload_id = await store.create_parts(KEY)
        gone = await client.delete(store.url_for("DELETE", KEY, 60, [("uploadId", upload_id)]))
        assert gone.status_code == 204
        assert [upload async for upload in store.list_part_uploads()] == []


async def test_a_go_that_is_left_early_leaves_nothing_running(store: S3Store) -> None:
    with pytest.raises(ConnectionResetError):
        async with store.growing(KEY, {}) as growing:
            for at in range(0, PART_BYTES_MIN + (2 << 20), 1 << 18):  # more than is held in memory
                await growing.write(SOUND[at : at + (1 << 18)])
            assert len(asyncio.all_tasks()) > 1, "the part is on its way"
            raise ConnectionResetError
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_many_slow_uploads_take_little_memory(ceph: Ceph, ceph_bucket: str, tmp_path: Path) -> None:
    """Each brings 200 KB in small pieces and holds still; nothing of it needs the network yet."""
    many = 150
    budget = BufferBudget(many * ROOM_BYTES_MIN)  # these are quicker than slow clients, and would get more
    store = s3_store(ceph, ceph_bucket, scratch=tmp_path, buffers=budget)
    leave = asyncio.Event()
    ready = asyncio.Semaphore(0)

    async def trickle() -> None:
        async with store.growing(KEY, {}) as growing:
            for at in range(0, 200_000, 1000):
                await growing.write(SOUND[at : at + 1000])
                await asyncio.sleep(0)
            ready.release()
            await leave.wait()

    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    trickling = [asyncio.create_task(trickle()) for _ in range(many)]
    for _ in range(many):
        await ready.acquire()
    each = (tracemalloc.get_traced_memory()[1] - before) / many
    tracemalloc.stop()
    assert budget.taken_bytes <= budget.bytes_max
    leave.set()
    await asyncio.gather(*trickling)
    await store.close()
    assert 1000 < each < 80_000
    assert list(tmp_path.iterdir()) == []


async def test_a_scratch_folder_that_is_gone_is_told(ceph: Ceph, ceph_bucket: str, tmp_path: Path) -> None:
    store = s3_store(ceph, ceph_bucket, scratch=tmp_path / "gone")
    with pytest.raises(StoreUnavailable, match=str(tmp_path / "gone")):
        await grow(store, {}, b"sound")
    await store.close()


async def test_a_full_scratch_disk_is_told_and_keeps_what_was_noted(store: S3Store, tmp_path: Path) -> None:
    notes = await grow(store, {}, SOUND[:500_000])
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, before[1]))  # to the writer it looks like a full disk
    try:
        with pytest.raises(StoreFull, match=str(tmp_path)):
            await grow(store, notes, SOUND[500_000:])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    await store.finish_growth(KEY, await grow(store, notes, SOUND[500_000:]))
    assert await whole(store) == SOUND
