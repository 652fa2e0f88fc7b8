"""A copy that takes long keeps its claim through a lost database connection, and holds nobody else up."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import psycopg
import pytest

from reelkeep.blobs.models import Copy, CopyState
from reelkeep.placement.reconcile import Outcome, reconcile_blob
from reelkeep.placement.sweep import sweep_placement
from reelkeep.runtime import Runtime
from tests.fixtures.ceph import Ceph
from tests.fixtures.front import Fault, front_of
from tests.fixtures.media import beeps, wav
from tests.fixtures.runtime import Person, add_person, do_jobs
from tests.fixtures.several_stores import blobs_of, bytes_in, copies_of, several_stores, write_rules
from tests.service.test_processing import take_in

pytestmark = pytest.mark.s3
SOUND = wav(beeps(1))
#: A claim lasts ten seconds and is renewed each second, however busy the machine; links last three.
QUICK = {
    "download_expires_in_seconds": 3,
    "worker_stalled_seconds": 5,
    "worker_heartbeat_seconds": 1,
    "worker_shutdown_seconds": 1,
}
#: Longer than a claim that nobody renews.
LONG_SECONDS = 16.0


@dataclass
class Slow:
    """A bucket that takes its time to answer a PUT of a recording's bytes."""

    runtime: Runtime
    puts: list[str]
    began: asyncio.Event


@asynccontextmanager
async def slow_bucket(tmp_path: Path, conninfo: str, ceph: Ceph, bucket: str) -> AsyncIterator[Slow]:
    puts, began = [], asyncio.Event()

    def decide(request: str) -> Fault | None:
        if not request.startswith("PUT ") or "/recordings/" not in request:
            return None
        puts.append(request)
        began.set()
        return Fault.SLOW

    async with front_of(ceph.endpoint_url, decide) as front:
        front.slow_seconds = LONG_SECONDS
        behind = replace(ceph, endpoint_url=front.url)
        async with several_stores(tmp_path, conninfo, ceph=behind, bucket=bucket, **QUICK) as runtime:
            yield Slow(runtime, puts, began)


async def original_of(runtime: Runtime, person: Person, rules: str) -> UUID:
    """A sealed original, whose rules are written when everything else is done."""
    await take_in(runtime, person, SOUND)
    await do_jobs(runtime)
    await write_rules(runtime, f"original: {rules}\n*: local", str(person.organization_id))
    return (await blobs_of(runtime, person))[0].id


async def claimed(runtime: Runtime, person: Person, blob_id: UUID) -> Copy:
    return (await copies_of(runtime, person, blob_id))["s3-test"]


async def lose_a_renewal(conninfo: str, copy: Copy) -> None:
    """Hold the next renewal at the row it writes, and end its connection there."""
    waiting = (
        "select pid from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
        " and query like '%claimed_until%'"
    )
    async with await psycopg.AsyncConnection.connect(conninfo) as holding:
        await holding.execute("select from copy where id = %s for update", (copy.id,))
        async with await psycopg.AsyncConnection.connect(conninfo, autocommit=True) as looking:
            async with asyncio.timeout(10):
                while (row := await (await looking.execute(waiting)).fetchone()) is None:  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
            await looking.execute("select pg_terminate_backend(%s, 5000)", row)


async def test_a_claim_outlives_a_connection_that_is_lost_in_the_midst_of_a_renewal(
    tmp_path: Path, conninfo: str, ceph: Ceph, ceph_bucket: str
) -> None:
    async with slow_bucket(tmp_path, conninfo, ceph, ceph_bucket) as slow:
        runtime, person = slow.runtime, await add_person(slow.runtime)
        blob_id = await original_of(runtime, person, "s3-test")
        copying = asyncio.create_task(reconcile_blob(runtime, person.organization_id, blob_id))
        await slow.began.wait()
        first = await claimed(runtime, person, blob_id)
        assert first.claimed_until is not None
        await lose_a_renewal(conninfo, first)
        while datetime.now(UTC) <= first.claimed_until:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
        assert not copying.done(), "the copy was not long enough"
        again = await claimed(runtime, person, blob_id)
        assert again.claim_id == first.claim_id
        assert again.claimed_until is not None
        assert again.claimed_until > datetime.now(UTC), "nobody may take it over"
        assert await reconcile_blob(runtime, person.organization_id, blob_id) == Outcome.WAITING
        await copying
        made = await claimed(runtime, person, blob_id)
        assert (made.state, made.key) == (CopyState.PRESENT, first.key)
        assert await bytes_in(runtime, made) == SOUND
        assert len(slow.puts) == 1


async def test_while_a_copy_takes_long_what_others_let_go_is_removed(
    tmp_path: Path, conninfo: str, ceph: Ceph, ceph_bucket: str
) -> None:
    async with slow_bucket(tmp_path, conninfo, ceph, ceph_bucket) as slow:
        runtime = slow.runtime
        other, person = await add_person(runtime), await add_person(runtime)
        blob_id = await original_of(runtime, person, "s3-test")
        moved = await original_of(runtime, other, "second")
        assert await reconcile_blob(runtime, other.organization_id, moved) == Outcome.WAITING
        # The only round that new rules bring about: it asks for the long copy, and the rest is not due yet.
        await sweep_placement(runtime)
        assert (await copies_of(runtime, other, moved))["local"].state == CopyState.DELETING
        copying = asyncio.create_task(do_jobs(runtime))
        await slow.began.wait()
        async with asyncio.timeout(LONG_SECONDS - 1):
            while set(await copies_of(runtime, other, moved)) != {"second"}:
                await sweep_placement(runtime)
                await do_jobs(runtime)
                await asyncio.sleep(0.2)
        assert not copying.done(), "the copy was not long enough"
        await copying
        assert (await claimed(runtime, person, blob_id)).state == CopyState.PRESENT
