"""The browser client records, keeps and sends: in Chromium with its beeping microphone, to a real server."""

import asyncio
import io
import os
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import av
import httpx
import pytest
from playwright.async_api import Browser, BrowserContext, Page, async_playwright

from tests.e2e import recorder_page as on
from tests.fixtures.browser import ARGUMENTS, CHROMIUM
from tests.fixtures.server import Server, start_server

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

SMALL_BYTES_MAX = 12_000


@asynccontextmanager
async def at(browser: Browser, *scripts: str) -> AsyncIterator[BrowserContext]:
    """A fresh profile; what its pages throw fails the test."""
    context = await browser.new_context()
    thrown: list[str] = []
    context.on("weberror", lambda error: thrown.append(str(error.error)))
    for script in scripts:
        await context.add_init_script(script)
    try:
        yield context
    finally:
        await context.close()
    assert thrown == [], thrown


def at_server(server: Server, recording_id: str) -> bytes:
    """The original as the server gives it back."""
    with server.client() as client:
        signed = client.get(f"/api/v1/recordings/{recording_id}/download-url").raise_for_status().json()
    return httpx.get(signed["download_url"]).raise_for_status().content


def on_server(server: Server, recording_id: str) -> dict[str, Any]:
    """What the server says of a recording."""
    with server.client() as client:
        told: dict[str, Any] = client.get(f"/api/v1/recordings/{recording_id}").raise_for_status().json()
    return told


async def test_it_sends_while_it_records_and_the_copy_goes_when_it_is_safe(
    hearing: Browser, keeper: Server, origin: str
) -> None:
    async with at(hearing) as context:
        page = await context.new_page()
        await on.open_page(page, on.address(origin, keeper.url, keeper.token))
        await page.evaluate("recorder.describe({ title: 'Rex check-up' })")
        recording = await on.record(page, 5)
        await on.until(page, "recorder.getSnapshot().sentSeconds >= 3")
        during = await on.snapshot(page)
        assert during["state"] == "recording"
        assert during["keptIn"] == "disk"
        assert during["mimeType"].startswith("audio/webm")
        assert during["sentBytes"] > 0

        local: list[bytes] = []
        await context.set_offline(True)
        await page.evaluate("recorder.stop()")
        local = await on.local_bytes(page, recording)
        await context.set_offline(False)
        entry = await on.safe(page, recording)
        await on.until(page, "recorder.getSnapshot().state === 'safe'")
        assert await on.local_bytes(page, recording) == []
    (recording_id,) = entry["recordingIds"]
    assert at_server(keeper, recording_id) == b"".join(local)
    assert on_server(keeper, recording_id)["title"] == "Rex check-up"


ONLY_MP4 = """
  const real = MediaRecorder.isTypeSupported.bind(MediaRecorder);
  MediaRecorder.isTypeSupported = (type) => type === 'audio/mp4' && real(type);"""


@pytest.mark.parametrize(("scripts", "made"), [((), "audio/webm"), ((ONLY_MP4,), "audio/mp4")])
async def test_the_time_shown_is_the_time_that_was_written(
    hearing: Browser, keeper: Server, origin: str, scripts: tuple[str, ...], made: str
) -> None:
    async with at(hearing, *scripts) as context:
        page = await context.new_page()
        await on.open_page(page, on.address(origin, keeper.url, keeper.token))
        recording = await on.record(page, 3)
        await page.evaluate("recorder.pause()")
        await page.wait_for_timeout(1000)
        paused = await on.snapshot(page)
        assert paused["state"] == "paused"
        await page.wait_for_timeout(3500)
        assert (await on.snapshot(page))["seconds"] == paused["seconds"]
        await page.evaluate("recorder.resume()")
        await on.until(page, f"recorder.getSnapshot().seconds >= {paused['seconds'] + 2}")
        await page.evaluate("recorder.stop()")
        shown = await on.snapshot(page)
        entry = await on.safe(page, recording)
    assert shown["mimeType"].startswith(made)
    assert shown["gaps"] == []
    (recording_id,) = entry["recordingIds"]
    assert seconds_of(at_server(keeper, recording_id)) == pytest.approx(shown["seconds"], abs=0.1)


def seconds_of(media: bytes) -> float:
    """How long it sounds, decoded."""
    with av.open(io.BytesIO(media)) as container:
        frames = container.decode(audio=0)
        return sum(frame.samples / frame.sample_rate for frame in frames)


async def test_a_killed_browser_loses_nothing(keeper: Server, origin: str, tmp_path: Path) -> None:
    """The whole browser, by SIGKILL, in mid-recording; then the same profile again."""
    async with async_playwright() as playwright:

        async def launch() -> BrowserContext:
            return await playwright.chromium.launch_persistent_context(
                tmp_path / "profile",
                executable_path=shutil.which(CHROMIUM),
                args=[*ARGUMENTS, *on.MICROPHONE],
            )

        context = await launch()
        page = await context.new_page()
        await on.open_page(page, on.address(origin, keeper.url, keeper.token))
        recording = await on.record(page, 5)
        before = await on.snapshot(page)
        kill_browser_of(tmp_path / "profile")
        await asyncio.sleep(0.5)

        context = await launch()
        page = await context.new_page()
        await on.open_page(page, on.address(origin, keeper.url, keeper.token, hold="1"))
        await on.until(page, "told.some(([name]) => name === 'found')")
        (found,) = await on.unsent(page)
        assert found["id"] == recording
        assert found["foundAfterClose"] is True
        assert found["bytes"] >= before["bytes"]
        local = await on.local_bytes(page, recording)
        await page.evaluate("client.sendUnsent()")
        entry = await on.safe(page, recording)
        await context.close()
    (recording_id,) = entry["recordingIds"]
    assert at_server(keeper, recording_id) == b"".join(local)


def kill_browser_of(profile: Path) -> None:
    """SIGKILL to every process that was started with this profile."""
    for process in Path("/proc").iterdir():
        if not process.name.isdigit():
            continue
        try:
            arguments = (process / "cmdline").read_bytes()
        except OSError:
            continue
        if f"--user-data-dir={profile}".encode() in arguments:
            os.kill(int(process.name), signal.SIGKILL)


async def test_a_crashed_tab_is_taken_over_by_the_tab_that_is_left(
    hearing: Browser, keeper: Server, origin: str
) -> None:
    async with at(hearing) as context:
        left = await context.new_page()
        await on.open_page(left, on.address(origin, keeper.url, keeper.token))
        page = await context.new_page()
        await on.open_page(page, on.address(origin, keeper.url, keeper.token))
        recording = await on.record(page, 4)
        await on.until(left, "recorder.getSnapshot().sides.otherTab")
        await left.evaluate("recorder.start()")
        assert (await on.snapshot(left))["state"] == "idle"

        crash = asyncio.ensure_future(page.goto("chrome://crash"))
        entry = await on.safe(left, recording)
        crash.cancel()
        assert entry["foundAfterClose"] is True
        await on.until(left, "!recorder.getSnapshot().sides.otherTab")
        await page.close()
    assert len(at_server(keeper, entry["recordingIds"][0])) == entry["bytes"]


async def test_a_reload_in_the_midst_of_recording_keeps_and_sends_what_there_was(
    hearing: Browser, keeper: Server, origin: str
) -> None:
    async with at(hearing) as context:
        page = await context.new_page()
        page.on("dialog", lambda dialog: asyncio.ensure_future(dialog.accept()))
        await on.open_page(page, on.address(origin, keeper.url, keeper.token))
        recording = await on.record(page, 4)
        before = await on.snapshot(page)
        await page.reload()
        await on.until(page, "window.client?.loaded()")
        entry = await on.safe(page, recording)
    assert entry["bytes"] >= before["bytes"]
    assert len(at_server(keeper, entry["recordingIds"][0])) == entry["bytes"]


async def test_the_server_goes_down_and_comes_back(hearing: Browser, origin: str, tmp_path: Path) -> None:
    data = tmp_path / "data"
    server = start_server(data, REELKEEP_CORS_ORIGINS=origin)
    server.make_administrator()
    port = server.url.rsplit(":", 1)[1]
    async with at(hearing) as context:
        page = await context.new_page()
        await on.open_page(page, on.address(origin, server.url, server.token))
        recording = await on.record(page, 2)
        server.process.kill()
        server.process.wait()
        await on.until(page, "recorder.getSnapshot().seconds >= 6")
        await page.evaluate("recorder.stop()")
        of = f"client.unsent().find(({{ id }}) => id === '{recording}')"
        await on.until(page, f"({of})?.phase === 'waiting'")
        assert (await page.evaluate(of))["problem"]["code"] == "UNREACHABLE"
        local = await on.local_bytes(page, recording)
        again = start_server(data, "--port", port, REELKEEP_CORS_ORIGINS=origin)
        try:
            again.token = server.token
            await page.evaluate("window.dispatchEvent(new Event('online'))")
            entry = await on.safe(page, recording)
            assert at_server(again, entry["recordingIds"][0]) == b"".join(local)
        finally:
            again.stop()


async def test_without_a_file_system_it_keeps_chunks_in_the_database(
    hearing: Browser, keeper: Server, origin: str
) -> None:
    without_files = {"worker": "/without-files/worker.js"}
    async with at(hearing) as context:
        page = await context.new_page()
        await on.open_page(page, on.address(origin, keeper.url, keeper.token, **without_files))
        recording = await on.record(page, 5)
        assert (await on.snapshot(page))["keptIn"] == "database"
        assert (await on.snapshot(page))["sides"]["memoryOnly"] is False
        crash = asyncio.ensure_future(page.goto("chrome://crash"))
        again = await context.new_page()
        await on.open_page(again, on.address(origin, keeper.url, keeper.token, hold="1", **without_files))
        await on.until(again, "told.some(([name]) => name === 'found')")
        crash.cancel()
        local = await on.local_bytes(again, recording)
        await again.evaluate("client.sendUnsent()")
        entry = await on.safe(again, recording)
        await page.close()
    assert len(b"".join(local)) > 0
    assert at_server(keeper, entry["recordingIds"][0]) == b"".join(local)


async def test_in_memory_alone_it_says_so_and_still_sends(
    hearing: Browser, keeper: Server, origin: str
) -> None:
    without_database = {"worker": "/without-database/worker.js"}
    async with at(hearing) as context:
        page = await context.new_page()
        await on.open_page(page, on.address(origin, keeper.url, keeper.token, **without_database))
        recording = await on.record(page, 3)
        assert (await on.snapshot(page))["sides"]["memoryOnly"] is True
        await page.evaluate("recorder.stop()")
        await on.safe(page, recording)
        assert (await on.snapshot(page))["sides"]["memoryOnly"] is False


async def test_what_the_server_refuses_stays_and_can_be_saved(
    hearing: Browser, origin: str, tmp_path: Path
) -> None:
    server = start_server(
        tmp_path / "data",
        REELKEEP_CORS_ORIGINS=origin,
        REELKEEP_UPLOAD_SIZE_BYTES_MAX=str(SMALL_BYTES_MAX),
    )
    try:
        server.make_administrator()
        async with at(hearing) as context:
            page = await context.new_page()
            await on.open_page(page, on.address(origin, server.url, server.token))
            recording = await on.record(page, 6)
            await page.evaluate("recorder.stop()")
            await on.until(page, "recorder.getSnapshot().unsent?.phase === 'refused'")
            kept = (await on.snapshot(page))["unsent"]
            assert kept["problem"]["code"] == "UPLOAD_TOO_LARGE"
            assert kept["problem"]["status"] == 413
            async with page.expect_download() as download:
                await page.evaluate("(id) => client.saveAs(id, 'visit.webm')", recording)
            saved = await (await download.value).path()
            assert saved.read_bytes() == b"".join(await on.local_bytes(page, recording))
            assert len(saved.read_bytes()) > SMALL_BYTES_MAX

            await page.reload()
            await on.until(page, "window.client?.loaded()")
            (after,) = await on.unsent(page)
            assert after["bytes"] == kept["bytes"]
            await page.evaluate("(id) => client.discard(id)", recording)
            assert await on.unsent(page) == []
    finally:
        server.stop()


async def test_another_ones_recording_waits_for_its_owner(
    hearing: Browser, keeper: Server, origin: str
) -> None:
    async with at(hearing) as context:
        page = await context.new_page()
        await on.open_page(page, on.address(origin, "http://127.0.0.1:9", keeper.token))
        recording = await on.record(page, 3)
        await page.evaluate("recorder.stop()")
        await page.close()

        other = await context.new_page()
        await on.open_page(other, on.address(origin, keeper.url, keeper.token, user="bob"))
        of = f"client.unsent().find(({{ id }}) => id === '{recording}')"
        await on.until(other, f"({of})?.phase === 'needs-sign-in'")
        assert (await other.evaluate(of))["mine"] is False
        await other.evaluate("client.setOwner({ userId: 'ada', organizationId: 'clinic' })")
        await on.safe(other, recording)


async def test_a_stalled_recorder_is_restarted_with_a_seam_and_both_parts_arrive(
    hearing: Browser, keeper: Server, origin: str
) -> None:
    """The first recorder gives nothing after its second chunk, as some do after sleep."""
    stalls = """
      const Real = window.MediaRecorder;
      let made = 0;
      window.MediaRecorder = class extends Real {
        constructor(...given) { super(...given); this.number = made += 1; this.given = 0; }
        set ondataavailable(heard) {
          super.ondataavailable = (event) => {
            this.given += 1;
            if (this.number === 1 && this.given > 2 && this.state !== 'inactive') return;
            heard(event);
          };
        }
      };"""
    async with at(hearing, stalls) as context:
        page = await context.new_page()
        await on.open_page(page, on.address(origin, keeper.url, keeper.token))
        await page.evaluate("recorder.start()")
        await on.until(page, "recorder.getSnapshot().sides.stalled", 40)
        await on.until(page, "recorder.getSnapshot().gaps.length > 0", 20)
        stalled = await on.snapshot(page)
        assert stalled["state"] == "recording"
        assert stalled["parts"] == 2
        assert stalled["gaps"][0]["seconds"] == pytest.approx(14, abs=6)
        await page.evaluate("recorder.stop()")
        entry = await on.safe(page, stalled["id"])
    details = [on_server(keeper, one) for one in entry["recordingIds"]]
    assert [one["part_number"] for one in details] == [1, 2]
    assert details[0]["session_id"] == details[1]["session_id"] is not None


#: The browser ends a worker without a word to its page, as when it has no memory left for it.
KNOWS_WORKERS = """
  window.workers = [];
  const Real = window.Worker;
  window.Worker = class extends Real {
    constructor(...given) { super(...given); workers.push(this); }
  };"""


@pytest.mark.parametrize("another_tab", [False, True], ids=["alone", "beside another tab"])
async def test_a_worker_that_dies_is_started_again_and_not_a_second_is_lost(
    hearing: Browser, keeper: Server, origin: str, another_tab: bool
) -> None:
    """Another tab, which waits for what no tab has in hand, does not get what this page still records."""
    async with at(hearing, KNOWS_WORKERS) as context:
        if another_tab:
            other = await context.new_page()
            await on.open_page(other, on.address(origin, keeper.url, keeper.token))
        page = await context.new_page()
        await on.open_page(page, on.address(origin, keeper.url, keeper.token))
        recording = await on.record(page, 5)
        await on.until(page, "recorder.getSnapshot().sentSeconds > 0")
        await page.evaluate("recorder.mark('before')")
        await page.evaluate("workers.at(-1).terminate()")
        await on.until(page, "recorder.getSnapshot().parts === 2", 60)
        seconds = (await on.snapshot(page))["seconds"]
        await on.until(page, f"recorder.getSnapshot().seconds > {seconds} + 3")
        await page.evaluate("recorder.stop()")
        elapsed = await page.evaluate("(Date.now() - recorder.getSnapshot().startedAt) / 1000")
        shown = await on.snapshot(page)
        assert [seam["reason"] for seam in shown["seams"]] == ["worker-ended"]
        assert (shown["gaps"], shown["failure"]) == ([], None)
        assert await page.evaluate("workers.length") == 2
        entry = await on.safe(page, recording)
    assert [mark["name"] for mark in entry["marks"]] == ["before"]
    details = [on_server(keeper, one) for one in entry["recordingIds"]]
    assert [one["part_number"] for one in details] == [1, 2]
    assert details[0]["session_id"] == details[1]["session_id"]
    heard = sum(seconds_of(at_server(keeper, one)) for one in entry["recordingIds"])
    assert heard == pytest.approx(elapsed, abs=1.0)
    assert heard == pytest.approx(shown["seconds"], abs=0.3)


async def test_a_recording_that_is_stopped_after_its_worker_died_is_whole(
    hearing: Browser, keeper: Server, origin: str
) -> None:
    async with at(hearing, KNOWS_WORKERS) as context:
        page = await context.new_page()
        await on.open_page(page, on.address(origin, keeper.url, keeper.token))
        recording = await on.record(page, 3)
        await page.evaluate("workers.at(-1).terminate()")
        await page.wait_for_timeout(5000)
        elapsed = await page.evaluate("(Date.now() - recorder.getSnapshot().startedAt) / 1000")
        await page.evaluate("recorder.stop()")
        entry = await on.safe(page, recording)
        assert (await on.snapshot(page))["failure"] is None
    (recording_id,) = entry["recordingIds"]
    assert seconds_of(at_server(keeper, recording_id)) == pytest.approx(elapsed, abs=1.0)


#: The page's own way to the track, since no device can be unplugged here.
WATCHES_STREAMS = """
  window.streams = [];
  const devices = globalThis.MediaDevices?.prototype ?? {};
  const ask = devices.getUserMedia;
  devices.getUserMedia = async function (wanted) {
    const stream = await ask.call(this, wanted);
    streams.push(stream);
    return stream;
  };"""


async def test_a_microphone_that_ends_gives_way_to_another_within_a_second(
    hearing: Browser, keeper: Server, origin: str
) -> None:
    async with at(hearing, WATCHES_STREAMS) as context:
        page = await context.new_page()
        await on.open_page(page, on.address(origin, keeper.url, keeper.token))
        recording = await on.record(page, 3)
        await page.evaluate(
            """() => { const [track] = streams[0].getAudioTracks();
              track.stop(); track.dispatchEvent(new Event('ended')); }"""
        )
        await on.until(page, "recorder.getSnapshot().parts === 2", 2)
        seconds = (await on.snapshot(page))["seconds"]
        await on.until(page, f"recorder.getSnapshot().seconds > {seconds} + 2")
        await page.evaluate("recorder.stop()")
        assert [seam["reason"] for seam in (await on.snapshot(page))["seams"]] == ["device-ended"]
        entry = await on.safe(page, recording)
    assert len(entry["recordingIds"]) == 2


async def test_a_microphone_that_the_system_mutes_gives_way_to_another(
    hearing: Browser, keeper: Server, origin: str
) -> None:
    async with at(hearing, WATCHES_STREAMS) as context:
        page = await context.new_page()
        await on.open_page(page, on.address(origin, keeper.url, keeper.token))
        recording = await on.record(page, 2)
        await page.evaluate(
            """() => { const [track] = streams[0].getAudioTracks();
              Object.defineProperty(track, 'muted', { get: () => true });
              track.dispatchEvent(new Event('mute')); }"""
        )
        await on.until(page, "recorder.getSnapshot().sides.moved", 3)
        moved = await on.snapshot(page)
        assert moved["sides"]["moved"] == {"from": "Fake Default Audio Input", "to": "Fake Audio Input 1"}
        assert moved["sides"]["mutedBySystem"] is False
        await page.evaluate("recorder.stop()")
        assert [seam["reason"] for seam in (await on.snapshot(page))["seams"]] == ["muted"]
        await on.safe(page, recording)


async def test_a_disk_that_fills_up_in_the_midst_loses_nothing(
    hearing: Browser, keeper: Server, origin: str
) -> None:
    async with at(hearing) as context:
        page = await context.new_page()
        await on.open_page(page, on.address(origin, "http://127.0.0.1:9", keeper.token))
        recording = await on.record(page, 3)
        session = await context.new_cdp_session(page)
        await session.send("Storage.overrideQuotaForOrigin", {"origin": origin, "quotaSize": 1000})
        await on.until(page, "recorder.getSnapshot().sides.memoryOnly")
        await on.until(page, "recorder.getSnapshot().sides.diskLow?.minutesLeft === 0")
        spilled = await on.snapshot(page)
        await on.until(page, f"recorder.getSnapshot().seconds > {spilled['seconds']} + 2")
        await page.evaluate("recorder.stop()")
        shown = await on.snapshot(page)
        media = b"".join(await on.local_bytes(page, recording))
    assert len(media) == shown["bytes"]
    assert seconds_of(media) == pytest.approx(shown["seconds"], abs=0.1)


async def test_going_on_after_a_stop_is_the_next_part(hearing: Browser, keeper: Server, origin: str) -> None:
    async with at(hearing) as context:
        page = await context.new_page()
        await on.open_page(page, on.address(origin, keeper.url, keeper.token))
        recording = await on.record(page, 2)
        await page.evaluate("recorder.stop()")
        await on.safe(page, recording)
        await page.evaluate("recorder.goOn()")
        first = (await on.snapshot(page))["seconds"]
        await on.until(page, f"recorder.getSnapshot().seconds > {first} + 2")
        await page.evaluate("recorder.stop()")
        await on.until(page, "recorder.getSnapshot().state === 'safe'")
        entry = (await on.snapshot(page))["unsent"]
    assert (entry["id"], entry["parts"], len(entry["recordingIds"])) == (recording, 2, 2)


async def test_a_picked_file_goes_on_after_a_reload_when_it_is_chosen_again(
    hearing: Browser, keeper: Server, origin: str
) -> None:
    async with at(hearing) as context:
        page = await context.new_page()
        await on.open_page(page, on.address(origin, keeper.url, keeper.token))
        choose = """() => {
          const bytes = new Uint8Array(9_000_000);
          bytes.set(new TextEncoder().encode('RIFF\\u0010\\u0000\\u0000\\u0000WAVE'));
          for (let at = 64; at < bytes.length; at += 1) bytes[at] = (at * 31) % 251;
          return client.createUpload(new File([bytes], 'visit.wav', { type: 'audio/wav', lastModified: 1 }))
            .then(({ id, resumedAt }) => ({ id, resumedAt })); }"""
        await throttle(page, 1_500_000)
        upload = await page.evaluate(choose)
        await on.until(page, "client.unsent()[0]?.sentBytes > 1_000_000")
        await page.reload()
        await on.until(page, "client?.unsent()[0]?.phase === 'needs-file'")
        again = await page.evaluate(choose)
        assert again["id"] == upload["id"]
        assert again["resumedAt"] > 1_000_000
        entry = await on.safe(page, upload["id"])
    received = at_server(keeper, entry["recordingIds"][0])
    assert received == bytes(
        [*b"RIFF\x10\x00\x00\x00WAVE", *bytes(52), *((n * 31) % 251 for n in range(64, 9_000_000))]
    )


async def throttle(page: Page, bytes_per_second: int) -> None:
    """A slow line upwards, for the page and its worker."""
    session = await page.context.new_cdp_session(page)
    await session.send("Network.enable")
    await session.send(
        "Network.emulateNetworkConditions",
        {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": bytes_per_second},
    )
