"""Drift between a store and what is known of it: found both ways, and repaired."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from reelkeep.blobs.models import CopyState
from reelkeep.placement.check import check_store
from reelkeep.placement.scrub import scrub, scrub_round
from tests.fixtures.ceph import Ceph
from tests.fixtures.clock import Later
from tests.fixtures.media import beeps, wav
from tests.fixtures.runtime import add_person, do_jobs
from tests.fixtures.several_stores import blobs_of, bytes_in, copies_of, several_stores, write_rules
from tests.service.test_processing import take_in
from tests.service.test_reconcile import damage

SOUND = wav(beeps(1))


async def body() -> object:
    yield b"nobody knows me"


async def test_a_sound_store_is_clean(tmp_path: Path, conninfo: str) -> None:
    async with several_stores(tmp_path, conninfo) as runtime:
        person = await add_person(runtime)
        await take_in(runtime, person, SOUND)
        await do_jobs(runtime)
        found = await check_store(runtime, "local", verify=True)
        assert found.is_clean
        assert found.copies == found.objects - found.incoming == found.verified >= 3


async def test_every_kind_of_drift_is_found_and_repaired_from_the_other_copy(
    tmp_path: Path, conninfo: str
) -> None:
    async with several_stores(tmp_path, conninfo) as runtime:
        person = await add_person(runtime)
        await write_rules(runtime, "original: local, second\n*: local")
        for _ in range(3):
            await take_in(runtime, person, SOUND)
        await do_jobs(runtime)
        blobs = await blobs_of(runtime, person)
        keys = [(await copies_of(runtime, person, blob.id))["local"].key for blob in blobs]
        await runtime.stores.get("local").delete(keys[0])
        await runtime.stores.get("local").put(keys[1], body())  # type: ignore[arg-type]
        damage(runtime, keys[2])
        orphan = f"recordings/{person.organization_id}/{blobs[0].id}/{person.user_id}"
        await runtime.stores.get("local").put(orphan, body())  # type: ignore[arg-type]
        fresh = await check_store(runtime, "local", verify=True)
        assert fresh.orphans == 0, "what is new may be in the making"
        later = replace(runtime, clock=Later(timedelta(hours=2)))
        found = await check_store(later, "local", verify=True, repair=True)
        assert (found.missing, found.wrong_size, found.damaged, found.orphans) == (1, 1, 1, 1)
        assert any(orphan in line for line in found.examples)
        await do_jobs(runtime)
        assert (await check_store(runtime, "local", verify=True)).is_clean
        for blob in blobs:
            copies = await copies_of(runtime, person, blob.id)
            assert copies["local"].state == CopyState.PRESENT
            assert await bytes_in(runtime, copies["local"]) == SOUND


@pytest.mark.s3
async def test_a_bucket_is_checked_the_same_way(
    tmp_path: Path, conninfo: str, ceph: Ceph, ceph_bucket: str
) -> None:
    flags = {"store": "s3-test"}
    async with several_stores(tmp_path, conninfo, ceph=ceph, bucket=ceph_bucket, **flags) as runtime:
        person = await add_person(runtime)
        await take_in(runtime, person, SOUND)
        await do_jobs(runtime)
        assert (await check_store(runtime, "s3-test", verify=True)).is_clean
        blob = (await blobs_of(runtime, person))[0]
        await runtime.stores.get("s3-test").delete((await copies_of(runtime, person, blob.id))["s3-test"].key)
        found = await check_store(runtime, "s3-test")
        assert (found.missing, found.is_clean) == (1, False)


async def test_the_scrub_reads_what_was_never_read_and_has_a_bad_copy_made_again(
    tmp_path: Path, conninfo: str
) -> None:
    async with several_stores(tmp_path, conninfo, sweep_seconds=30 * 86_400, scrub_days=1) as runtime:
        person = await add_person(runtime)
        await write_rules(runtime, "original: local, second\n*: local")
        await take_in(runtime, person, SOUND)
        await do_jobs(runtime)
        blob = (await blobs_of(runtime, person))[0]
        damage(runtime, (await copies_of(runtime, person, blob.id))["local"].key)
        assert await scrub(runtime) >= 1
        await do_jobs(runtime)
        copies = await copies_of(runtime, person, blob.id)
        assert await bytes_in(runtime, copies["local"]) == SOUND
        told = await scrub_round(runtime)
        assert told.days == 1
        assert told.copies >= 4
