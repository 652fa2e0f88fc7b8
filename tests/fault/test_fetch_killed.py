"""A fetch outlives its worker: real processes, SIGKILL, and another worker that goes on where it was."""

import asyncio
import os
import signal
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.fixtures.media import large_wav
from tests.fixtures.origin import Origin, origin
from tests.fixtures.server import Server, start_server

BIG = large_wav(23_040_000)
SECONDS_MAX = 90.0


@pytest.fixture
def fragile(tmp_path: Path) -> Any:
    """A server of this test alone, which notices dead workers soon."""
    running = start_server(
        tmp_path / "data",
        REELKEEP_FETCH_PRIVATE_NETWORKS="true",
        REELKEEP_ENGINE="fake",
        REELKEEP_WORKER_HEARTBEAT_SECONDS="1",
        REELKEEP_WORKER_SHUTDOWN_SECONDS="1",
        REELKEEP_WORKER_STALLED_SECONDS="3",
    )
    try:
        running.make_administrator()
        yield running
    finally:
        running.stop()


def worker_of(server: Server) -> int:
    """The process that works for this server."""
    for children in Path(f"/proc/{server.process.pid}/task").glob("*/children"):
        for child in children.read_text().split():
            if b"worker" in Path(f"/proc/{child}/cmdline").read_bytes():
                return int(child)
    return 0


async def settled(client: httpx.AsyncClient, recording_id: str) -> dict[str, Any]:
    """The recording, once nothing is left to be done for it."""
    deadline = time.monotonic() + SECONDS_MAX
    while True:
        found: dict[str, Any] = (await client.get(f"/api/v1/recordings/{recording_id}")).json()
        if found["status"] in {"processed", "transcribed", "failed"}:
            return found
        assert time.monotonic() < deadline, found
        await asyncio.sleep(0.2)


async def until_asked(server: Origin, times: int) -> None:
    """Until the file was asked for so often, and bytes of it have gone out."""
    deadline = time.monotonic() + SECONDS_MAX
    while len(server.asked) < times:
        assert time.monotonic() < deadline, server.asked
        await asyncio.sleep(0.05)
    await server.begun.wait()


async def test_a_worker_killed_in_the_middle_of_a_fetch_is_followed_by_one_that_goes_on(
    fragile: Server,
) -> None:
    headers = {"Authorization": f"Bearer {fragile.token}"}
    async with (
        origin(BIG) as source,
        httpx.AsyncClient(base_url=fragile.url, headers=headers, timeout=30) as client,
    ):
        source.pace = 1_600_000
        body = {"url": source.url("/long.wav?sig=hush"), "transcribe": False}
        asked = (await client.post("/api/v1/recordings/upload/from-url", json=body)).raise_for_status().json()
        await until_asked(source, 1)
        await asyncio.sleep(7)  # longer than what is kept on the way takes
        first = worker_of(fragile)
        assert first, "there is no worker to kill"
        os.kill(first, signal.SIGKILL)

        await until_asked(source, 2)
        source.pace = None
        found = await settled(client, asked["id"])
        assert found["status"] == "processed", found["processing_error"]
        url = (await client.get(f"/api/v1/recordings/{asked['id']}/download-url")).json()["download_url"]
        assert (await client.get(url, headers={"Authorization": ""})).content == BIG
    gone_on = source.asked[-1].headers
    assert int(gone_on["range"].removeprefix("bytes=").rstrip("-")) > 1_000_000
    assert "hush" not in fragile.log.read_text()
