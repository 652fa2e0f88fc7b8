"""The recorder and the player in Debian's Firefox: its microphone code, its disk, a real server."""

import asyncio
import os
import re
import signal
from pathlib import Path

import pytest
from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect

from tests.e2e.conftest import Known, wait_until_settled
from tests.e2e.page import PROCESSED_MS, click_last_word, sign_in, spoken, visit, wait_for_time
from tests.e2e.test_recorder_page import (
    SAFE_MS,
    enter,
    open_recorder,
    open_safe,
    original,
    pick_reload_and_pick_again,
    record,
    stop,
)
from tests.e2e.test_recorder_sdk import seconds_of
from tests.fixtures.browser import firefox_options
from tests.fixtures.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

RECORDED = re.compile(r"^Recorded 0:\d\d")
SENT = re.compile(r"^Sent to 0:(0[1-9]|[1-5]\d)")


async def test_what_is_recorded_is_sent_meanwhile_becomes_safe_and_is_played(
    firefox: Browser, server: Server
) -> None:
    async with visit(firefox) as page:
        await sign_in(page, server)
        await page.get_by_role("link", name="Record", exact=True).first.click()
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
        await page.get_by_label("Title").press_sequentially("Reloaded in Firefox")
        await record(page, 4)
        await page.reload()
        recording_id = await until_safe(page, server, "Reloaded in Firefox")
    assert seconds_of(original(server, recording_id)) > 3.9


async def until_safe(page: Page, server: Server, title: str) -> str:
    """Until the page says so by itself; the recording's id."""
    await expect(page.get_by_text(f"{title} is safe on the server")).to_be_attached(timeout=SAFE_MS)
    with server.client() as client:
        (listed,) = client.get("/api/v1/recordings/", params={"q": title}).raise_for_status().json()["items"]
    return str(listed["id"])


async def test_a_killed_firefox_loses_nothing_of_what_was_not_sent(
    server: Server, sound_card: dict[str, str], tmp_path: Path
) -> None:
    """The whole browser, by SIGKILL, in mid-recording and offline; then the same profile again."""
    profile = tmp_path / "profile"
    async with async_playwright() as playwright:

        async def launch() -> BrowserContext:
            return await playwright.firefox.launch_persistent_context(profile, **firefox_options(sound_card))

        context = await launch()
        page = await context.new_page()
        await open_recorder(page, server)
        await page.get_by_label("Title").press_sequentially("Killed in Firefox")
        await context.set_offline(True)
        await record(page, 5)
        await expect(page.get_by_text(re.compile(r"^Kept here, 0:\d\d\. Sent when"))).to_be_visible()
        await expect(page.get_by_text("On this device", exact=True)).to_be_visible()
        kill_firefox_of(profile)
        await asyncio.sleep(0.5)

        context = await launch()
        page = await context.new_page()
        await sign_in(page, server)
        recording_id = await until_safe(page, server, "Killed in Firefox")
        await context.close()
    assert seconds_of(original(server, recording_id)) > 4.9


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
        assert await spoken(page)
        await player.get_by_role("slider", name="Position").focus()
        await page.keyboard.press("End")
        await wait_for_time(page, last["end"])
        await click_last_word(page)
        await wait_for_time(page, last["start"] - 0.05, last["end"] + 2)
        assert await spoken(page) == [last["text"].strip()]


async def test_a_picked_file_goes_on_where_a_reload_cut_it_off(
    firefox: Browser, server: Server, tmp_path: Path
) -> None:
    await pick_reload_and_pick_again(firefox, server, tmp_path)
