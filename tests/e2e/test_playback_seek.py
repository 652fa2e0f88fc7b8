"""In a real Chromium and a real Firefox, the sound at an element's time is the sound of that time.

Every second of the test recording is another tone. The page seeks, plays, and keeps the samples that it
hears. The moment at which one tone becomes the next tells where in the recording the first sample was.
"""

import base64
import re
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.async_api import Browser, Page

from reelkeep.media.facts import MediaLimits
from reelkeep.media.work import make_playback
from tests.fixtures import media

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

SECONDS = 120.0
#: The page promises 50 ms; an encoder's priming that is not taken off would already be 21 ms.
WITHIN_SECONDS = 0.018
SEEKS = (0.0, 100.5, 61.37, 75.9, 3.25, 118.1, 59.999)
HEARD_RATE = 48_000
HEARD_SECONDS = 1.5
LIMITS = MediaLimits(seconds_max=120)

PAGE = b"""<!doctype html><title>seek</title><audio id=player src=/sound preload=metadata></audio><script>
const worklet = `registerProcessor("keep", class extends AudioWorkletProcessor {
  process([[input]]) { if (input) this.port.postMessage(input.slice()); return true; }
});`;
const player = document.getElementById("player");
async function listen() {
  const context = new AudioContext({ sampleRate: 48000 });
  await context.audioWorklet.addModule(URL.createObjectURL(new Blob([worklet], { type: "text/javascript" })));
  const node = new AudioWorkletNode(context, "keep");
  context.createMediaElementSource(player).connect(node).connect(context.destination);
  window.context = context; window.node = node;
  await context.resume();
}
async function hear(time, seconds) {
  player.pause();
  const sought = new Promise(resolve => player.addEventListener("seeked", resolve, { once: true }));
  player.currentTime = time;
  await sought;
  const at = player.currentTime, kept = []; let count = 0;
  const full = new Promise(resolve => node.port.onmessage = ({ data }) => {
    if (!count && data.every(sample => sample === 0)) return;
    kept.push(data); count += data.length;
    if (count >= seconds * context.sampleRate) resolve();
  });
  await player.play();
  await full;
  node.port.onmessage = null; player.pause();
  const all = new Float32Array(count); let offset = 0;
  for (const block of kept) { all.set(block, offset); offset += block.length; }
  const bytes = new Uint8Array(all.buffer); let text = "";
  for (let i = 0; i < bytes.length; i += 4096) text += String.fromCharCode(...bytes.subarray(i, i + 4096));
  return { at, samples: btoa(text) };
}
</script>"""


@dataclass(slots=True)
class Served:
    """A file behind a small HTTP server, and the ranges that were asked of it."""

    url: str
    ranges: list[str] = field(default_factory=list)


class Handler(BaseHTTPRequestHandler):
    """The page at `/`, the sound at `/sound` whole or in one range (RFC 9110, section 14)."""

    protocol_version = "HTTP/1.1"

    def __init__(self, sound: bytes, ranges: list[str], *arguments: object) -> None:
        self.sound, self.ranges = sound, ranges
        super().__init__(*arguments)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        if self.path == "/sound":
            self._send_sound()
        else:
            self._send(200, "text/html", PAGE)

    def _send_sound(self) -> None:
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if not asked:
            self._send(200, "audio/mp4", self.sound)
            return
        self.ranges.append(asked[0])
        start, last = int(asked[1]), int(asked[2] or len(self.sound) - 1)
        part = self.sound[start : last + 1]
        self._send(206, "audio/mp4", part, f"bytes {start}-{start + len(part) - 1}/{len(self.sound)}")

    def _send(self, status: int, content_type: str, body: bytes, content_range: str | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(len(body)))
        if content_range:
            self.send_header("Content-Range", content_range)
        self.end_headers()
        try:
            self.wfile.write(body)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def log_message(self, *_arguments: object) -> None:
        """Say nothing of each request."""


class Server(ThreadingHTTPServer):
    """A browser that seeks hangs up on the range it no longer needs; that is no error."""

    def handle_error(self, request: object, client_address: object) -> None:
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


@contextmanager
def served(sound: bytes) -> Iterator[Served]:
    ranges: list[str] = []
    server = Server(("127.0.0.1", 0), partial(Handler, sound, ranges))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield Served(f"http://127.0.0.1:{server.server_port}/", ranges)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def loudness_of(tone: float, heard: NDArray[np.float32]) -> NDArray[np.float64]:
    """How strong one tone is around each sample, in a window of 10 ms."""
    turning = heard * np.exp(-2j * np.pi * tone * np.arange(len(heard)) / HEARD_RATE)
    return np.abs(np.convolve(turning, np.ones(480) / 480, mode="same"))


def place_of_first_sample(heard: NDArray[np.float32], expected: float) -> float:
    """Seconds into the recording of the first sample heard, found by the change to the next tone."""
    second = int(expected + 0.02)
    before, after = media.tone_of(second), media.tone_of(second + 1)
    stronger = loudness_of(after, heard) > loudness_of(before, heard)
    settled = np.flatnonzero(stronger[480:-480])
    assert len(settled), f"the tone of second {second + 1} was not heard after {expected} s"
    return second + 1 - (settled[0] + 480) / HEARD_RATE


async def hear(page: Page, time: float) -> tuple[float, NDArray[np.float32]]:
    answer = await page.evaluate("([time, seconds]) => hear(time, seconds)", [time, HEARD_SECONDS])
    return answer["at"], np.frombuffer(base64.b64decode(answer["samples"]), np.float32)


SOURCES: dict[str, Callable[[media.Samples], bytes]] = {
    "wav": partial(media.encode, kind="wav"),
    "mp3 of variable bit rate": media.encode_vbr_mp3,
    "opus in webm": partial(media.encode, kind="webm"),
    "m4a": partial(media.encode, kind="m4a"),
}


@pytest.mark.parametrize("kind", SOURCES)
async def test_the_sound_at_an_elements_time_is_the_sound_of_that_time(
    chromium: Browser, tmp_path: Path, kind: str
) -> None:
    ranges = await seek_and_listen(chromium, tmp_path, kind, SEEKS)
    assert len(ranges) > 1


async def test_it_is_so_in_firefox_too(firefox: Browser, tmp_path: Path) -> None:
    """Every source becomes the same kind of file; one of them, and fewer moments, are enough."""
    assert await seek_and_listen(firefox, tmp_path, "m4a", SEEKS[:4])


async def seek_and_listen(browser: Browser, folder: Path, kind: str, seeks: Sequence[float]) -> list[str]:
    """Every moment within the limit; the ranges that the browser asked for."""
    source, target = folder / "source", folder / "playback"
    source.write_bytes(SOURCES[kind](media.beeps(SECONDS)))
    await make_playback(source, target, LIMITS)
    page = await browser.new_page()
    with served(target.read_bytes()) as server:
        await page.goto(server.url)
        await page.evaluate("listen()")
        errors = {}
        for time in seeks:
            at, heard = await hear(page, time)
            assert at == pytest.approx(time, abs=0.001)
            errors[time] = place_of_first_sample(heard, time) - time
        duration = await page.evaluate("player.duration")
    await page.close()
    print(kind, {time: f"{error * 1000:+.1f} ms" for time, error in errors.items()}, server.ranges)
    assert max(abs(error) for error in errors.values()) < WITHIN_SECONDS
    assert duration == pytest.approx(SECONDS, abs=WITHIN_SECONDS)
    return server.ranges
