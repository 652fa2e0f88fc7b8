"""What objects carry beside their bytes: the same over every store that can."""

from collections.abc import AsyncIterator

import pytest

from reelkeep.errors import ObjectNotFound
from reelkeep.stores.protocol import CarriesFacts, Store
from tests.contract.conftest import s3_store
from tests.fixtures.ceph import Ceph

TOLD = {"recording-id": "01980c5e-0000-7000-8000-000000000000", "kind": "original"}


async def body(whole: bytes) -> AsyncIterator[bytes]:
    """Bytes as a body."""
    yield whole


async def test_a_copy_carries_what_it_is_told_and_keeps_its_type(store: Store) -> None:
    if not isinstance(store, CarriesFacts):
        assert type(store).__name__ == "EncryptedStore", "only what hides its bytes tells nothing of them"
        return
    await store.put("incoming/a", body(b"sound"), content_type="audio/wav")

    facts = await store.copy_described("incoming/a", "recordings/a", TOLD)

    assert (facts.key, facts.size_bytes) == ("recordings/a", 5)
    assert (await store.head("recordings/a")).content_type == "audio/wav"
    assert await store.description_of("recordings/a") == TOLD
    assert await store.description_of("incoming/a") == {}
    assert b"".join([piece async for piece in store.read("recordings/a")]) == b"sound"


async def test_a_further_copy_carries_the_same_until_it_is_told_otherwise(store: Store) -> None:
    if not isinstance(store, CarriesFacts):
        return
    await store.put("a", body(b"sound"))
    await store.copy_described("a", "b", TOLD)
    await store.copy("b", "c")
    await store.copy_described("b", "d", {"kind": "peaks"})

    assert await store.description_of("c") == TOLD
    assert await store.description_of("d") == {"kind": "peaks"}
    with pytest.raises(ObjectNotFound):
        await store.description_of("nothing")
    with pytest.raises(ObjectNotFound):
        await store.copy_described("nothing", "e", TOLD)


@pytest.mark.s3
async def test_a_copy_in_parts_carries_it_too(ceph: Ceph, ceph_bucket: str) -> None:
    store = s3_store(ceph, ceph_bucket, copy_whole_bytes_max=6 << 20, copy_part_bytes=5 << 20)
    await store.put("a", body(bytes(11 << 20)), content_type="video/mp4")

    await store.copy_described("a", "b", TOLD)

    assert await store.description_of("b") == TOLD
    assert (await store.head("b")).content_type == "video/mp4"
    await store.close()
