"""Servers killed while an upload goes over to the folder, lies in two stores, and is joined."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from tests.fixtures.ceph import Ceph
from tests.fixtures.media import large_wav
from tests.fixtures.relay import Gate, relay
from tests.fixtures.server import Server, start_server
from tests.fixtures.several_stores import stores_file
from tests.service.test_tus import BYTES, NAMED, VERSION

pytestmark = pytest.mark.s3
BIG = large_wav(19_200_000)
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


async def begin(server: Server) -> tuple[str, str]:
    """The paths of a new upload, and of its recording."""
    headers = {**VERSION, "Upload-Length": str(len(BIG)), "Upload-Metadata": NAMED}
    async with httpx.AsyncClient(base_url=server.url, timeout=60) as api:
        signed_in = {"Authorization": f"Bearer {server.token}"}
        begun = await api.post("/api/v1/uploads/tus", headers={**headers, **signed_in})
    where = f"/api/v1/recordings/{begun.headers['reelkeep-recording-id']}"
    return httpx.URL(begun.headers["location"]).path, where


async def is_pending(url: str, path: str) -> bool:
    """Whether it is not sealed yet."""
    async with httpx.AsyncClient(base_url=url, timeout=60) as client:
        return (await client.head(path, headers=VERSION)).status_code != 200


async def test_servers_killed_at_any_moment_of_going_over_and_joining_lose_nothing(
    tmp_path: Path, ceph: Ceph, ceph_bucket: str
) -> None:
    async with relay(ceph) as (front, gate):
        server = await start(tmp_path, front, ceph_bucket)
        await asyncio.to_thread(server.make_administrator)
        token, uploads = server.token, []
        # In the midst of a body: around the cut, in the going over, and after it.
        for wait in (1.0, 2.2, 3.2):
            gate.open()
            server.token = token
            path, where = await begin(server)
            uploads.append((path, where))
            assert (await send(server.url, path, 0, BIG[:FIRST])).status_code == 204
            sending = asyncio.create_task(send(server.url, path, FIRST, slowly(BIG[FIRST:SECOND], gate)))
            await asyncio.sleep(wait)
            await kill(server)
            answered = (await asyncio.gather(sending, return_exceptions=True))[0]
            gate.close()
            server = await start(tmp_path, front, ceph_bucket)
            safe = await offset_of(server.url, path)
            assert safe >= (FIRST if isinstance(answered, BaseException) else SECOND)
            answer = await send(server.url, path, safe, BIG[safe:SECOND])
            assert (answer.status_code, answer.headers["upload-offset"]) == (204, str(SECOND))
        await kill(server)
        server = await start(tmp_path, front, ceph_bucket)
        for path, _ in uploads:
            assert await offset_of(server.url, path) == SECOND, "what was answered is there"
            assert (await send(server.url, path, SECOND, BIG[SECOND:])).status_code == 503
        # In the midst of the joins, wherever they are at the moment.
        for wait in (0.3, 0.8):
            gate.open()
            await kill(server)
            server = await start(tmp_path, front, ceph_bucket)
            asking = [asyncio.create_task(offset_of(server.url, path)) for path, _ in uploads]
            await asyncio.sleep(wait)
            await kill(server)
            await asyncio.gather(*asking, return_exceptions=True)
            server = await start(tmp_path, front, ceph_bucket)
        server.token = token
        for path, where in uploads:
            async with asyncio.timeout(120):  # longer than the lease of one that was killed
                while await is_pending(server.url, path):  # noqa: ASYNC110
                    await asyncio.sleep(1)
            async with httpx.AsyncClient(headers={"Authorization": f"Bearer {token}"}, timeout=60) as api:
                assert (await api.get(server.url + where)).json()["status"] == "uploaded"
                url = (await api.get(f"{server.url}{where}/download-url")).json()["download_url"]
            async with httpx.AsyncClient(timeout=60) as outside:
                assert (await outside.get(url)).content == BIG
        await asyncio.to_thread(server.stop)
