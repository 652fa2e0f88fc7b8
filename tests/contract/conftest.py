"""The stores that keep the contract: each test of `test_stores.py` runs over all of them."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from reelkeep.stores.guarded import guard
from reelkeep.stores.local import LocalStore, LocalStoreConfig
from reelkeep.stores.memory import MemoryStore
from reelkeep.stores.protocol import Store
from reelkeep.stores.s3 import S3Store, S3StoreConfig
from reelkeep.stores.signer import Credentials
from tests.fixtures.ceph import Ceph


def local_store(root: Path) -> LocalStore:
    """A local store in an empty folder."""
    return LocalStore(LocalStoreConfig("local", "recordings", root, "http://127.0.0.1:9", "key", "secret"))


def s3_store(ceph: Ceph, bucket: str, **settings: object) -> S3Store:
    """A store in a bucket of the gateway, below a prefix as a shared bucket would have."""
    config = {
        "name": "s3",
        "bucket": bucket,
        "endpoint_url": ceph.endpoint_url,
        "prefix": "reelkeep/",
        "credentials": Credentials(ceph.access_key, ceph.secret_key),
        "idle_timeout_seconds": 20.0,
        **settings,
    }
    return S3Store(S3StoreConfig(**config))  # type: ignore[arg-type]


@pytest.fixture(params=["memory", "local", "local guarded", pytest.param("s3", marks=pytest.mark.s3)])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    """An empty store of each kind."""
    if request.param == "memory":
        made: Store = MemoryStore()
    elif request.param == "s3":
        made = s3_store(request.getfixturevalue("ceph"), request.getfixturevalue("ceph_bucket"))
    else:
        made = local_store(tmp_path / "store")
        made = guard(made) if request.param == "local guarded" else made
    yield made
    await made.close()
