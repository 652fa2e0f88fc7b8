"""Uppy 6 from npm in real Chromium, on a page of another origin: by multipart and by tus, as it is."""

import base64
import functools
import http.server
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.async_api import Browser

from tests.fixtures.clients import CLIENTS, WITH_NODE
from tests.fixtures.media import beeps, wav
from tests.fixtures.server import Server, start_server

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

SHORT = wav(beeps(1.0))
SILENCE_BYTES = 11_000_000
#: Three parts.
LONG = SHORT + bytes(SILENCE_BYTES)
PAGE = '<!doctype html><meta charset="utf-8"><title>Host application</title><script src="/page.js"></script>'


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the page with Uppy is."""
    folder = tmp_path_factory.mktemp("page")
    (folder / "index.html").write_text(PAGE)
    bundler = CLIENTS / "node_modules" / ".bin" / "esbuild"
    options = ["--bundle", "--format=iife", "--global-name=host", f"--outfile={folder / 'page.js'}"]
    subprocess.run([WITH_NODE, bundler, CLIENTS / "uppy-page.mjs", "--log-level=error", *options], check=True)
    handler = functools.partial(_Quiet, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.fixture(scope="module")
def keeper(tmp_path_factory: pytest.TempPathFactory, origin: str) -> Iterator[Server]:
    """A server that the page's origin may call."""
    data: Path = tmp_path_factory.mktemp("keeper") / "data"
    running = start_server(data, REELKEEP_CORS_ORIGINS=origin)
    try:
        running.make_administrator()
        yield running
    finally:
        running.stop()


async def sent(browser: Browser, origin: str, keeper: Server, function: str, **asked: Any) -> dict[str, Any]:
    """What Uppy says in the page."""
    context = await browser.new_context()
    try:
        page = await context.new_page()
        await page.goto(origin)
        given = {
            "server": keeper.url,
            "token": keeper.token,
            "name": "visit ü.wav",
            "type": "audio/wav",
            "bytes": base64.b64encode(SHORT).decode(),
        }
        call = f"(asked) => host.{function}(asked)"
        told: dict[str, Any] = await page.evaluate(call, {**given, **asked})
        return told
    finally:
        await context.close()


def original(keeper: Server, recording_id: str) -> bytes:
    """The bytes as the server gives them back."""
    with keeper.client() as client:
        signed = client.get(f"/api/v1/recordings/{recording_id}/download-url").raise_for_status().json()
    return httpx.get(signed["download_url"]).raise_for_status().content


async def test_a_large_file_goes_by_multipart_straight_to_the_store(
    chromium: Browser, origin: str, keeper: Server
) -> None:
    told = await sent(chromium, origin, keeper, "sendToStore", silence=SILENCE_BYTES, multipart=True)
    assert told["failed"] == []
    assert told["signed"] == [["POST", None], ["PUT", 1], ["PUT", 2], ["PUT", 3], ["POST", None]]
    assert original(keeper, told["recording"]) == LONG


async def test_a_small_file_goes_by_one_put(chromium: Browser, origin: str, keeper: Server) -> None:
    told = await sent(chromium, origin, keeper, "sendToStore", silence=0, multipart=False)
    assert (told["failed"], told["signed"]) == ([], [["PUT", None]])
    assert original(keeper, told["recording"]) == SHORT


async def test_a_file_goes_by_tus_in_chunks(chromium: Browser, origin: str, keeper: Server) -> None:
    told = await sent(chromium, origin, keeper, "sendByTus", silence=SILENCE_BYTES)
    assert told["failed"] == []
    with keeper.client() as client:
        newest = client.get("/api/v1/recordings/", params={"limit": 1}).json()["items"][0]
    assert (newest["filename"], newest["file_size_bytes"]) == ("visit ü.wav", len(LONG))
    assert original(keeper, newest["id"]) == LONG
