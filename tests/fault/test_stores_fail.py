"""Buckets that fail while copies move: in front of the real service, which does what reaches it.

What was acknowledged is read all the time: whole, or with an error that says so; never short, never other.
"""

import asyncio
import random
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from reelkeep.blobs.open import open_blob
from reelkeep.errors import ErrorCode, ReelkeepError, StoreFull, StoreRefused, StoreUnavailable
from reelkeep.placement.check import check_store
from reelkeep.placement.reconcile import Outcome, reconcile_blob
from reelkeep.runtime import Runtime
from reelkeep.stores.guarded import Guarded, Patience
from tests.fixtures.ceph import Ceph
from tests.fixtures.clock import Later
from tests.fixtures.front import Fault, Refusal, front_of
from tests.fixtures.media import beeps, wav
from tests.fixtures.runtime import Person, add_person, do_jobs
from tests.fixtures.several_stores import blobs_of, bytes_in, copies_of, several_stores, write_rules
from tests.service.test_processing import take_in
from tests.service.test_reconcile import settle

pytestmark = pytest.mark.s3
SOUND = wav(beeps(2))
QUICK = Patience(tries_max=2, first_wait_seconds=0.001, wait_seconds_max=0.002)
EXPIRED = Refusal(403, "ExpiredToken")
SLOW_DOWN = Refusal(503, "SlowDown")


@dataclass
class Weather:
    """What happens to requests for recordings' bytes in the bucket."""

    #: By the method; `ANY` for each.
    faults: dict[str, Fault | Refusal] = field(default_factory=dict)
    #: How likely any of these is.
    random_faults: tuple[Fault | Refusal, ...] = ()
    #: How many requests are struck; None: every one.
    times: int | None = None
    dice: random.Random = field(default_factory=lambda: random.Random(11))
    struck: list[str] = field(default_factory=list)

    def decide(self, request: str) -> Fault | Refusal | None:
        method, _, target = request.partition(" ")
        fault = self.faults.get(method) or self.faults.get("ANY")
        if self.random_faults and self.dice.random() < 0.35:
            fault = self.dice.choice(self.random_faults)
        if "/recordings/" not in target or fault is None or len(self.struck) == self.times:
            return None
        self.struck.append(request)
        return fault


@dataclass(frozen=True)
class World:
    """One sealed original in `local`, and a bucket whose answers are spoilt."""

    runtime: Runtime
    person: Person
    blob_id: UUID
    weather: Weather
    ceph: Ceph
    bucket: str

    async def rules(self, rules: str) -> None:
        await write_rules(self.runtime, f"original: {rules}\n*: local")

    def strike(self, times: int | None = None, **faults: Fault | Refusal) -> None:
        """Let these befall requests of these methods, so often."""
        self.weather.faults, self.weather.times = faults, times
        self.weather.struck.clear()

    async def reconcile(self) -> Outcome:
        return await reconcile_blob(self.runtime, self.person.organization_id, self.blob_id)

    async def settle(self) -> None:
        await settle(self.runtime, self.person, self.blob_id)

    async def states(self) -> dict[str, str]:
        copies = await copies_of(self.runtime, self.person, self.blob_id)
        return {store: str(copy.state) for store, copy in copies.items()}

    async def read(self) -> bytes:
        pieces = open_blob(self.runtime, self.person.organization_id, self.blob_id)
        return b"".join([piece async for piece in pieces])

    def objects(self) -> set[str]:
        listed = self.ceph.client().list_objects_v2(Bucket=self.bucket, Prefix="recordings/")
        return {entry["Key"] for entry in listed.get("Contents", [])}

    def destroy_the_bucket(self) -> None:
        client = self.ceph.client()
        for entry in client.list_objects_v2(Bucket=self.bucket).get("Contents", []):
            client.delete_object(Bucket=self.bucket, Key=entry["Key"])
        client.delete_bucket(Bucket=self.bucket)

    async def nothing_else_is_anywhere(self) -> None:
        """Every store has its copies, whole, and no other sealed byte."""
        for store in ("local", "second", "s3-test", "s3-other"):
            found = await check_store(
                replace(self.runtime, clock=Later(timedelta(hours=2))), store, verify=True
            )
            assert found.is_clean, found


@asynccontextmanager
async def world(
    tmp_path: Path, conninfo: str, ceph: Ceph, bucket: str, *, sound: bytes = SOUND, **flags: Any
) -> AsyncIterator[World]:
    weather = Weather()
    other = f"{bucket}-other"
    ceph.client().create_bucket(Bucket=other)
    async with front_of(ceph.endpoint_url, weather.decide) as front:
        lines = (
            f'[stores.s3-other]\nkind = "s3"\nservice = "ceph"\nbucket = "{other}"\n'
            f'endpoint_url = "{front.url}"\nregion = "us-east-1"\npath_style = true\n'
            f'access_key_id = "{ceph.access_key}"\nsecret_access_key = "{ceph.secret_key}"\n'
        )
        behind = replace(ceph, endpoint_url=front.url)
        async with several_stores(
            tmp_path, conninfo, ceph=behind, bucket=bucket, lines=lines, **flags
        ) as runtime:
            for store in runtime.stores.by_name.values():
                assert isinstance(store, Guarded)
                store._patience = QUICK
            person = await add_person(runtime)
            await take_in(runtime, person, sound)
            await do_jobs(runtime)
            blob = (await blobs_of(runtime, person))[0]
            yield World(runtime, person, blob.id, weather, ceph, bucket)


@pytest.mark.parametrize(
    "faults",
    [
        (SLOW_DOWN, Refusal(500, "InternalError")),
        (Fault.CUT, Fault.RESET, Fault.ANSWER_LOST, Fault.ANSWER_CUT),
        (Fault.SLOW,),
    ],
    ids=["503", "reset", "slow"],
)
async def test_a_bucket_that_fails_at_random_loses_no_byte_of_what_moves_there_and_back(
    faults: tuple[Fault | Refusal, ...], tmp_path: Path, conninfo: str, ceph: Ceph, ceph_bucket: str
) -> None:
    async with world(tmp_path, conninfo, ceph, ceph_bucket) as it:
        it.weather.random_faults = faults
        for store in ("s3-test", "s3-other", "local", "s3-test", "second"):
            await it.rules(store)
            async with asyncio.timeout(60):
                while set(await it.states()) != {store}:
                    with suppress(ReelkeepError):
                        await it.reconcile()
                    with suppress(StoreUnavailable):
                        assert await it.read() == SOUND
                    await asyncio.sleep(0.05)
        assert it.weather.struck
        it.weather.random_faults = ()
        await it.settle()
        assert await it.read() == SOUND
        assert it.objects() == set()
        await it.nothing_else_is_anywhere()


async def test_bytes_that_are_wrong_once_condemn_no_copy(
    tmp_path: Path, conninfo: str, ceph: Ceph, ceph_bucket: str
) -> None:
    async with world(tmp_path, conninfo, ceph, ceph_bucket) as it:
        await it.rules("s3-test")
        await it.settle()
        await it.rules("second")
        it.strike(1, GET=Fault.FLIPPED)
        with pytest.raises(ReelkeepError):
            await it.reconcile()
        assert it.weather.struck
        assert await it.states() == {"s3-test": "present", "second": "making"}
        await it.settle()
        assert await it.states() == {"second": "present"}
        assert await it.read() == SOUND
        await it.nothing_else_is_anywhere()


async def test_a_copy_that_gives_wrong_bytes_is_told_stays_and_is_taken_back_when_it_is_whole_again(
    tmp_path: Path, conninfo: str, ceph: Ceph, ceph_bucket: str
) -> None:
    async with world(tmp_path, conninfo, ceph, ceph_bucket) as it:
        await it.rules("s3-test")
        await it.settle()
        await it.rules("second")
        it.strike(GET=Fault.FLIPPED)
        assert await it.reconcile() == Outcome.LOST
        assert (await it.states())["s3-test"] == "damaged"
        assert len(it.objects()) == 1, "nothing is removed"
        with pytest.raises(ReelkeepError) as refused:
            await it.read()
        assert refused.value.code == ErrorCode.COPY_LOST
        told = await check_store(it.runtime, "s3-test", repair=True)
        assert (told.damaged, (await it.states())["s3-test"]) == (1, "damaged"), "it is still wrong"
        it.strike()
        told = await check_store(it.runtime, "s3-test", repair=True)
        assert (told.damaged, told.repaired) == (1, 1)
        assert await it.read() == SOUND
        await it.settle()
        assert await it.states() == {"second": "present"}
        await it.nothing_else_is_anywhere()


async def test_a_target_that_gives_back_other_bytes_than_were_written_gets_no_copy(
    tmp_path: Path, conninfo: str, ceph: Ceph, ceph_bucket: str
) -> None:
    async with world(tmp_path, conninfo, ceph, ceph_bucket) as it:
        await it.rules("s3-test")
        await it.settle()
        await it.rules("s3-other")
        it.strike(GET=Fault.FLIPPED)  # inside the service nothing is read but what is proved
        for _ in range(2):
            with pytest.raises(ReelkeepError, match="gives other bytes than were written"):
                await it.reconcile()
        assert await it.states() == {"s3-test": "present", "s3-other": "making"}
        it.strike()
        assert await it.read() == SOUND
        await it.settle()
        assert await it.states() == {"s3-other": "present"}
        await it.nothing_else_is_anywhere()


async def test_a_bucket_that_is_gone_is_told_and_its_copies_are_made_again_when_it_is_back(
    tmp_path: Path, conninfo: str, ceph: Ceph, ceph_bucket: str
) -> None:
    async with world(tmp_path, conninfo, ceph, ceph_bucket) as it:
        client = ceph.client()
        client.delete_bucket(Bucket=ceph_bucket)
        await it.rules("s3-test, second")
        with pytest.raises(StoreRefused, match="Create the bucket"):
            await it.reconcile()
        assert await it.read() == SOUND
        client.create_bucket(Bucket=ceph_bucket)
        await it.settle()
        assert await it.states() == {"s3-test": "present", "second": "present"}

        it.destroy_the_bucket()
        assert await it.read() == SOUND, "from the other copy"
        await it.rules("s3-test, second, third")
        await it.settle()
        assert (await it.states())["third"] == "present", "made from the copy that can be read"
        assert (await it.states())["s3-test"] == "present", "a bucket that is gone condemns no copy"
        client.create_bucket(Bucket=ceph_bucket)
        found = await check_store(it.runtime, "s3-test", repair=True)
        assert found.missing == found.repaired == 1
        await do_jobs(it.runtime)
        assert set((await it.states()).values()) == {"present"}
        copy = (await copies_of(it.runtime, it.person, it.blob_id))["s3-test"]
        assert await bytes_in(it.runtime, copy) == SOUND
        await it.nothing_else_is_anywhere()


async def test_the_only_copy_of_a_bucket_that_is_gone_is_not_written_off(
    tmp_path: Path, conninfo: str, ceph: Ceph, ceph_bucket: str
) -> None:
    async with world(tmp_path, conninfo, ceph, ceph_bucket) as it:
        await it.rules("s3-test")
        await it.settle()
        key = (await copies_of(it.runtime, it.person, it.blob_id))["s3-test"].key
        it.destroy_the_bucket()
        for target in ("s3-other", "second"):
            await it.rules(target)
            with pytest.raises(StoreRefused, match="Create the bucket"):
                await it.reconcile()
            with pytest.raises(StoreRefused, match="Create the bucket"):
                await it.read()
            assert (await it.states())["s3-test"] == "present"
        ceph.client().create_bucket(Bucket=ceph_bucket)
        ceph.client().put_object(Bucket=ceph_bucket, Key=key, Body=SOUND)
        await it.settle()
        assert await it.states() == {"second": "present"}
        assert await it.read() == SOUND


async def test_credentials_that_expire_in_the_midst_of_a_move_stop_it_and_lose_nothing(
    tmp_path: Path, conninfo: str, ceph: Ceph, ceph_bucket: str
) -> None:
    async with world(tmp_path, conninfo, ceph, ceph_bucket) as it:
        await it.rules("s3-test")
        it.strike(PUT=EXPIRED)
        with pytest.raises(StoreRefused):
            await it.reconcile()
        assert it.weather.struck
        assert (await it.states())["local"] == "present"
        it.strike(ANY=EXPIRED)
        with pytest.raises(StoreRefused, match="expired: renew them"):
            await it.reconcile()
        assert await it.read() == SOUND
        it.strike()
        await it.settle()
        assert await it.states() == {"s3-test": "present"}
        await it.rules("second")
        it.strike(DELETE=EXPIRED)
        async with asyncio.timeout(20):
            while not it.weather.struck:
                with suppress(StoreRefused):
                    await it.reconcile()
                await asyncio.sleep(0.1)
        assert await it.states() == {"s3-test": "deleting", "second": "present"}
        assert await it.read() == SOUND
        it.strike()
        await it.settle()
        assert await it.states() == {"second": "present"}
        await it.nothing_else_is_anywhere()


@pytest.fixture
def small_second(tmp_path: Path) -> Iterator[Path]:
    """The folder of the store `second`, on a file system of 1 MiB."""
    folder = tmp_path / "second"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], check=True)
    yield folder
    subprocess.run(["umount", folder], check=True)


async def test_a_disk_that_fills_in_the_midst_of_a_move_keeps_no_half_of_it_and_the_move_goes_on_later(
    small_second: Path, tmp_path: Path, conninfo: str, ceph: Ceph, ceph_bucket: str
) -> None:
    large = wav(beeps(90))
    assert len(large) > 2_000_000
    async with world(tmp_path, conninfo, ceph, ceph_bucket, sound=large) as it:
        await it.rules("s3-test")
        await it.settle()
        await it.rules("second")
        for _ in range(2):
            with pytest.raises(StoreFull):
                await it.reconcile()
            left = sum(path.stat().st_size for path in small_second.rglob("*") if path.is_file())
            assert left < 100_000, "a half of it was left"
            assert await it.states() == {"s3-test": "present", "second": "making"}
            assert await it.read() == large
        subprocess.run(["mount", "-o", "remount,size=64m", small_second], check=True)
        await it.settle()
        assert await it.states() == {"second": "present"}
        assert await it.read() == large
        await it.nothing_else_is_anywhere()


async def test_what_arrived_unheard_is_removed_although_removing_it_failed_twice(
    tmp_path: Path, conninfo: str, ceph: Ceph, ceph_bucket: str
) -> None:
    async with world(tmp_path, conninfo, ceph, ceph_bucket) as it:
        await it.rules("s3-test")
        # The service has it, and we do not know; it answers no request to remove it, now and the next time.
        it.strike(PUT=Fault.ANSWER_LOST, HEAD=Fault.REFUSED, GET=Fault.REFUSED, DELETE=Fault.REFUSED)
        for _ in range(2):
            with pytest.raises(ReelkeepError):
                await it.reconcile()
        first = it.objects()
        assert len(first) == 1
        it.strike()
        await it.settle()
        assert await it.states() == {"s3-test": "present"}
        assert len(it.objects()) == 1
        assert not it.objects() & first
        await it.nothing_else_is_anywhere()
