"""The bucket goes away while bytes come through us: they go on into the folder, and are joined afterwards."""

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select, update

from reelkeep.blobs.models import Blob
from reelkeep.blobs.usage import Used
from reelkeep.placement.choose import choose_store
from reelkeep.placement.sweep import sweep_placement
from reelkeep.runtime import Runtime
from reelkeep.stores.protocol import PART_BYTES_MIN, Grows, TakesParts
from reelkeep.uploads import join
from reelkeep.uploads.leftovers import sweep_incoming
from reelkeep.uploads.models import Upload
from reelkeep.uploads.sweep import sweep_uploads
from reelkeep.wiring import open_runtime
from tests.fixtures.ceph import Ceph
from tests.fixtures.media import beeps, large_wav, wav
from tests.fixtures.origin import origin
from tests.fixtures.relay import Gate, relay
from tests.fixtures.runtime import Person, add_person, client_of, do_jobs
from tests.fixtures.several_stores import bytes_in, copies_of, several_stores
from tests.fixtures.usage import usage_of
from tests.service.test_fetch import ask, do_fetches
from tests.service.test_sweep import later
from tests.service.test_tus import create, head, patch, upload_row

pytestmark = pytest.mark.s3

SMALL = wav(beeps(20))
#: Two parts and a rest.
BIG = large_wav(12_480_000)
#: In which a part that is full has come to the gateway.
SENT_SECONDS = 2.5
BUCKET, FOLDER = "s3-test", "second"
PLAIN = "/api/v1/recordings/upload?filename=visit.wav&transcribe=false"


@pytest.fixture
async def bucket_and_gate(
    tmp_path: Path, conninfo: str, ceph: Ceph, ceph_bucket: str
) -> AsyncIterator[tuple[Runtime, Gate]]:
    """An installation whose bucket can be cut off; a folder takes what comes meanwhile."""
    async with relay(ceph) as (front, gate):
        flags = {"store": BUCKET, "fallback_store": FOLDER, "fetch_private_networks": True}
        async with several_stores(tmp_path, conninfo, ceph=front, bucket=ceph_bucket, **flags) as runtime:
            yield runtime, gate


async def cut_at(gate: Gate, body: bytes, at: int) -> AsyncIterator[bytes]:
    """A body in whose midst the bucket is cut off; full parts of what came before are there by then."""
    for start in range(0, len(body), 100_000):
        if start >= at and gate.is_open:
            await asyncio.sleep(SENT_SECONDS)
            gate.close()
        yield body[start : start + 100_000]
        await asyncio.sleep(0)


async def back(runtime: Runtime, gate: Gate) -> None:
    """The bucket is there again, and this process knows it."""
    gate.open()
    async with asyncio.timeout(30):
        while await choose_store(runtime) != BUCKET:  # noqa: ASYNC110
            await asyncio.sleep(0.1)


async def kept(runtime: Runtime, person: Person) -> dict[str, bytes]:
    """The bytes of the only original, by store."""
    async with runtime.database.work(person.organization_id) as session:
        blob = (await session.scalars(select(Blob).where(Blob.kind == "original"))).one()
    copies = await copies_of(runtime, person, blob.id)
    return {name: await bytes_in(runtime, copy) for name, copy in copies.items()}


async def incoming(runtime: Runtime) -> dict[str, int]:
    """How many things lie under `incoming/` in each store, of whatever sort."""
    found = {}
    for name in (BUCKET, FOLDER):
        store: Any = runtime.stores.get(name)
        assert isinstance(store, Grows)
        found[name] = len([facts async for facts in store.list_objects("incoming/")])
        found[name] += len([facts async for facts in store.list_growths("incoming/")])
        if isinstance(store, TakesParts):
            found[name] += len([parts async for parts in store.list_part_uploads("incoming/")])
    return found


@asynccontextmanager
async def begun(runtime: Runtime, length: int | None) -> AsyncIterator[tuple[httpx.AsyncClient, str, Person]]:
    """A tus upload of somebody."""
    person = await add_person(runtime)
    async with client_of(runtime, person) as client:
        yield client, await create(client, length), person


async def test_a_short_upload_moves_over_whole_and_is_sealed_while_the_bucket_is_away(
    bucket_and_gate: tuple[Runtime, Gate],
) -> None:
    runtime, gate = bucket_and_gate
    async with begun(runtime, len(SMALL)) as (client, path, person):
        answer = await patch(client, path, 0, cut_at(gate, SMALL, 1_000_000))
        assert (answer.status_code, answer.headers["upload-offset"]) == (204, str(len(SMALL)))
        assert await kept(runtime, person) == {FOLDER: SMALL}
        async with runtime.database.work(person.organization_id) as session:
            blob = (await session.scalars(select(Blob).where(Blob.kind == "original"))).one()
        assert (await copies_of(runtime, person, blob.id))[FOLDER].degraded
        assert await usage_of(runtime, person) == Used(len(SMALL), 0, 0)

        await back(runtime, gate)
        async with asyncio.timeout(30):
            while set(await kept(runtime, person)) != {BUCKET}:
                await sweep_placement(runtime)
                await do_jobs(runtime)
                await asyncio.sleep(0.3)
        assert await kept(runtime, person) == {BUCKET: SMALL}


async def test_a_long_upload_goes_on_through_and_after_the_cut_and_is_joined_byte_for_byte(
    bucket_and_gate: tuple[Runtime, Gate],
) -> None:
    runtime, gate = bucket_and_gate
    a, b = 7_000_000, 11_000_000
    async with begun(runtime, len(BIG)) as (client, path, person):
        assert (await patch(client, path, 0, BIG[:a])).status_code == 204
        answer = await patch(client, path, a, cut_at(gate, BIG[a:b], 1_500_000))
        assert (answer.status_code, answer.headers["upload-offset"]) == (204, str(b))
        upload = await upload_row(runtime, person)
        assert (upload.store, upload.beginning["store"]) == (FOLDER, BUCKET)
        assert upload.beginning["size_bytes"] >= PART_BYTES_MIN
        seen = await head(client, path)
        assert (seen.status_code, seen.headers["upload-offset"]) == (200, str(b))
        assert (await patch(client, path, b, BIG[b : b + 1000])).status_code == 204
        # All are here, and cannot be one while the bucket is away.
        last = await patch(client, path, b + 1000, BIG[b + 1000 :])
        assert (last.status_code, last.json()["error_code"]) == (503, "SEAL_PENDING")
        assert int(last.headers["retry-after"]) > 0
        again = await patch(client, path, len(BIG), b"")
        assert (again.status_code, again.json()["error_code"]) == (503, "SEAL_PENDING")

        await back(runtime, gate)
        await sweep_uploads(later(runtime, hours=1))
        assert await kept(runtime, person) == {BUCKET: BIG}
        seen = await head(client, path)
        assert (seen.status_code, seen.headers["upload-offset"]) == (200, str(len(BIG)))
    assert await incoming(runtime) == {BUCKET: 0, FOLDER: 0}
    assert await usage_of(runtime, person) == Used(len(BIG), 0, 0)


async def test_the_same_holds_where_both_stores_are_encrypted_by_us(
    tmp_path: Path, conninfo: str, ceph: Ceph, ceph_bucket: str
) -> None:
    keys = tmp_path / "master.keys"
    keys.write_text("a " + "a" * 64 + "\n")
    async with relay(ceph) as (front, gate):
        flags = {"store": BUCKET, "fallback_store": FOLDER, "encryption_key_file": keys, "encrypted": True}
        async with several_stores(tmp_path, conninfo, ceph=front, bucket=ceph_bucket, **flags) as runtime:
            a = 7_000_000
            async with begun(runtime, len(BIG)) as (client, path, person):
                assert (await patch(client, path, 0, cut_at(gate, BIG[:a], 5_000_000))).status_code == 204
                upload = await upload_row(runtime, person)
                assert (upload.store, upload.beginning["store"]) == (FOLDER, BUCKET)
                assert (await head(client, path)).headers["upload-offset"] == str(a)
                await back(runtime, gate)
                assert (await patch(client, path, a, BIG[a:])).status_code == 204
                assert await kept(runtime, person) == {BUCKET: BIG}
            assert await incoming(runtime) == {BUCKET: 0, FOLDER: 0}


async def test_a_bucket_that_is_back_before_the_end_is_not_noticed_at_all(
    bucket_and_gate: tuple[Runtime, Gate],
) -> None:
    runtime, gate = bucket_and_gate
    a = 7_000_000
    async with begun(runtime, None) as (client, path, person):
        assert (await patch(client, path, 0, cut_at(gate, BIG[:a], 6_000_000))).status_code == 204
        await back(runtime, gate)
        declared = {"Upload-Length": str(len(BIG))}
        answer = await patch(client, path, a, BIG[a:], **declared)
        assert (answer.status_code, answer.headers["upload-offset"]) == (204, str(len(BIG)))
        assert await kept(runtime, person) == {BUCKET: BIG}
    assert await incoming(runtime) == {BUCKET: 0, FOLDER: 0}


async def test_a_process_that_knows_of_the_outage_does_not_try_and_one_that_does_not_goes_on_too(
    bucket_and_gate: tuple[Runtime, Gate],
) -> None:
    runtime, gate = bucket_and_gate
    async with begun(runtime, len(BIG)) as (client, path, person):
        assert (await patch(client, path, 0, BIG[:1000])).status_code == 204
        gate.close()
        health = runtime.stores.get(BUCKET).health  # type: ignore[attr-defined]
        health.answered_at = None
        assert await choose_store(runtime) == FOLDER
        assert (await patch(client, path, 1000, BIG[1000:2000])).status_code == 204
        upload = await upload_row(runtime, person)
        assert (upload.store, upload.beginning["size_bytes"]) == (FOLDER, 1000)
        async with open_runtime(runtime.settings) as other, client_of(other) as elsewhere:
            assert not other.stores.get(BUCKET).health.is_open  # type: ignore[attr-defined]
            assert (await head(elsewhere, path)).headers["upload-offset"] == "2000"
            assert (await patch(elsewhere, path, 2000, BIG[2000:9000])).status_code == 204
        await back(runtime, gate)
        assert (await patch(client, path, 9000, BIG[9000:])).status_code == 204
        assert await kept(runtime, person) == {BUCKET: BIG}


@pytest.mark.parametrize("cut", [500_000, 6_500_000], ids=["in the first part", "after a part"])
async def test_bytes_that_a_checksum_does_not_fit_do_not_count_in_either_store(
    bucket_and_gate: tuple[Runtime, Gate], cut: int
) -> None:
    runtime, gate = bucket_and_gate
    a, b = 1_000_000, 9_000_000

    def told(digest: bytes) -> dict[str, str]:
        return {"Upload-Checksum": f"sha256 {base64.b64encode(digest).decode()}"}

    async with begun(runtime, len(BIG)) as (client, path, person):
        assert (await patch(client, path, 0, BIG[:a])).status_code == 204
        wrong = await patch(client, path, a, cut_at(gate, BIG[a:b], cut), **told(bytes(32)))
        assert wrong.status_code == 460
        assert (await head(client, path)).headers["upload-offset"] == str(a)
        digest = hashlib.sha256(BIG[a:b]).digest()
        right = await patch(client, path, a, BIG[a:b], **told(digest))
        assert (right.status_code, right.headers["upload-offset"]) == (204, str(b))
        await back(runtime, gate)
        digest = hashlib.sha256(BIG[b:]).digest()
        assert (await patch(client, path, b, BIG[b:], **told(digest))).status_code == 204
        assert await kept(runtime, person) == {BUCKET: BIG}


@pytest.mark.parametrize("cut", [500_000, 6_500_000], ids=["in the first part", "after a part"])
async def test_bytes_with_a_right_checksum_count_in_both_stores(
    bucket_and_gate: tuple[Runtime, Gate], cut: int
) -> None:
    runtime, gate = bucket_and_gate
    a, b = 1_000_000, 9_000_000
    async with begun(runtime, len(BIG)) as (client, path, person):
        assert (await patch(client, path, 0, BIG[:a])).status_code == 204
        digest = base64.b64encode(hashlib.sha256(BIG[a:b]).digest()).decode()
        sent = {"Upload-Checksum": f"sha256 {digest}"}
        right = await patch(client, path, a, cut_at(gate, BIG[a:b], cut), **sent)
        assert (right.status_code, right.headers["upload-offset"]) == (204, str(b))
        assert (await head(client, path)).headers["upload-offset"] == str(b)
        await back(runtime, gate)
        assert (await patch(client, path, b, BIG[b:])).status_code == 204
        assert await kept(runtime, person) == {BUCKET: BIG}


async def test_one_plain_request_is_answered_as_ever_when_no_part_had_gone_out(
    bucket_and_gate: tuple[Runtime, Gate],
) -> None:
    runtime, gate = bucket_and_gate
    person = await add_person(runtime)
    async with client_of(runtime, person) as client:
        sent = {"Content-Type": "audio/wav"}
        answer = await client.post(PLAIN, content=cut_at(gate, SMALL, 1_000_000), headers=sent)
        assert answer.status_code == 201, answer.text
        assert await kept(runtime, person) == {FOLDER: SMALL}
    await back(runtime, gate)
    assert (await incoming(runtime))[FOLDER] == 0


async def test_a_long_plain_request_is_safe_and_sealed_when_the_bucket_is_back(
    bucket_and_gate: tuple[Runtime, Gate],
) -> None:
    runtime, gate = bucket_and_gate
    person = await add_person(runtime)
    async with client_of(runtime, person) as client:
        sent = {"Content-Type": "audio/wav"}
        answer = await client.post(PLAIN, content=cut_at(gate, BIG, 7_000_000), headers=sent)
        assert (answer.status_code, answer.json()["error_code"]) == (503, "SEAL_PENDING")
        recording_id = answer.json()["details"]["recording_id"]
        await back(runtime, gate)
        done = await client.post(f"/api/v1/recordings/upload/complete/{recording_id}", json={})
        assert done.status_code == 200, done.text
        assert await kept(runtime, person) == {BUCKET: BIG}
    assert await incoming(runtime) == {BUCKET: 0, FOLDER: 0}


async def test_a_plain_request_in_good_times_is_as_ever(bucket_and_gate: tuple[Runtime, Gate]) -> None:
    runtime, _gate = bucket_and_gate
    person = await add_person(runtime)
    async with client_of(runtime, person) as client:
        sent = {"Content-Type": "audio/wav", "Repr-Digest": "sha-256=:" + "A" * 43 + "=:"}
        wrong = await client.post(PLAIN, content=SMALL, headers=sent)
        assert (wrong.status_code, wrong.json()["error_code"]) == (409, "UPLOAD_DIGEST_MISMATCH")
        assert await incoming(runtime) == {BUCKET: 0, FOLDER: 0}
        assert (
            await client.post(PLAIN, content=BIG, headers={"Content-Type": "audio/wav"})
        ).status_code == 201
        assert await kept(runtime, person) == {BUCKET: BIG}
    assert await incoming(runtime) == {BUCKET: 0, FOLDER: 0}


async def test_a_fetch_begins_anew_in_the_folder(bucket_and_gate: tuple[Runtime, Gate]) -> None:
    runtime, gate = bucket_and_gate
    person = await add_person(runtime)
    async with client_of(runtime, person) as client, origin(BIG) as served:
        await ask(client, served.url(), transcribe=False)
        gate.close()
        await do_fetches(runtime)
        assert await kept(runtime, person) == {FOLDER: BIG}


async def test_what_expires_is_removed_from_both_stores(bucket_and_gate: tuple[Runtime, Gate]) -> None:
    runtime, gate = bucket_and_gate
    async with begun(runtime, len(BIG)) as (client, path, person):
        assert (await patch(client, path, 0, cut_at(gate, BIG[:8_000_000], 6_500_000))).status_code == 204
        await back(runtime, gate)
        there = await incoming(runtime)
        assert there[BUCKET] > 0
        assert there[FOLDER] > 0
        await sweep_uploads(later(runtime, days=8))
        await sweep_incoming(later(runtime, days=10))
        await sweep_incoming(later(runtime, days=10))
        assert await incoming(runtime) == {BUCKET: 0, FOLDER: 0}
        assert (await head(client, path)).status_code == 410
    assert await usage_of(runtime, person) == Used()


@pytest.mark.parametrize("is_back", [True, False])
async def test_what_its_client_discards_is_removed_from_both_stores(
    bucket_and_gate: tuple[Runtime, Gate], is_back: bool
) -> None:
    runtime, gate = bucket_and_gate
    async with begun(runtime, len(BIG)) as (client, path, _person):
        assert (await patch(client, path, 0, cut_at(gate, BIG[:8_000_000], 6_500_000))).status_code == 204
        if is_back:
            await back(runtime, gate)
        assert (await client.delete(path, headers={"Tus-Resumable": "1.0.0"})).status_code == 204
        await back(runtime, gate)
        if not is_back:
            assert (await incoming(runtime))[FOLDER] == 0
            await sweep_incoming(later(runtime, hours=2))
        assert await incoming(runtime) == {BUCKET: 0, FOLDER: 0}


async def test_a_join_that_is_cut_off_goes_on_from_where_it_was(
    bucket_and_gate: tuple[Runtime, Gate], monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime, gate = bucket_and_gate
    monkeypatch.setattr(join, "KEEP_BYTES", 1_000_000)
    a = 1_000_000
    async with begun(runtime, len(BIG)) as (client, path, person):
        assert (await patch(client, path, 0, BIG[:a])).status_code == 204
        gate.close()
        assert (await patch(client, path, a, BIG[a:-1])).status_code == 204
        await back(runtime, gate)

        async def cut_in_the_midst() -> None:
            while not _joined(await upload_row(runtime, person)):  # noqa: ASYNC110
                await asyncio.sleep(0.005)
            gate.close()

        cutting = asyncio.create_task(cut_in_the_midst())
        last = await patch(client, path, len(BIG) - 1, BIG[-1:])
        await cutting
        assert (last.status_code, last.json()["error_code"]) == (503, "SEAL_PENDING")
        row = await upload_row(runtime, person)
        assert _joined(row)
        assert row.beginning["joiner"] is None
        # What is in the folder is an object by now: nothing more is begun beside it.
        again = await patch(client, path, len(BIG), b"")
        assert (again.status_code, again.json()["error_code"]) == (503, "SEAL_PENDING")
        await back(runtime, gate)
        assert (await head(client, path)).headers["upload-offset"] == str(len(BIG))
        assert await kept(runtime, person) == {BUCKET: BIG}
    assert await incoming(runtime) == {BUCKET: 0, FOLDER: 0}


def _joined(upload: Upload) -> bool:
    return sum(size for size, _ in upload.beginning["growth"]["parts"]) > 0


async def test_one_at_a_time_joins_and_a_dead_one_is_waited_for_no_longer_than_its_lease(
    bucket_and_gate: tuple[Runtime, Gate],
) -> None:
    runtime, gate = bucket_and_gate
    a = 6_000_000
    async with begun(runtime, len(BIG)) as (client, path, person):
        assert (await patch(client, path, 0, BIG[:a])).status_code == 204
        gate.close()
        assert (await patch(client, path, a, BIG[a:-1])).status_code == 204
        await back(runtime, gate)
        row = await upload_row(runtime, person)
        ends = runtime.clock.now().timestamp() + 3
        dead = {**row.beginning, "joiner": "one that died", "joins_until": ends}
        async with runtime.database.work(person.organization_id) as session:
            await session.execute(update(Upload).values(beginning=dead))
        last = await patch(client, path, len(BIG) - 1, BIG[-1:])
        assert (last.status_code, last.json()["error_code"]) == (503, "SEAL_PENDING")
        async with asyncio.timeout(30):
            while (await head(client, path)).status_code != 200:  # noqa: ASYNC110
                await asyncio.sleep(0.3)
        assert await kept(runtime, person) == {BUCKET: BIG}
