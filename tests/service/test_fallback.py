"""S3 goes away and comes back: a folder takes what comes meanwhile, and it moves when the bucket answers."""

import asyncio
from pathlib import Path

import pytest

from reelkeep.blobs.models import CopyState
from reelkeep.placement.choose import choose_store
from reelkeep.placement.sweep import sweep_placement
from tests.fixtures.ceph import Ceph
from tests.fixtures.media import beeps, wav
from tests.fixtures.relay import relay
from tests.fixtures.runtime import add_person, client_of, do_jobs
from tests.fixtures.several_stores import blobs_of, bytes_in, copies_of, several_stores
from tests.service.test_processing import look, take_in
from tests.service.test_uploads import complete, initiate, send

SOUND = wav(beeps(1))


@pytest.mark.s3
async def test_uploads_go_on_in_the_fallback_while_the_bucket_is_away_and_move_there_afterwards(
    tmp_path: Path, conninfo: str, ceph: Ceph, ceph_bucket: str
) -> None:
    async with relay(ceph) as (front, gate):
        flags = {"store": "s3-test", "fallback_store": "second"}
        async with several_stores(tmp_path, conninfo, ceph=front, bucket=ceph_bucket, **flags) as runtime:
            person = await add_person(runtime)
            await take_in(runtime, person, SOUND)
            gate.close()
            runtime.stores.get("s3-test").health.answered_at = None  # type: ignore[attr-defined]
            recording_id = await take_in(runtime, person, SOUND)
            blobs = await blobs_of(runtime, person)
            assert set(await copies_of(runtime, person, blobs[0].id)) == {"s3-test"}
            away = (await copies_of(runtime, person, blobs[1].id))["second"]
            assert away.degraded
            shown = await look(runtime, person, recording_id)
            assert shown["status"] == "uploaded"

            gate.open()
            async with asyncio.timeout(20):
                while await choose_store(runtime) != "s3-test":  # noqa: ASYNC110
                    await asyncio.sleep(0.1)
            async with asyncio.timeout(30):
                while set(copies := await copies_of(runtime, person, blobs[1].id)) != {"s3-test"}:
                    await sweep_placement(runtime)
                    await do_jobs(runtime)
                    await asyncio.sleep(0.3)
            assert copies["s3-test"].state == CopyState.PRESENT
            assert not copies["s3-test"].degraded
            assert await bytes_in(runtime, copies["s3-test"]) == SOUND


@pytest.mark.s3
async def test_a_ticket_for_a_bucket_that_went_away_is_renewed_onto_the_fallback(
    tmp_path: Path, conninfo: str, ceph: Ceph, ceph_bucket: str
) -> None:
    async with relay(ceph) as (front, gate):
        flags = {"store": "s3-test", "fallback_store": "second"}
        async with several_stores(tmp_path, conninfo, ceph=front, bucket=ceph_bucket, **flags) as runtime:
            person = await add_person(runtime)
            async with client_of(runtime, person) as client:
                ticket = await initiate(client)
                assert ticket["bucket"] == ceph_bucket
                gate.close()
                runtime.stores.get("s3-test").health.answered_at = None  # type: ignore[attr-defined]
                renewed = await client.post(f"/api/v1/recordings/upload/renew/{ticket['recording_id']}")
                assert renewed.status_code == 200, renewed.text
                again = renewed.json()
                assert again["bucket"] == "second"
                assert again["recording_id"] == ticket["recording_id"]
                await send(client, again, SOUND)
                done = await complete(client, again)
                assert done.status_code == 200, done.text


@pytest.mark.s3
async def test_a_seal_that_finds_the_bucket_away_says_when_to_ask_again_and_loses_nothing(
    tmp_path: Path, conninfo: str, ceph: Ceph, ceph_bucket: str
) -> None:
    async with relay(ceph) as (front, gate):
        flags = {"store": "s3-test", "fallback_store": "second"}
        async with several_stores(tmp_path, conninfo, ceph=front, bucket=ceph_bucket, **flags) as runtime:
            person = await add_person(runtime)
            async with client_of(runtime, person) as client:
                ticket = await initiate(client)
                await send(client, ticket, SOUND)
                gate.close()
                refused = await complete(client, ticket)
                assert refused.status_code == 503
                assert refused.json()["error_code"] == "SEAL_PENDING"
                assert int(refused.headers["retry-after"]) > 0
                gate.open()
                done = await complete(client, ticket)
                assert done.status_code == 200, done.text
