"""Older versions in a bucket of the real gateway: told, read, copied and removed, plain and encrypted."""

from collections.abc import AsyncIterator, Callable

import pytest

from reelkeep.errors import ObjectNotFound
from reelkeep.stores.guarded import guard
from reelkeep.stores.protocol import CopiesAcross, KeepsVersions, Store, Versioning
from tests.contract.conftest import kinds_with, s3_store
from tests.fixtures.ceph import Ceph
from tests.fixtures.versions import forbid, keep_versions, versions_in

pytestmark = pytest.mark.s3
KEY = "recordings/a/b"
Open = Callable[[], Store]


class Versioned(Store, KeepsVersions):
    """What these tests ask of a store."""


async def pieces(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


@pytest.fixture
def versioned(opener: Open) -> Versioned:
    store = opener()
    assert isinstance(store, KeepsVersions)
    return store  # type: ignore[return-value]


async def read_version(store: Versioned, version_id: str) -> bytes:
    return b"".join([piece async for piece in store.read_version(KEY, version_id)])


KINDS = [kind for kind in kinds_with(KeepsVersions) if "local" not in str(kind)]


@pytest.mark.parametrize("opener", KINDS, indirect=True)
async def test_what_was_replaced_and_deleted_is_told_newest_first_and_read(
    versioned: Versioned, ceph: Ceph, ceph_bucket: str
) -> None:
    keep_versions(ceph, ceph_bucket)
    assert await versioned.versioning() == Versioning.ON
    for body in (b"the first", b"the second one"):
        await versioned.put(KEY, pieces(body))
    await versioned.put(f"{KEY}.json", pieces(b"another key that begins the same"))
    await versioned.delete(KEY)
    found = [version async for version in versioned.list_versions(KEY)]
    assert [version.size_bytes for version in found] == [14, 9]
    assert [await read_version(versioned, one.version_id) for one in found] == [
        b"the second one",
        b"the first",
    ]
    with pytest.raises(ObjectNotFound):
        await versioned.head(KEY)
    assert [version async for version in versioned.list_versions("recordings/a/never")] == []


@pytest.mark.parametrize("opener", KINDS, indirect=True)
async def test_an_object_goes_with_all_its_versions_and_no_other_key(
    versioned: Versioned, ceph: Ceph, ceph_bucket: str
) -> None:
    keep_versions(ceph, ceph_bucket)
    for body in (b"one", b"two", b"three"):
        await versioned.put(KEY, pieces(body))
    await versioned.delete(KEY)
    await versioned.put(f"{KEY}.json", pieces(b"beside"))
    assert await versioned.delete_with_versions(KEY)
    assert await versioned.delete_with_versions(KEY), "twice is once"
    assert [version async for version in versioned.list_versions(KEY)] == []
    assert len(versions_in(ceph, ceph_bucket)) == 1
    assert (await versioned.head(f"{KEY}.json")).size_bytes == 6


@pytest.mark.parametrize("opener", KINDS, indirect=True)
async def test_a_bucket_without_versions_says_so_and_only_the_object_goes(
    versioned: Versioned, ceph: Ceph, ceph_bucket: str
) -> None:
    assert await versioned.versioning() == Versioning.OFF
    await versioned.put(KEY, pieces(b"one"))
    assert await versioned.delete_with_versions(KEY)
    assert versions_in(ceph, ceph_bucket) == []
    keep_versions(ceph, ceph_bucket)
    keep_versions(ceph, ceph_bucket, "Suspended")
    assert await versioned.versioning() == Versioning.SUSPENDED


@pytest.mark.parametrize("whole_bytes_max", [1 << 30, 1 << 20])
async def test_a_version_is_copied_inside_the_service_in_one_piece_or_in_parts(
    ceph: Ceph, ceph_bucket: str, whole_bytes_max: int
) -> None:
    keep_versions(ceph, ceph_bucket)
    sizes = {"copy_whole_bytes_max": whole_bytes_max, "copy_part_bytes": 5 << 20}
    store = guard(s3_store(ceph, ceph_bucket, **sizes))
    assert isinstance(store, CopiesAcross)
    assert isinstance(store, KeepsVersions)
    body = bytes(range(256)) * (6 << 12)
    await store.put(KEY, pieces(body), content_type="audio/wav")
    await store.put(KEY, pieces(b"damaged"))
    older = [version async for version in store.list_versions(KEY)][1]
    facts = await store.copy_from(store, KEY, "recordings/c", version_id=older.version_id)
    assert (facts.size_bytes, facts.content_type) == (len(body), "audio/wav")
    assert b"".join([piece async for piece in store.read("recordings/c")]) == body
    await store.close()


@pytest.mark.parametrize("action", ["s3:DeleteObjectVersion", "s3:ListBucketVersions"])
async def test_versions_that_may_not_be_removed_are_told_and_the_object_is_gone(
    ceph: Ceph, ceph_bucket: str, action: str
) -> None:
    keep_versions(ceph, ceph_bucket)
    store = guard(s3_store(ceph, ceph_bucket))
    assert isinstance(store, KeepsVersions)
    await store.put(KEY, pieces(b"one"))
    forbid(ceph, ceph_bucket, action)
    assert await store.delete_with_versions(KEY) is False
    with pytest.raises(ObjectNotFound):
        await store.head(KEY)
    forbid(ceph, ceph_bucket)
    assert len(versions_in(ceph, ceph_bucket)) == 2
    assert await store.delete_with_versions(KEY), "another process died in between, or the rights came later"
    assert versions_in(ceph, ceph_bucket) == []
    await store.close()
