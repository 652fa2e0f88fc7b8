"""Servers killed while an upload goes over to the folder, lies in two stores, and is joined."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from tests.fixtures.ceph import Ceph
from tests.fixtures.media import beeps, wav
from tests.fixtures.relay import Gate, relay
from tests.fixtures.server import Server, start_server
from tests.fixtures.several_stores import stores_file
from tests.service.test_tus import BYTES, NAMED, VERSION

pytestmark = pytest.mark.s3
BIG = wav(beeps(200))
FIRST, SECOND = 6_500_000, 12_000_000


async def start(tmp_path: Path, front: Ceph, bucket: str) -> Server:
    """A server whose bucket is behind the relay."""
    return await asyncio.to_thread(
        start_server,
        tmp_path / "data",
        "--no-worker",
        REELKEEP_ENGINE="fake",
        REELKEEP_STORES_FILE=str(stores_file(tmp_path, ceph=front, bucket=bucket)),
        REELKEEP_STORE="s3-test",
        REELKEEP_FALLBACK_STORE="second",
    )


async def kill(server: Server) -> None:
    """-9."""
    os.kill(server.process.pid, signal.SIGKILL)
    await asyncio.to_thread(server.process.wait)


async def slowly(body: bytes, gate: Gate | None = None) -> AsyncIterator[bytes]:
    """A body that needs some seconds; the bucket is cut off in its midst."""
    for start_at in range(0, len(body), 100_000):
        if gate is not None and start_at > len(body) // 3:
            gate.close()
        yield body[start_at : start_at + 100_000]
        await asyncio.sleep(0.03)


async def offset_of(url: str, path: str) -> int:
    """What HEAD says."""
    async with httpx.AsyncClient(base_url=url, timeout=60) as client:
        seen = await client.head(path, headers=VERSION)
    assert seen.status_code == 200, seen.headers
    return int(seen.headers["upload-offset"])


async def send(url: str, path: str, offset: int, body: AsyncIterator[bytes] | bytes) -> httpx.Response:
    """A PATCH."""
    async with httpx.AsyncClient(base_url=url, timeout=60) as client:
        return await client.patch(path, content=body, headers={**BYTES, "Upload-Offset": str(offset)})


async def test_servers_killed_at_any_moment_of_going_over_and_joining_lose_nothing(
    tmp_path: Path, ceph: Ceph, ceph_bucket: str
) -> None:
    async with relay(ceph) as (front, gate):
        server = await start(tmp_path, front, ceph_bucket)
        await asyncio.to_thread(server.make_administrator)
        token, headers = server.token, {**VERSION, "Upload-Length": str(len(BIG)), "Upload-Metadata": NAMED}
        with server.client() as api:
            begun = api.post("/api/v1/uploads/tus", headers=headers)
        path, safe = httpx.URL(begun.headers["location"]).path, 0
        # In the midst of a body: before the cut, around the going over, and after it.
        for wait in (0.8, 2.5, 3.5):
            safe = await offset_of(server.url, path)
            body = slowly(BIG[safe:SECOND], gate)
            sending = asyncio.create_task(send(server.url, path, safe, body))
            await asyncio.sleep(wait)
            await kill(server)
            with pytest.raises(httpx.TransportError):
                await sending
            server = await start(tmp_path, front, ceph_bucket)
            assert await offset_of(server.url, path) >= safe, "what was safe before is there"
        safe = await offset_of(server.url, path)
        answer = await send(server.url, path, safe, slowly(BIG[safe:SECOND]))
        assert (answer.status_code, answer.headers["upload-offset"]) == (204, str(SECOND))
        await kill(server)
        server = await start(tmp_path, front, ceph_bucket)
        assert await offset_of(server.url, path) == SECOND, "what was answered is there"
        assert (await send(server.url, path, SECOND, BIG[SECOND:])).status_code == 503
        gate.open()
        await kill(server)
        # In the midst of the join, whatever that is at the moment.
        for wait in (0.3, 0.6):
            server = await start(tmp_path, front, ceph_bucket)
            asking = asyncio.create_task(offset_of(server.url, path))
            await asyncio.sleep(wait)
            await kill(server)
            await asyncio.gather(asking, return_exceptions=True)
        server = await start(tmp_path, front, ceph_bucket)
        server.token = token
        async with asyncio.timeout(120):  # longer than the lease of one that was killed
            while await _is_pending(server.url, path):  # noqa: ASYNC110
                await asyncio.sleep(1)
        with server.client() as api:
            where = f"/api/v1/recordings/{begun.headers['reelkeep-recording-id']}"
            assert api.get(where).json()["status"] == "uploaded"
            url = api.get(f"{where}/download-url").json()["download_url"]
        async with httpx.AsyncClient() as outside:
            assert (await outside.get(url)).content == BIG
        await asyncio.to_thread(server.stop)


async def _is_pending(url: str, path: str) -> bool:
    async with httpx.AsyncClient(base_url=url, timeout=60) as client:
        return (await client.head(path, headers=VERSION)).status_code != 200
