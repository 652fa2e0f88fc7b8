"""Lost copies come back from the older versions that a bucket keeps: only the sealed bytes, and only then."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from reelkeep.blobs.models import Copy, CopyState
from reelkeep.placement.check import Drift, check_store
from reelkeep.placement.reconcile import reconcile_blob
from reelkeep.placement.scrub import scrub
from reelkeep.placement.sweep import sweep_placement
from reelkeep.placement.versions import Repair, repair_copy
from reelkeep.recordings.shred import shred_recording
from reelkeep.runtime import Runtime
from reelkeep.stores.protocol import Store
from tests.fixtures.ceph import Ceph
from tests.fixtures.media import beeps, wav
from tests.fixtures.runtime import Person, add_person, do_jobs
from tests.fixtures.several_stores import blobs_of, bytes_in, copies_of, several_stores, write_rules
from tests.fixtures.versions import forbid, keep_versions, versions_in
from tests.service.test_encryption import encrypted
from tests.service.test_processing import take_in
from tests.service.test_retention import events_of, purge, trash

pytestmark = pytest.mark.s3
SOUND = wav(beeps(1))
OTHER = bytes(reversed(SOUND))


class Bucket:
    """An installation whose one recording lies in a bucket, and what others do there."""

    def __init__(self, runtime: Runtime, person: Person, ceph: Ceph, name: str, recording_id: str) -> None:
        self.runtime, self.person, self.name = runtime, person, name
        self.ceph, self.client = ceph, ceph.client()
        self.recording_id = recording_id
        self.blob_id: UUID

    @property
    def store(self) -> str:
        """The store's name."""
        return self.runtime.stores.primary_name

    async def copy(self) -> Copy:
        """The original's copy in the bucket."""
        return (await copies_of(self.runtime, self.person, self.blob_id))[self.store]

    def delete(self, key: str) -> None:
        """Somebody deletes an object: the bucket puts a marker there."""
        self.client.delete_object(Bucket=self.name, Key=key)

    def replace(self, key: str, body: bytes) -> None:
        """Somebody writes over an object."""
        self.client.put_object(Bucket=self.name, Key=key, Body=body)

    async def check(self, *, verify: bool = False) -> Drift:
        """What `storage check --repair` finds and does."""
        return await check_store(self.runtime, self.store, verify=verify, repair=True)


async def settled(bucket: Bucket) -> Bucket:
    await do_jobs(bucket.runtime)  # the digest is known now
    bucket.blob_id = (await blobs_of(bucket.runtime, bucket.person))[0].id
    return bucket


@asynccontextmanager
async def opened(
    tmp_path: Path, conninfo: str, ceph: Ceph, name: str, *, versions: bool = True, **flags: Any
) -> AsyncIterator[Bucket]:
    """One recording in a bucket."""
    if versions:
        keep_versions(ceph, name)
    given = {"store": "s3-test", **flags}
    async with several_stores(tmp_path, conninfo, ceph=ceph, bucket=name, **given) as runtime:
        person = await add_person(runtime)
        recording_id = await take_in(runtime, person, SOUND)
        yield await settled(Bucket(runtime, person, ceph, name, recording_id))


@pytest.fixture
async def bucket(tmp_path: Path, conninfo: str, ceph: Ceph, ceph_bucket: str) -> AsyncIterator[Bucket]:
    async with opened(tmp_path, conninfo, ceph, ceph_bucket) as found:
        yield found


@pytest.mark.parametrize("how", ["deleted", "deleted twice", "replaced", "cut short", "damaged", "both"])
async def test_what_was_deleted_or_damaged_comes_back_from_an_older_version(bucket: Bucket, how: str) -> None:
    key = (await bucket.copy()).key
    if how in ("replaced", "both"):
        bucket.replace(key, OTHER + b"longer")
    if how == "cut short":
        bucket.replace(key, SOUND[:100])
    if how == "damaged":
        bucket.replace(key, OTHER)
    if how.startswith("deleted") or how == "both":
        bucket.delete(key)
    if how == "deleted twice":
        bucket.delete(key)
    found = await bucket.check(verify=how == "damaged")
    assert (found.brought_back, found.repaired, found.not_repaired) == (1, 1, {})
    assert found.repairs == [f"brought_back: {key}"]
    copy = await bucket.copy()
    assert (copy.state, copy.verified_at is not None) == (CopyState.PRESENT, True)
    assert await bytes_in(bucket.runtime, copy) == SOUND
    assert versions_in(bucket.ceph, bucket.name, key) == [], "what no row names any more is not left"
    assert len(await events_of(bucket.runtime, bucket.person, "copy.brought_back")) == 1
    await do_jobs(bucket.runtime)
    again = await bucket.check(verify=True)
    assert again.is_clean
    assert again.brought_back == 0


async def test_a_whole_bucket_that_was_emptied_comes_back(bucket: Bucket) -> None:
    keys = {one["Key"] for one in bucket.client.list_objects_v2(Bucket=bucket.name)["Contents"]}
    for key in keys:
        bucket.delete(key)
    found = await bucket.check()
    assert found.missing == found.brought_back == len(keys) >= 3
    await do_jobs(bucket.runtime)
    assert (await bucket.check(verify=True)).is_clean


async def test_of_several_versions_the_sealed_one_is_taken_and_none_that_only_has_its_size(
    bucket: Bucket,
) -> None:
    key = (await bucket.copy()).key
    bucket.replace(key, OTHER)
    bucket.replace(key, OTHER[::2] * 2)
    bucket.delete(key)
    found = await bucket.check()
    assert found.brought_back == 1
    assert await bytes_in(bucket.runtime, await bucket.copy()) == SOUND
    assert versions_in(bucket.ceph, bucket.name, f"recordings/{bucket.person.organization_id}")
    assert (await bucket.check(verify=True)).is_clean, "what was tried and disagreed is not left"


async def test_without_a_version_that_agrees_nothing_comes_back_and_why_is_told(bucket: Bucket) -> None:
    key = (await bucket.copy()).key
    for version in bucket.client.list_object_versions(Bucket=bucket.name, Prefix=key)["Versions"]:
        bucket.client.delete_object(Bucket=bucket.name, Key=key, VersionId=version["VersionId"])
    bucket.replace(key, OTHER)
    bucket.replace(key, SOUND + b"x")
    bucket.delete(key)
    found = await bucket.check()
    assert (found.brought_back, found.repaired) == (0, 0)
    assert found.not_repaired == {Repair.NO_VERSION_AGREES: 1}
    assert found.repairs == [f"no_version_agrees: {key}"]
    copy = await bucket.copy()
    assert (copy.state, copy.key) == (CopyState.MISSING, key)
    listed = bucket.client.list_objects_v2(Bucket=bucket.name, Prefix="recordings/").get("Contents", [])
    known = {one.key async for one in bucket.runtime.stores.primary.list_objects("recordings/")}
    assert len(listed) == len(known)
    assert (await bucket.check()).orphans == 0


async def test_a_bucket_that_keeps_no_versions_is_told_as_the_reason(
    tmp_path: Path, conninfo: str, ceph: Ceph, ceph_bucket: str
) -> None:
    async with opened(tmp_path, conninfo, ceph, ceph_bucket, versions=False) as bucket:
        bucket.delete((await bucket.copy()).key)
        assert (await bucket.check()).not_repaired == {Repair.NO_VERSIONING: 1}


async def test_a_refusal_of_the_service_is_told_and_a_later_check_brings_it_back(bucket: Bucket) -> None:
    key = (await bucket.copy()).key
    bucket.delete(key)
    for action in ("s3:ListBucketVersions", "s3:GetObjectVersion"):
        forbid(bucket.ceph, bucket.name, action)
        assert (await bucket.check()).not_repaired == {Repair.NOT_ALLOWED: 1}, action
        assert (await bucket.copy()).key == key
    forbid(bucket.ceph, bucket.name)
    assert (await bucket.check()).brought_back == 1


async def test_another_copy_that_can_be_read_comes_first(bucket: Bucket) -> None:
    await write_rules(bucket.runtime, "original: s3-test, second\n*: s3-test")
    blob = await repair_of_rules(bucket)
    key = (await bucket.copy()).key
    bucket.delete(key)
    found = await bucket.check()
    assert (found.brought_back, found.repaired) == (0, 1)
    await do_jobs(bucket.runtime)
    assert await bytes_in(bucket.runtime, await bucket.copy()) == SOUND
    assert versions_in(bucket.ceph, bucket.name, key) == []
    assert set(blob) == {"s3-test", "second"}


async def repair_of_rules(bucket: Bucket) -> dict[str, Copy]:
    """The copies once rules that were just written have been followed."""
    await reconcile_blob(bucket.runtime, bucket.person.organization_id, bucket.blob_id)
    return await copies_of(bucket.runtime, bucket.person, bucket.blob_id)


async def test_a_second_copy_that_is_lost_as_well_does_not_count_and_is_made_again_afterwards(
    bucket: Bucket,
) -> None:
    await write_rules(bucket.runtime, "original: s3-test, second\n*: s3-test")
    second = (await repair_of_rules(bucket))["second"]
    await bucket.runtime.stores.get("second").delete(second.key)
    bucket.delete((await bucket.copy()).key)
    assert (await bucket.check()).brought_back == 1
    await do_jobs(bucket.runtime)
    copies = await copies_of(bucket.runtime, bucket.person, bucket.blob_id)
    for name in ("s3-test", "second"):
        assert await bytes_in(bucket.runtime, copies[name]) == SOUND


async def test_a_second_copy_that_turns_out_to_be_bad_takes_no_version_with_it(bucket: Bucket) -> None:
    await write_rules(bucket.runtime, "original: s3-test, second\n*: s3-test")
    second = (await repair_of_rules(bucket))["second"]
    await bucket.runtime.stores.get("second").put(second.key, pieces(OTHER))
    bucket.delete((await bucket.copy()).key)
    assert (await bucket.check()).brought_back == 0, "it was read once, and has its size"
    await do_jobs(bucket.runtime)
    assert (await repair_of_rules(bucket))["second"].state == CopyState.DAMAGED
    assert (await bucket.check()).brought_back == 1
    await do_jobs(bucket.runtime)
    copies = await copies_of(bucket.runtime, bucket.person, bucket.blob_id)
    for name in ("s3-test", "second"):
        assert await bytes_in(bucket.runtime, copies[name]) == SOUND


async def pieces(body: bytes) -> AsyncIterator[bytes]:
    yield body


async def test_the_scrub_brings_back_what_it_finds_damaged(
    tmp_path: Path, conninfo: str, ceph: Ceph, ceph_bucket: str
) -> None:
    flags = {"sweep_seconds": 30 * 86_400, "scrub_days": 1}
    async with opened(tmp_path, conninfo, ceph, ceph_bucket, **flags) as bucket:
        bucket.replace((await bucket.copy()).key, OTHER)
        assert await scrub(bucket.runtime) >= 1
        copy = await bucket.copy()
        assert (copy.state, await bytes_in(bucket.runtime, copy)) == (CopyState.PRESENT, SOUND)


async def test_ciphertext_of_an_encrypted_store_comes_back_and_after_a_shredding_nothing_does(
    tmp_path: Path, conninfo: str, ceph: Ceph, ceph_bucket: str
) -> None:
    keep_versions(ceph, ceph_bucket)
    section = (
        f'[stores.cloud]\nkind = "s3"\nservice = "ceph"\nencrypted = true\nbucket = "{ceph_bucket}"\n'
        f'endpoint_url = "{ceph.endpoint_url}"\nregion = "us-east-1"\n'
        f'access_key_id = "{ceph.access_key}"\nsecret_access_key = "{ceph.secret_key}"\n'
    )
    async with encrypted(tmp_path, conninfo, section=section, store="cloud") as runtime:
        person = await add_person(runtime)
        recording_id = await take_in(runtime, person, SOUND)
        bucket = await settled(Bucket(runtime, person, ceph, ceph_bucket, recording_id))
        for damage in (bucket.delete, lambda key: bucket.replace(key, OTHER)):
            damage((await bucket.copy()).key)
            assert (await bucket.check(verify=True)).brought_back == 1
            assert await bytes_in(runtime, await bucket.copy()) == SOUND
        key = (await bucket.copy()).key
        bucket.delete(key)
        await shred_recording(runtime, person.organization_id, UUID(recording_id), person.user_id)
        found = await bucket.check()
        assert (found.missing, found.brought_back, found.not_repaired) == (1, 0, {})
        assert (await bucket.copy()).state == CopyState.MISSING


async def test_what_was_purged_does_not_come_back_while_its_bytes_are_still_to_go(bucket: Bucket) -> None:
    key = (await bucket.copy()).key
    bucket.delete(key)
    await trash(bucket.runtime, bucket.person, bucket.recording_id)
    assert await purge(bucket.runtime, bucket.person, bucket.recording_id)
    found = await bucket.check()
    assert (found.brought_back, found.repaired, found.not_repaired) == (0, 0, {})
    organization_id = bucket.person.organization_id
    assert await repair_copy(bucket.runtime, organization_id, bucket.blob_id, "s3-test") == Repair.NOT_NEEDED


class PurgedWhileRead:
    """A store through which a recording is purged just when a version of it has been read."""

    def __init__(self, inside: Store, bucket: Bucket) -> None:
        self._inside, self._bucket, self.purged = inside, bucket, False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inside, name)

    async def read_version(self, key: str, version_id: str) -> AsyncIterator[bytes]:
        async for piece in self._inside.read_version(key, version_id):  # type: ignore[attr-defined]
            yield piece
        self.purged = bool(await purge(self._bucket.runtime, self._bucket.person, self._bucket.recording_id))


async def test_a_purge_in_the_midst_of_bringing_back_wins_and_nothing_is_left(bucket: Bucket) -> None:
    await trash(bucket.runtime, bucket.person, bucket.recording_id)
    bucket.delete((await bucket.copy()).key)
    runtime = bucket.runtime
    store: Any = PurgedWhileRead(runtime.stores.primary, bucket)
    stores = replace(runtime.stores, by_name={**runtime.stores.by_name, "s3-test": store})
    found = await check_store(replace(runtime, stores=stores), "s3-test", repair=True)
    assert store.purged
    assert (found.brought_back, found.not_repaired) == (0, {})
    async with asyncio.timeout(30):
        while versions_in(bucket.ceph, bucket.name, "recordings/"):
            await do_jobs(runtime)
            await sweep_placement(runtime)
            await asyncio.sleep(0.2)
    assert await events_of(runtime, bucket.person, "copy.brought_back") == []
