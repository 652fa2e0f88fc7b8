"""The S3 service itself is killed and started again in the midst of everything that is asked of it."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from reelkeep.blobs.open import open_blob
from reelkeep.errors import ReelkeepError, StoreUnavailable
from reelkeep.placement.check import check_store
from reelkeep.placement.reconcile import reconcile_blob
from reelkeep.runtime import Runtime
from tests.fixtures.ceph import Ceph
from tests.fixtures.clock import Later
from tests.fixtures.media import beeps, large_wav, wav
from tests.fixtures.runtime import Person, add_person, client_of, do_jobs
from tests.fixtures.several_stores import blobs_of, copies_of, several_stores, write_rules
from tests.service.test_processing import take_in
from tests.service.test_reconcile import settle
from tests.service.test_uploads import complete, initiate, send

pytestmark = pytest.mark.s3
SOUND = wav(beeps(2))
#: Goes in parts.
LARGE = large_wav(34_560_000)


@asynccontextmanager
async def mortal(ceph: Ceph) -> AsyncIterator[Ceph]:
    """The gateway, which lives again when the test is over, however it ends."""
    try:
        yield ceph
    finally:
        with suppress(AssertionError, FileNotFoundError):
            await asyncio.to_thread(ceph.kill)
        await asyncio.to_thread(ceph.start)


async def read(runtime: Runtime, person: Person, blob_id: Any) -> bytes:
    return b"".join([piece async for piece in open_blob(runtime, person.organization_id, blob_id)])


async def test_a_ticket_an_upload_and_a_seal_outlive_the_service(
    tmp_path: Path, conninfo: str, ceph: Ceph, ceph_bucket: str
) -> None:
    flags = {"store": "s3-test"}
    async with mortal(ceph), several_stores(tmp_path, conninfo, ceph=ceph, bucket=ceph_bucket, **flags) as it:
        person = await add_person(it)
        async with client_of(it, person) as client:
            ticket = await initiate(client)
            await asyncio.to_thread(ceph.kill)
            with pytest.raises(httpx.TransportError):
                await send(client, ticket, SOUND)
            early = await complete(client, ticket)
            assert early.status_code == 503, early.text
            await asyncio.to_thread(ceph.start)
            await send(client, ticket, SOUND)

            await asyncio.to_thread(ceph.kill)
            pending = await complete(client, ticket)
            assert (pending.status_code, pending.json()["error_code"]) == (503, "SEAL_PENDING")
            assert int(pending.headers["retry-after"]) > 0
            await asyncio.to_thread(ceph.start)
            done = await complete(client, ticket)
            assert done.status_code == 200, done.text
        blob = (await blobs_of(it, person))[0]
        assert await read(it, person, blob.id) == SOUND
        await asyncio.to_thread(ceph.kill)
        with pytest.raises(StoreUnavailable):
            await read(it, person, blob.id)
        await asyncio.to_thread(ceph.start)
        assert await read(it, person, blob.id) == SOUND


async def test_moves_in_whose_midst_the_service_is_killed_lose_nothing_and_leave_nothing(
    tmp_path: Path, conninfo: str, ceph: Ceph, ceph_bucket: str
) -> None:
    dice = random.Random(3)
    async with mortal(ceph), several_stores(tmp_path, conninfo, ceph=ceph, bucket=ceph_bucket) as it:
        person = await add_person(it)
        await take_in(it, person, LARGE)
        await do_jobs(it)
        blob = (await blobs_of(it, person))[0]
        for rules in ("s3-test", "second", "s3-test, second"):
            await write_rules(it, f"original: {rules}\n*: local")
            wanted = set(rules.split(", "))
            for _ in range(2):
                moving = asyncio.create_task(reconcile_blob(it, person.organization_id, blob.id))
                await asyncio.sleep(dice.uniform(0.0, 0.3))
                await asyncio.to_thread(ceph.kill)
                with suppress(ReelkeepError):
                    await moving
                if any(copy.store != "s3-test" for copy in await present(it, person, blob.id)):
                    assert await read(it, person, blob.id) == LARGE
                await asyncio.to_thread(ceph.start)
                assert await read(it, person, blob.id) == LARGE
            await settle(it, person, blob.id)
            assert {copy.store for copy in await present(it, person, blob.id)} == wanted
        for store in ("local", "second", "s3-test"):
            found = await check_store(replace(it, clock=Later(timedelta(hours=2))), store, verify=True)
            assert found.is_clean, found


async def present(runtime: Runtime, person: Person, blob_id: Any) -> list[Any]:
    copies = await copies_of(runtime, person, blob_id)
    return [copy for copy in copies.values() if copy.state == "present"]
