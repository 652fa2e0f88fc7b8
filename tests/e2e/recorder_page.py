"""A plain page around the built browser client, on an origin of its own, and what a person does with it."""

import base64
import functools
import http.server
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from playwright.async_api import Page

SDK = Path(__file__).parents[2] / "sdk" / "typescript"
#: A microphone that beeps, and nobody who is asked.
MICROPHONE = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
SETTLED_SECONDS = 30.0

PAGE = """<!doctype html><meta charset="utf-8"><title>Recorder</title>
<script type="module">
import { createClient } from '/dist/index.js';
const query = new URLSearchParams(location.search);
const user = query.get('user');
const owner = window.signedIn ?? (user ? { userId: user, organizationId: 'clinic' } : null);
window.told = [];
window.client = createClient({
  baseUrl: query.get('server'),
  authorize: () => ({ Authorization: `Bearer ${query.get('token')}` }),
  owner,
  sendUnsent: query.get('hold') === null,
  worker: () => new Worker(query.get('worker') ?? '/dist/worker.js', { type: 'module' }),
});
for (const name of ['safe', 'refused', 'found', 'called']) {
  client.on(name, (event) => told.push([name, event?.id]));
}
window.recorder = client.createRecorder();
window.states = [];
recorder.subscribe(() => {
  const { state } = recorder.getSnapshot();
  if (states.at(-1) !== state) states.push(state);
});
window.bytesOf = async (id) => Promise.all((await client.openLocal(id)).map(async (blob) => {
  const bytes = new Uint8Array(await blob.arrayBuffer());
  let text = '';
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
}));
</script>"""

#: Workers in a browser that lacks something: what is imported first runs first.
WITHOUT = {
    "/without-files/first.js": "delete StorageManager.prototype.getDirectory;",
    "/without-database/first.js": """
        Object.defineProperty(globalThis, 'indexedDB', { get() { throw new DOMException('not here'); } });""",
}
WORKER = "import './first.js'; import '/dist/worker.js';"


class _Files(http.server.SimpleHTTPRequestHandler):
    def do_GET(self) -> None:
        """The page, or a file of the client's."""
        if self.path.startswith("/page"):
            return self._send(PAGE, "text/html")
        if self.path in WITHOUT:
            return self._send(WITHOUT[self.path], "text/javascript")
        if self.path.startswith("/without-"):
            return self._send(WORKER, "text/javascript")
        return super().do_GET()

    def _send(self, text: str, content_type: str) -> None:
        body = text.encode()
        self.send_response(200)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@contextmanager
def served() -> Iterator[str]:
    """The origin that the page is at, as a host application's would be."""
    handler = functools.partial(_Files, directory=SDK)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def address(origin: str, server: str, token: str, **options: str) -> str:
    """Of the page, for somebody who is signed in."""
    return f"{origin}/page?{urlencode({'server': server, 'token': token, 'user': 'ada'} | options)}"


async def open_page(page: Page, url: str) -> None:
    """Until the client has read what the device holds."""
    await page.goto(url)
    await until(page, "window.client?.loaded()")


async def snapshot(page: Page) -> dict[str, Any]:
    """What the recorder says of itself."""
    told: dict[str, Any] = await page.evaluate("recorder.getSnapshot()")
    return told


async def unsent(page: Page) -> list[dict[str, Any]]:
    """What the device holds."""
    held: list[dict[str, Any]] = await page.evaluate("client.listUnsent()")
    return held


async def until(page: Page, condition: str, seconds: float = SETTLED_SECONDS) -> Any:
    """Wait until an expression is true in the page; its value."""
    deadline = time.monotonic() + seconds
    while not (value := await page.evaluate(condition)):
        if time.monotonic() > deadline:
            state = await page.evaluate(
                "client?.listUnsent().then((list) => [recorder.getSnapshot(), list, states, told])"
            )
            raise AssertionError(f"not so after {seconds} s: {condition}\n{json.dumps(state, indent=1)}")
        await page.wait_for_timeout(50)
    return value


async def record(page: Page, seconds: float) -> str:
    """Start, and go on until so much is written; the recording's id."""
    await page.evaluate("recorder.start()")
    await until(page, f"recorder.getSnapshot().seconds >= {seconds}", seconds + SETTLED_SECONDS)
    return str((await snapshot(page))["id"])


async def local_bytes(page: Page, recording_id: str) -> list[bytes]:
    """What lies on the device, a part each."""
    parts: list[str] = await page.evaluate("(id) => bytesOf(id)", recording_id)
    return [base64.b64decode(part) for part in parts]


async def safe(page: Page, recording_id: str) -> dict[str, Any]:
    """Wait until the server has sealed it; the entry."""
    of = f"client.unsent().find(({{ id }}) => id === '{recording_id}')"
    found: dict[str, Any] = await until(page, f"(({of})?.phase === 'safe') && {of}", 60)
    return found


def wait_for(condition: Callable[[], bool], seconds: float = SETTLED_SECONDS) -> None:
    """Until it is so, outside of the page."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "not so in time"
        time.sleep(0.05)
