"""Erased means erased where a bucket keeps versions: nothing of a purged recording can be had back."""

from pathlib import Path

import pytest

from reelkeep.runtime import Runtime
from tests.fixtures.ceph import Ceph
from tests.fixtures.media import beeps, wav
from tests.fixtures.runtime import Person, add_person, do_jobs
from tests.fixtures.several_stores import blobs_of, copies_of, several_stores, write_rules
from tests.fixtures.versions import forbid, keep_versions, versions_in
from tests.service.test_processing import take_in
from tests.service.test_reconcile import settle
from tests.service.test_retention import events_of, purge, trash, until_empty

pytestmark = pytest.mark.s3
SOUND = wav(beeps(1))


async def purged(runtime: Runtime, person: Person, recording_id: str) -> None:
    await trash(runtime, person, recording_id)
    assert await purge(runtime, person, recording_id)
    await until_empty(runtime, "local", "s3-test")


async def test_no_version_of_a_purged_recording_is_left_nor_of_what_was_moved_or_replaced_before(
    tmp_path: Path, conninfo: str, ceph: Ceph, ceph_bucket: str
) -> None:
    keep_versions(ceph, ceph_bucket)
    flags = {"store": "s3-test"}
    async with several_stores(tmp_path, conninfo, ceph=ceph, bucket=ceph_bucket, **flags) as runtime:
        person = await add_person(runtime)
        recording_id = await take_in(runtime, person, SOUND)
        await do_jobs(runtime)
        blob = (await blobs_of(runtime, person))[0]
        key = (await copies_of(runtime, person, blob.id))["s3-test"].key
        ceph.client().put_object(Bucket=ceph_bucket, Key=key, Body=b"damaged by somebody")
        ceph.client().put_object(Bucket=ceph_bucket, Key=key, Body=SOUND)
        assert versions_in(ceph, ceph_bucket, key) == [key] * 3
        await write_rules(runtime, "original: local\n*: s3-test")
        await settle(runtime, person, blob.id)
        assert versions_in(ceph, ceph_bucket, key) == [], "what is kept elsewhere is not left here"
        await write_rules(runtime, "*: s3-test")
        await settle(runtime, person, blob.id)
        assert len(versions_in(ceph, ceph_bucket, "recordings/")) >= 4
        await purged(runtime, person, recording_id)
        assert versions_in(ceph, ceph_bucket, "recordings/") == []
        removed = await events_of(runtime, person, "copy.removed")
        assert not any("versions_left" in event.facts for event in removed)


async def test_where_the_credentials_may_not_remove_versions_the_purge_ends_and_says_so(
    tmp_path: Path, conninfo: str, ceph: Ceph, ceph_bucket: str
) -> None:
    keep_versions(ceph, ceph_bucket)
    flags = {"store": "s3-test"}
    async with several_stores(tmp_path, conninfo, ceph=ceph, bucket=ceph_bucket, **flags) as runtime:
        person = await add_person(runtime)
        recording_id = await take_in(runtime, person, SOUND)
        await do_jobs(runtime)
        forbid(ceph, ceph_bucket, "s3:DeleteObjectVersion")
        await purged(runtime, person, recording_id)
        await do_jobs(runtime)
        removed = await events_of(runtime, person, "copy.removed")
        assert removed
        assert all(event.facts["versions_left"] for event in removed)
        assert versions_in(ceph, ceph_bucket, "recordings/")
