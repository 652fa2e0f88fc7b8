"""The recorder and the player in Debian's Firefox: its microphone code, its disk, a real server."""

import asyncio
import os
import re
import signal
from pathlib import Path

import pytest
from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect

from tests.e2e.conftest import Known, wait_until_settled
from tests.e2e.page import PROCESSED_MS, sign_in, uploads, visit, wait_for_time
from tests.e2e.test_recorder_page import (
    SAFE_MS,
    enter,
    open_recorder,
    open_safe,
    original,
    record,
    stop,
    told,
    until_clock,
)
from tests.e2e.test_recorder_sdk import seconds_of
from tests.fixtures import speech
from tests.fixtures.browser import firefox_options
from tests.fixtures.server import Server, start_server

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

RECORDED = re.compile(r"^Recorded 0:\d\d")
SENT = re.compile(r"^Sent to 0:(0[1-9]|[1-5]\d)")
SPOKEN = "[...(CSS.highlights.get('spoken') ?? [])].map(String)"


async def test_what_is_recorded_is_sent_meanwhile_becomes_safe_and_is_played(
    firefox: Browser, server: Server
) -> None:
    async with visit(firefox) as page:
        await sign_in(page, server)
        await page.get_by_role("link", name="Record", exact=True).click()
        await page.get_by_label("Title").press_sequentially("Rex, in Firefox")
        await record(page, 6)
        await expect(page.get_by_text("On this device", exact=True)).to_be_visible()
        await expect(page.get_by_text(SENT)).to_be_visible(timeout=SAFE_MS)
        await expect(page.get_by_role("status").filter(has_text="Good")).to_be_visible()
        await stop(page)
        shown = await page.get_by_text(RECORDED).inner_text()
        await expect(page.get_by_role("article")).to_contain_text("Safe on the server", timeout=SAFE_MS)
        recording_id = await open_safe(page)
        play = page.get_by_role("region", name="Player").get_by_role("button", name="Play")
        await expect(play).to_be_enabled(timeout=PROCESSED_MS)
        await play.click()
        await wait_for_time(page, 1)
    seconds = int(shown.rsplit(":", 1)[1])
    detail = wait_until_settled(server, recording_id)
    assert (detail["status"], detail["title"]) == ("transcribed", "Rex, in Firefox")
    assert detail["mime_type"].startswith("audio/webm")
    assert detail["duration_seconds"] == pytest.approx(seconds + 0.5, abs=0.6)
    assert seconds_of(original(server, recording_id)) == pytest.approx(detail["duration_seconds"], abs=0.1)


async def test_a_reload_in_mid_recording_loses_nothing(firefox: Browser, server: Server) -> None:
    async with visit(firefox) as page:
        page.on("dialog", lambda dialog: asyncio.ensure_future(dialog.accept()))
        await open_recorder(page, server)
        await record(page, 4)
        await page.reload()
        card = page.get_by_role("region", name="Found on this device").get_by_role("article")
        await expect(card).to_contain_text("found after the page closed")
        await expect(card).to_contain_text("Safe on the server", timeout=SAFE_MS)
        recording_id = await open_safe(page)
    assert seconds_of(original(server, recording_id)) > 3.9


async def test_a_killed_firefox_with_no_server_either_loses_nothing(
    sound_card: dict[str, str], tmp_path: Path
) -> None:
    """The server by SIGKILL, then the whole browser; then both again: the bytes were on the disk."""
    profile, data = tmp_path / "profile", tmp_path / "data"
    keeper = start_server(data, "--no-worker")
    keeper.make_administrator()
    port = keeper.url.rsplit(":", 1)[1]
    async with async_playwright() as playwright:

        async def launch() -> BrowserContext:
            return await playwright.firefox.launch_persistent_context(profile, **firefox_options(sound_card))

        context = await launch()
        page = await context.new_page()
        await open_recorder(page, keeper)
        await record(page, 2)
        keeper.process.kill()
        keeper.process.wait()
        await until_clock(page, 6)
        kill_firefox_of(profile)
        await asyncio.sleep(0.5)

        again = start_server(data, "--no-worker", "--port", port)
        try:
            again.token = keeper.token
            context = await launch()
            page = await context.new_page()
            await page.goto(f"{again.url}/recordings")
            card = page.get_by_role("region", name="Found on this device").get_by_role("article")
            await expect(card).to_contain_text("found after the page closed")
            await expect(card).to_contain_text("Safe on the server", timeout=SAFE_MS)
            recording_id = await open_safe(page)
            assert seconds_of(original(again, recording_id)) > 5.9
            await context.close()
        finally:
            again.stop()


def kill_firefox_of(profile: Path) -> None:
    """SIGKILL to the process that was started with this profile; its children end with it."""
    for process in Path("/proc").iterdir():
        if not process.name.isdigit():
            continue
        try:
            arguments = (process / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"--profile" in arguments and os.fsencode(profile) in arguments:
            os.kill(int(process.name), signal.SIGKILL)


async def test_a_recording_is_played_sought_and_its_words_follow(
    firefox: Browser, server: Server, known: Known
) -> None:
    words = [word for segment in known.transcript["segments"] for word in segment["words"]]
    first, last = words[0], words[-1]
    async with visit(firefox) as page:
        await enter(page, server, f"/recordings/{known.id}")
        player = page.get_by_role("region", name="Player")
        await player.get_by_role("button", name="Play").click()
        await wait_for_time(page, first["start"] + 0.05)
        assert (await page.evaluate(SPOKEN))[0] in {word["text"].strip() for word in words}
        await player.get_by_role("slider", name="Position").focus()
        await page.keyboard.press("End")
        await wait_for_time(page, last["end"])
        paragraph = page.get_by_role("list", name="Transcript").locator("p").last
        await page.mouse.click(*await middle_of_its_last_letter(paragraph))
        await wait_for_time(page, last["start"] - 0.05, last["end"] + 2)
        assert await page.evaluate(SPOKEN) == [last["text"].strip()]


async def test_a_picked_file_goes_on_where_a_reload_cut_it_off(
    firefox: Browser, server: Server, tmp_path: Path
) -> None:
    ...
