"""Reconcile, with real stores and a real database: copies come to where rules want them, and none is lost."""

import asyncio
import hashlib
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import text

from reelkeep.blobs.models import CopyState
from reelkeep.placement.preview_move import preview_move
from reelkeep.placement.reconcile import Outcome, reconcile_blob
from reelkeep.placement.sweep import sweep_placement
from reelkeep.runtime import Runtime
from tests.fixtures.ceph import Ceph
from tests.fixtures.clock import Later
from tests.fixtures.media import beeps, wav
from tests.fixtures.runtime import Person, add_person, do_jobs
from tests.fixtures.several_stores import blobs_of, bytes_in, copies_of, several_stores, write_rules
from tests.fixtures.usage import usage_of
from tests.service.test_processing import look, take_in

SOUND = wav(beeps(1))


async def one_original(runtime: Runtime, person: Person) -> UUID:
    """A sealed recording's original blob."""
    await take_in(runtime, person, SOUND)
    return (await blobs_of(runtime, person))[-1].id


async def settle(runtime: Runtime, person: Person, blob_id: UUID) -> None:
    """Reconcile until nothing is left to wait for; links end after a second here."""
    async with asyncio.timeout(20):
        while await reconcile_blob(runtime, person.organization_id, blob_id) == Outcome.WAITING:  # noqa: ASYNC110
            await asyncio.sleep(0.1)


async def test_a_second_copy_is_made_by_the_job_of_the_seal_and_proved(tmp_path: Path, conninfo: str) -> None:
    async with several_stores(tmp_path, conninfo) as runtime:
        person = await add_person(runtime)
        await write_rules(runtime, "original: local, second")
        blob_id = await one_original(runtime, person)
        await do_jobs(runtime)
        copies = await copies_of(runtime, person, blob_id)
        assert set(copies) == {"local", "second"}
        assert copies["second"].state == CopyState.PRESENT
        assert copies["second"].verified_at is not None
        assert await bytes_in(runtime, copies["second"]) == SOUND
        assert copies["second"].key != copies["local"].key


@pytest.mark.s3
async def test_bytes_move_to_the_bucket_and_back_by_rules_alone(
    tmp_path: Path, conninfo: str, ceph: Ceph, ceph_bucket: str
) -> None:
    async with several_stores(tmp_path, conninfo, ceph=ceph, bucket=ceph_bucket) as runtime:
        person = await add_person(runtime)
        blob_id = await one_original(runtime, person)
        for rules, store in (("*: s3-test", "s3-test"), ("*: local", "local")):
            await write_rules(runtime, rules)
            await settle(runtime, person, blob_id)
            copies = await copies_of(runtime, person, blob_id)
            assert set(copies) == {store}
            assert await bytes_in(runtime, copies[store]) == SOUND
        blob = (await blobs_of(runtime, person))[-1]
        assert blob.sha256 == hashlib.sha256(SOUND).digest()


@pytest.mark.s3
async def test_a_class_is_left_after_the_days_since_the_copy_got_it_not_since_it_was_put(
    tmp_path: Path, conninfo: str, ceph: Ceph, ceph_bucket: str
) -> None:
    async with several_stores(tmp_path, conninfo, ceph=ceph, bucket=ceph_bucket) as runtime:
        person = await add_person(runtime)
        blob_id = await one_original(runtime, person)
        await write_rules(runtime, "original: s3-test\n*: local")
        await settle(runtime, person, blob_id)
        long_ago = text("update copy set created_at = created_at - interval '100 days'")
        async with runtime.database.work(person.organization_id) as session:
            await session.execute(long_ago)
        for rules, days in (("s3-test", 110), ("s3-test STANDARD_IA", 10)):
            await write_rules(runtime, f"original: {rules}\n*: local")
            await settle(runtime, person, blob_id)
            later = replace(runtime, clock=Later(timedelta(days=10)))
            found = (await preview_move(later, "s3-test", "local")).found
            assert [(to, kept) for _, to, kept in found.left] == [(None, days)], rules


async def test_a_copy_that_is_let_go_stays_as_long_as_links_to_it_are_good(
    tmp_path: Path, conninfo: str
) -> None:
    async with several_stores(tmp_path, conninfo, download_expires_in_seconds=3600) as runtime:
        person = await add_person(runtime)
        blob_id = await one_original(runtime, person)
        await write_rules(runtime, "*: second")
        assert await reconcile_blob(runtime, person.organization_id, blob_id) == Outcome.WAITING
        copies = await copies_of(runtime, person, blob_id)
        assert copies["local"].state == CopyState.DELETING
        assert await bytes_in(runtime, copies["local"]) == SOUND
        await write_rules(runtime, "*: local, second")
        assert await reconcile_blob(runtime, person.organization_id, blob_id) == Outcome.SETTLED
        assert (await copies_of(runtime, person, blob_id))["local"].state == CopyState.PRESENT


async def test_a_damaged_copy_is_found_by_reading_it_and_made_again_from_the_other(
    tmp_path: Path, conninfo: str
) -> None:
    async with several_stores(tmp_path, conninfo) as runtime:
        person = await add_person(runtime)
        await write_rules(runtime, "original: local, second")
        blob_id = await one_original(runtime, person)
        await settle(runtime, person, blob_id)
        local = (await copies_of(runtime, person, blob_id))["local"]
        damage(runtime, local.key)
        await write_rules(runtime, "original: second, third")  # third is made from a copy that must be read
        await settle(runtime, person, blob_id)
        copies = await copies_of(runtime, person, blob_id)
        assert set(copies) == {"second", "third"}
        assert await bytes_in(runtime, copies["third"]) == SOUND


async def test_the_only_copy_is_never_removed_when_it_turns_out_to_be_damaged(
    tmp_path: Path, conninfo: str
) -> None:
    async with several_stores(tmp_path, conninfo) as runtime:
        person = await add_person(runtime)
        blob_id = await one_original(runtime, person)
        await do_jobs(runtime)  # the digest is known now
        damage(runtime, (await copies_of(runtime, person, blob_id))["local"].key)
        await write_rules(runtime, "*: second")
        assert await reconcile_blob(runtime, person.organization_id, blob_id) == Outcome.LOST
        copies = await copies_of(runtime, person, blob_id)
        assert copies["local"].state == CopyState.DAMAGED
        assert (runtime.settings.data / "stores" / "local").exists()
        assert await bytes_in(runtime, copies["local"]) != b""


async def test_many_at_once_on_one_blob_do_what_one_does(tmp_path: Path, conninfo: str) -> None:
    async with several_stores(tmp_path, conninfo) as runtime:
        person = await add_person(runtime)
        blob_id = await one_original(runtime, person)
        await write_rules(runtime, "*: second, third")
        outcomes = await asyncio.gather(
            *(reconcile_blob(runtime, person.organization_id, blob_id) for _ in range(8))
        )
        assert Outcome.LOST not in outcomes
        await settle(runtime, person, blob_id)
        copies = await copies_of(runtime, person, blob_id)
        assert set(copies) == {"second", "third"}
        for store in copies:
            keys = [facts.key async for facts in runtime.stores.get(store).list_objects("recordings/")]
            assert keys == [copies[store].key], "no attempt left bytes behind"


async def test_written_rules_are_carried_out_by_the_sweep_for_every_organization(
    tmp_path: Path, conninfo: str
) -> None:
    async with several_stores(tmp_path, conninfo) as runtime:
        people = [await add_person(runtime) for _ in range(3)]
        blobs = {person: await one_original(runtime, person) for person in people}
        await do_jobs(runtime)
        await write_rules(runtime, "original: second", str(people[0].organization_id))
        await write_rules(runtime, "*: third")
        await sweep_placement(runtime)
        await do_jobs(runtime)
        for person, blob_id in blobs.items():
            copies = await copies_of(runtime, person, blob_id)
            wanted = "second" if person is people[0] else "third"
            assert copies[wanted].state == CopyState.PRESENT
            assert copies["local"].state == CopyState.DELETING


def damage(runtime: Runtime, key: str) -> None:
    """Change one byte of an object of the local store, behind everybody's back."""
    store = runtime.stores.get("local")
    path = store.path_of(key)  # type: ignore[attr-defined]
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(bytes(data))


async def test_renditions_that_rules_remove_are_made_again_when_the_recording_is_opened(
    tmp_path: Path, conninfo: str
) -> None:
    async with several_stores(tmp_path, conninfo) as runtime:
        person = await add_person(runtime)
        recording_id = await take_in(runtime, person, SOUND)
        await do_jobs(runtime)
        assert (await look(runtime, person, recording_id))["playback_ready"]
        before = (await usage_of(runtime, person)).bytes_used
        await write_rules(runtime, "renditions: none")
        kinds = ("playback", "peaks")
        for kind in kinds:
            for blob in await blobs_of(runtime, person, kind):
                async with asyncio.timeout(20):
                    gone = Outcome.WAITING
                    while gone != Outcome.GONE:
                        gone = await reconcile_blob(runtime, person.organization_id, blob.id)
                        await asyncio.sleep(0.1)
            assert await blobs_of(runtime, person, kind) == []
        assert (await usage_of(runtime, person)).bytes_used < before

        await write_rules(runtime, "*: local")
        opened = await look(runtime, person, recording_id)
        assert not opened["playback_ready"]
        await do_jobs(runtime)
        assert (await look(runtime, person, recording_id))["playback_ready"]


async def test_what_cannot_be_made_again_is_kept_though_rules_want_renditions_nowhere(
    tmp_path: Path, conninfo: str
) -> None:
    async with several_stores(tmp_path, conninfo) as runtime:
        person = await add_person(runtime)
        recording_id = await take_in(runtime, person, SOUND)
        await do_jobs(runtime)
        async with runtime.database.work(person.organization_id) as session:
            gone = text("update recording set original_blob_id = null where id = :id")
            await session.execute(gone, {"id": UUID(recording_id)})
        await write_rules(runtime, "renditions: none")
        playback = (await blobs_of(runtime, person, "playback"))[0]
        assert await reconcile_blob(runtime, person.organization_id, playback.id) == Outcome.SETTLED
        assert set(await copies_of(runtime, person, playback.id)) == {"local"}
        assert (await look(runtime, person, recording_id))["playback_ready"]
