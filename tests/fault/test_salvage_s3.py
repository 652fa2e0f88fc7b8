"""What can be had of bytes that were growing on S3 when it failed: what lies there and what is here."""

import random
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
import structlog

from reelkeep.errors import StoreUnavailable
from reelkeep.stores.encrypted import EncryptedStore
from reelkeep.stores.patience import Patience
from reelkeep.stores.protocol import Grows, GrowthNotes, Salvaged, Store
from reelkeep.stores.s3 import S3Store, S3StoreConfig
from reelkeep.stores.signer import Credentials
from tests.fixtures.ceph import Ceph
from tests.fixtures.encryption import KnownKeys
from tests.fixtures.front import Fault, front_of

pytestmark = pytest.mark.s3
KEY = "incoming/a"
BODY = random.Random(8).randbytes(16_000_000)
QUICK = Patience(tries_max=2, first_wait_seconds=0.001, wait_seconds_max=0.002)
ROUNDS = 8


def plain(store: S3Store) -> Store:
    return store


def encrypted(store: S3Store) -> Store:
    return EncryptedStore(store, KnownKeys())


async def salvaged_from(
    store: Grows, notes: GrowthNotes, chance: random.Random
) -> tuple[Salvaged, bytes, int]:
    """Append until the store fails; what was salvaged, its rest, and how much had been taken."""
    async with store.growing(KEY, notes) as growing:
        at = growing.offset
        with pytest.raises(StoreUnavailable):
            while at < len(BODY):
                size = min(chance.choice([1000, 70_000, 900_000]), len(BODY) - at)
                await growing.write(BODY[at : at + size])
                at += size
                if chance.random() < 0.2 or at == len(BODY):
                    await growing.flush()
            raise StoreUnavailable("It held out to the end.")
        salvaged = await growing.salvage()
        assert salvaged is not None
        listed: Any = salvaged.rest
        async with aclosing(listed):
            rest = b"".join([piece async for piece in listed])
        return salvaged, rest, growing.offset


@pytest.mark.parametrize("wrap", [plain, encrypted])
async def test_whenever_the_store_fails_all_bytes_that_were_taken_are_here_or_there(
    ceph: Ceph, ceph_bucket: str, tmp_path: Path, wrap: Callable[[S3Store], Store]
) -> None:
    chance = random.Random()
    left = [0]

    def decide(_request: str) -> Fault | None:
        left[0] -= 1
        return None if left[0] >= 0 else chance.choice([Fault.REFUSED, Fault.CUT, Fault.ANSWER_LOST])

    credentials = Credentials(ceph.access_key, ceph.secret_key)
    sure = wrap(
        S3Store(
            S3StoreConfig(
                "s3", ceph_bucket, endpoint_url=ceph.endpoint_url, credentials=credentials, scratch=tmp_path
            )
        )
    )
    assert isinstance(sure, Grows)
    async with front_of(ceph.endpoint_url, decide) as front:
        config = S3StoreConfig(
            "s3",
            ceph_bucket,
            endpoint_url=front.url,
            credentials=credentials,
            scratch=tmp_path,
            patience=QUICK,
        )
        for _ in range(ROUNDS):
            await sure.discard_growth(KEY, {})
            begun: GrowthNotes = {}
            if chance.random() < 0.6:  # an earlier go
                async with sure.growing(KEY, {}) as growing:
                    await growing.write(BODY[: chance.randrange(1, 7_000_000)])
                    begun = await growing.flush()
            store = wrap(S3Store(config))
            assert isinstance(store, Grows)
            left[0] = chance.randrange(0, 10)
            with structlog.testing.capture_logs():
                salvaged, rest, taken = await salvaged_from(store, begun, chance)
            await store.close()  # type: ignore[attr-defined]
            assert salvaged.size_bytes + len(rest) == taken
            assert rest == BODY[salvaged.size_bytes : taken]
            assert await sure.grown(KEY, salvaged.notes) == salvaged.size_bytes
            # The store goes on from there as if it had never been away.
            async with sure.growing(KEY, salvaged.notes) as growing:
                await growing.write(rest)
                notes = await growing.flush()
            await sure.finish_growth(KEY, notes)
            assert b"".join([piece async for piece in sure.read(KEY)]) == BODY[:taken]
            await sure.delete(KEY)
    await sure.close()
