"""A server that is killed at every step of a seal into a bucket: the upload completes, once, and whole."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from reelkeep.placement.check import check_store
from reelkeep.uploads.leftovers import sweep_attempts, sweep_incoming
from reelkeep.wiring import open_runtime
from tests.fault.test_moves_killed import write_stores
from tests.fixtures.ceph import Ceph
from tests.fixtures.clock import Later
from tests.fixtures.holds import Holds, Step, holds, lane_of
from tests.fixtures.media import beeps, wav
from tests.fixtures.runtime import add_person, client_of, settings_for, url_of
from tests.fixtures.server import Server, start_server
from tests.fixtures.several_stores import blobs_of, bytes_in, copies_of
from tests.fixtures.usage import usage_of
from tests.service.test_uploads import initiate, send

pytestmark = pytest.mark.s3
SOUND = wav(beeps(2))
ANSWER_SECONDS_MAX = 40.0
STEPS = {"HEAD kept", "PUT kept", "GET kept", "copy none -> present", "DELETE kept"}


async def held_or_answered(held: Holds, asking: asyncio.Task[httpx.Response]) -> set[Step]:
    """Where the server is held; none when it has answered."""
    async with asyncio.timeout(ANSWER_SECONDS_MAX):
        while not asking.done():
            if steps := await held.held():
                return steps
            await asyncio.sleep(0.05)
    return set()


async def ask(server: Server, headers: dict[str, str], recording_id: str) -> httpx.Response:
    async with httpx.AsyncClient(base_url=server.url, headers=headers, timeout=60) as client:
        return await client.post(f"/api/v1/recordings/upload/complete/{recording_id}")


async def test_a_server_killed_at_every_step_of_a_seal_seals_once_and_leaves_nothing(
    tmp_path: Path, conninfo: str, ceph: Ceph, ceph_bucket: str
) -> None:
    buckets, data = {"kept": ceph_bucket}, tmp_path / "data"
    direct = write_stores(tmp_path / "direct.toml", ceph, buckets, {"kept": ceph.endpoint_url})
    flags: dict[str, Any] = {"stores_file": direct, "store": "kept"}
    async with open_runtime(settings_for(data, conninfo, **flags)) as runtime:
        person = await add_person(runtime)
        async with client_of(runtime, person) as client:
            ticket = await initiate(client)
            await send(client, ticket, SOUND)
        async with holds(conninfo, ceph.endpoint_url, {ceph_bucket: "kept"}) as (held, urls):
            held.lanes = {lane_of(person.organization_id)}
            behind = write_stores(tmp_path / "behind.toml", ceph, buckets, {"kept": urls[0]})
            environment = {"REELKEEP_STORES_FILE": str(behind), "REELKEEP_STORE": "kept"}
            environment |= {"DATABASE_URL": url_of(conninfo), "REELKEEP_ENGINE": "fake"}
            while True:
                server = await asyncio.to_thread(start_server, data, "--no-worker", **environment)
                asking = asyncio.create_task(ask(server, person.headers, ticket["recording_id"]))
                steps = await held_or_answered(held, asking)
                server.process.kill()
                server.process.wait()
                if not steps:
                    break
                await asyncio.gather(asking, return_exceptions=True)
                await held.pass_by(steps)
            assert asking.result().status_code == 200, asking.result().text
            assert {step for _, step in held.passed} == STEPS

        later = replace(runtime, clock=Later(timedelta(hours=2)))
        await sweep_attempts(later)
        await sweep_incoming(later)
        (blob,) = await blobs_of(runtime, person)
        copies = await copies_of(runtime, person, blob.id)
        assert await bytes_in(runtime, copies["kept"]) == SOUND
        await usage_of(runtime, person)
        found = await check_store(later, "kept", verify=True)
        assert (found.is_clean, found.objects, found.incoming) == (True, 1, 0), found
