"""The bucket has no room: what comes goes to the folder, and follows when there is room again."""

import asyncio
import subprocess
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from reelkeep.blobs.usage import Used
from reelkeep.placement.choose import choose_store
from reelkeep.placement.sweep import sweep_placement
from reelkeep.runtime import Runtime
from reelkeep.uploads.sweep import sweep_uploads
from tests.fixtures.ceph import Ceph
from tests.fixtures.front import Refusal, front_of
from tests.fixtures.media import beeps, wav
from tests.fixtures.runtime import add_person, client_of, do_jobs
from tests.fixtures.several_stores import several_stores
from tests.fixtures.usage import usage_of
from tests.service.test_fallover import BIG, BUCKET, FOLDER, SMALL, incoming, kept
from tests.service.test_sweep import later
from tests.service.test_tus import create, head, patch, upload_row

FIRST = 7_000_000


@dataclass
class Room:
    """What the bucket answers to whoever writes."""

    is_left: bool = True
    #: Part of the path that has none.
    beneath: str = "/"

    def decide(self, line: str) -> Refusal | None:
        """As Ceph answers above a quota; reading and removing go on."""
        writes = line.startswith("PUT ") or (line.startswith("POST ") and "uploads" in line)
        is_full = not self.is_left and self.beneath in line
        return Refusal(403, "QuotaExceeded") if writes and is_full else None


@pytest.fixture
async def bucket_and_room(
    tmp_path: Path, conninfo: str, ceph: Ceph, ceph_bucket: str
) -> AsyncIterator[tuple[Runtime, Room]]:
    room = Room()
    async with front_of(ceph.endpoint_url, room.decide) as front:
        behind = replace(ceph, endpoint_url=front.url)
        flags = {"store": BUCKET, "fallback_store": FOLDER}
        async with several_stores(tmp_path, conninfo, ceph=behind, bucket=ceph_bucket, **flags) as runtime:
            yield runtime, room


def forget(runtime: Runtime, store: str) -> None:
    """As after the minute in which a full store is given nothing."""
    guarded: Any = runtime.stores.get(store)
    guarded.health.full_at = None


@pytest.mark.s3
async def test_a_short_upload_moves_over_whole_and_into_the_bucket_when_there_is_room(
    bucket_and_room: tuple[Runtime, Room],
) -> None:
    runtime, room = bucket_and_room
    person = await add_person(runtime)
    async with client_of(runtime, person) as client:
        path = await create(client, len(SMALL))
        room.is_left = False
        answer = await patch(client, path, 0, SMALL)
        assert (answer.status_code, answer.headers["upload-offset"]) == (204, str(len(SMALL)))
    assert await kept(runtime, person) == {FOLDER: SMALL}
    assert await choose_store(runtime) == FOLDER, "the next one is not sent to the full bucket at all"

    room.is_left = True
    forget(runtime, BUCKET)
    assert await choose_store(runtime) == BUCKET
    async with asyncio.timeout(30):
        while set(await kept(runtime, person)) != {BUCKET}:
            await sweep_placement(runtime)
            await do_jobs(runtime)
            await asyncio.sleep(0.3)
    assert await kept(runtime, person) == {BUCKET: SMALL}


@pytest.mark.s3
async def test_a_long_upload_goes_on_in_the_folder_and_is_sealed_when_there_is_room(
    bucket_and_room: tuple[Runtime, Room],
) -> None:
    runtime, room = bucket_and_room
    person = await add_person(runtime)
    async with client_of(runtime, person) as client:
        path = await create(client, len(BIG))
        assert (await patch(client, path, 0, BIG[:FIRST])).status_code == 204
        room.is_left = False
        last = await patch(client, path, FIRST, BIG[FIRST:])
        assert (last.status_code, last.json()["error_code"]) == (503, "SEAL_PENDING")
        upload = await upload_row(runtime, person)
        assert (upload.store, upload.beginning["store"]) == (FOLDER, BUCKET)
        await sweep_uploads(later(runtime, hours=1))
        assert (await upload_row(runtime, person)).beginning["store"] == BUCKET, "still no room"

        room.is_left = True
        forget(runtime, BUCKET)
        await sweep_uploads(later(runtime, hours=3))
    assert await kept(runtime, person) == {BUCKET: BIG}
    assert await incoming(runtime) == {BUCKET: 0, FOLDER: 0}
    assert await usage_of(runtime, person) == Used(len(BIG), 0, 0)


@pytest.mark.s3
async def test_what_arrived_and_cannot_be_sealed_is_no_upload_whose_time_is_over(
    bucket_and_room: tuple[Runtime, Room],
) -> None:
    runtime, room = bucket_and_room
    person = await add_person(runtime)
    async with client_of(runtime, person) as client:
        path = await create(client, len(SMALL))
        room.is_left, room.beneath = False, "/recordings/"
        last = await patch(client, path, 0, SMALL)
        assert (last.status_code, last.json()["error_code"]) == (507, "STORE_FULL")
    await sweep_uploads(later(runtime, hours=24 * 30))
    assert (await upload_row(runtime, person)).state == "open"

    room.is_left = True
    forget(runtime, BUCKET)
    await sweep_uploads(later(runtime, hours=24 * 90))
    assert await kept(runtime, person) == {BUCKET: SMALL}


@pytest.fixture
def small_second(tmp_path: Path) -> Iterator[None]:
    """The folder of the store `second`, on a file system of 1 MiB."""
    folder = tmp_path / "second"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], check=True)
    yield
    subprocess.run(["umount", folder], check=True)


@pytest.mark.usefixtures("small_second")
async def test_a_full_folder_is_left_at_the_next_request(tmp_path: Path, conninfo: str) -> None:
    large = wav(beeps(90))
    flags = {"store": "second", "fallback_store": "third"}
    async with several_stores(tmp_path, conninfo, **flags) as runtime:
        person = await add_person(runtime)
        async with client_of(runtime, person) as client:
            path = await create(client, len(large))
            full = await patch(client, path, 0, large)
            assert (full.status_code, full.json()["error_code"]) == (507, "STORE_FULL")
            reached = int((await head(client, path)).headers["upload-offset"])
            answer = await patch(client, path, reached, large[reached:])
            assert answer.status_code in (204, 503), answer.text
            subprocess.run(["mount", "-o", "remount,size=64m", tmp_path / "second"], check=True)
            forget(runtime, "second")
            await sweep_uploads(later(runtime, hours=1))
        (body,) = (await kept(runtime, person)).values()
        assert body == large
