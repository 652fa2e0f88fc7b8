"""The stores that keep the contract: each test of `test_stores.py` runs over all of them."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from reelkeep.stores.encrypted import EncryptedStore
from reelkeep.stores.guarded import guard
from reelkeep.stores.local import LocalStore, LocalStoreConfig
from reelkeep.stores.memory import MemoryStore
from reelkeep.stores.protocol import Store
from reelkeep.stores.s3 import S3Store, S3StoreConfig
from reelkeep.stores.signer import Credentials
from tests.fixtures.ceph import Ceph
from tests.fixtures.encryption import KnownKeys


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


@pytest.fixture(
    params=[
        "memory",
        "local",
        "local guarded",
        "local encrypted",
        pytest.param("s3", marks=pytest.mark.s3),
        pytest.param("s3 encrypted", marks=pytest.mark.s3),
    ]
)
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    """An empty store of each kind."""
    if request.param == "memory":
        made: Store = MemoryStore()
    elif request.param.startswith("s3"):
        made = s3_store(request.getfixturevalue("ceph"), request.getfixturevalue("ceph_bucket"))
    else:
        made = local_store(tmp_path / "store")
        made = guard(made) if request.param == "local guarded" else made
    yield EncryptedStore(made, KnownKeys()) if request.param.endswith("encrypted") else made
    await made.close()


#: The kinds of stores that the suites of optional abilities know, and their classes.
KINDS = {
    "memory": MemoryStore,
    "local": LocalStore,
    "local guarded": LocalStore,
    "s3 guarded": S3Store,
    "local encrypted guarded": EncryptedStore,
    "s3 encrypted guarded": EncryptedStore,
}


def kinds_with(ability: type) -> list[object]:
    """The kinds whose class has this ability, as parameters of `opener`."""
    marks = {kind: [pytest.mark.s3] if kind.startswith("s3") else [] for kind in KINDS}
    return [
        pytest.param(kind, marks=marks[kind]) for kind, made in KINDS.items() if issubclass(made, ability)
    ]


@pytest.fixture
async def opener(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Callable[[], Store]]:
    """Opens a store of one kind; each further one sees the same bytes, as another process would."""
    kind: str = request.param
    opened: list[Store] = []

    def open_store() -> Store:
        if kind.startswith("memory"):
            made: Store = opened[0] if opened else MemoryStore()
        elif kind.startswith("local"):
            made = local_store(tmp_path / "store")
        else:
            made = s3_store(
                request.getfixturevalue("ceph"), request.getfixturevalue("ceph_bucket"), scratch=tmp_path
            )
        opened.append(made)
        shown: Store = EncryptedStore(made, KnownKeys()) if "encrypted" in kind else made
        return guard(shown) if kind.endswith("guarded") else shown

    yield open_store
    for store in opened:
        await store.close()
