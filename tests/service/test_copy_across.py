"""Two buckets of one service: copies go inside the service, and are proved by reading them back."""

import tomllib
from pathlib import Path

import pytest

from reelkeep.placement.reconcile import reconcile_blob
from reelkeep.stores.guarded import guard
from reelkeep.stores.protocol import CopiesAcross
from reelkeep.stores.signer import Credentials
from tests.contract.conftest import local_store, s3_store
from tests.fixtures.ceph import Ceph
from tests.fixtures.media import beeps, wav
from tests.fixtures.runtime import add_person
from tests.fixtures.several_stores import (
    blobs_of,
    bytes_in,
    copies_of,
    several_stores,
    stores_file,
    write_rules,
)
from tests.service.test_processing import take_in

SOUND = wav(beeps(1))


@pytest.mark.s3
async def test_a_copy_between_buckets_of_one_service_does_not_pass_through_us(
    tmp_path: Path, conninfo: str, ceph: Ceph, ceph_bucket: str
) -> None:
    ceph.client().create_bucket(Bucket=f"{ceph_bucket}-b")
    (tmp_path / "b").mkdir()
    other = stores_file(tmp_path / "b", ceph=ceph, bucket=f"{ceph_bucket}-b").read_text()
    section = other[other.index("[stores.s3-test]") :].replace("s3-test", "s3-other")
    assert tomllib.loads(section)
    flags = {"store": "s3-test", "lines": section}
    async with several_stores(tmp_path, conninfo, ceph=ceph, bucket=ceph_bucket, **flags) as runtime:
        person = await add_person(runtime)
        await take_in(runtime, person, SOUND)
        blob = (await blobs_of(runtime, person))[0]
        await write_rules(runtime, "*: s3-test, s3-other")
        traffic = runtime.stores.get("s3-other").traffic  # type: ignore[attr-defined]
        traffic.take()
        await reconcile_blob(runtime, person.organization_id, blob.id)
        copies = await copies_of(runtime, person, blob.id)
        assert await bytes_in(runtime, copies["s3-other"]) == SOUND
        assert copies["s3-other"].verified_at is not None
        assert sum(counts.bytes_in for counts in traffic.take().values()) == 0


@pytest.mark.s3
async def test_only_buckets_of_one_service_under_the_same_credentials_copy_from_each_other(
    tmp_path: Path, ceph: Ceph, ceph_bucket: str
) -> None:
    one = guard(s3_store(ceph, ceph_bucket))
    same = guard(s3_store(ceph, f"{ceph_bucket}-b", name="other"))
    stranger = guard(s3_store(ceph, ceph_bucket, credentials=Credentials("another", "secret")))
    folder = guard(local_store(tmp_path))
    assert isinstance(one, CopiesAcross)
    assert one.can_copy_from(same)
    assert not one.can_copy_from(stranger)
    assert not one.can_copy_from(folder)
    assert not isinstance(folder, CopiesAcross)
    for store in (one, same, stranger, folder):
        await store.close()
