"""The page of a session: its parts play and read as one."""

import os
import re
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.async_api import Browser, Page, Route, expect

from tests.e2e.conftest import bring, wait_until_settled
from tests.e2e.page import findings, sign_in, visit
from tests.fixtures import speech
from tests.fixtures.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

SENTENCES = {
    1: "good morning we begin with the first part of the visit",
    2: "the weight is down a little and the cough has gone",
    4: "we should look at the teeth again in spring",
}
#: Notes when one of the two media elements ends and the other is heard.
WATCH_ELEMENTS = """
window.heard = [];
const play = HTMLMediaElement.prototype.play;
HTMLMediaElement.prototype.play = function () {
  if (!this.watched) {
    this.watched = true;
    for (const name of ['playing', 'ended'])
      this.addEventListener(name, () => window.heard.push([name, performance.now()]));
  }
  return play.call(this);
};
"""


@pytest.fixture(scope="module")
def whole(server: Server, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A session whose third part is missing, and whose last cannot be played."""
    folder = tmp_path_factory.mktemp("parts")
    fields = {"session_id": "apt 42/β", "session_title": "Rex, the whole visit"}
    ids = [
        bring(server, f"part {n}.wav", _sound(folder, text), part_number=n, **fields)
        for n, text in SENTENCES.items()
    ]
    ids.append(
        bring(
            server, "part 5.wav", b"RIFF\x00\x10\x00\x00WAVE" + b"not sound " * 400, part_number=5, **fields
        )
    )
    for recording_id in ids:
        wait_until_settled(server, recording_id)
    with server.client() as client:
        found = client.get("/api/v1/sessions/", params={"external_id": "apt 42/β"}).raise_for_status().json()
    session: dict[str, Any] = found["items"][0]
    return session


def _sound(folder: Path, text: str) -> bytes:
    return speech.write_wav(folder / "part.wav", speech.say(text)).read_bytes()


async def now(page: Page) -> str:
    """The place on the whole timeline, as it is said."""
    slider = page.get_by_role("slider", name="Position in the session")
    return str(await slider.get_attribute("aria-valuetext"))


async def press(page: Page, name: str) -> None:
    """A button of the player."""
    await page.get_by_role("region", name="Player").get_by_role("button", name=name, exact=True).click()


async def test_the_parts_play_as_one_and_hardly_a_moment_is_silent_between_them(
    chromium: Browser, server: Server, whole: dict[str, Any]
) -> None:
    boundary = whole["parts"][1]["start_seconds"]
    async with visit(chromium) as page:
        await page.add_init_script(WATCH_ELEMENTS)
        await sign_in(page, server)
        await page.goto(f"{server.url}/sessions/{whole['id']}?t={boundary - 1.2:.2f}")
        await expect(page.get_by_role("heading", name="Rex, the whole visit")).to_be_visible()
        await expect(page.get_by_text("Part 3 is missing").first).to_be_visible()

        await press(page, "Play")
        parts = page.get_by_role("region", name="Parts").get_by_role("listitem")
        await expect(parts.nth(1)).to_have_attribute("aria-current", "true", timeout=15_000)
        await expect(page.get_by_role("slider", name="Position in the session")).to_have_attribute(
            "aria-valuetext", re.compile("part 2")
        )
        heard = await page.evaluate("window.heard")
        ended = next(at for name, at in heard if name == "ended")
        after = next(at for name, at in heard if name == "playing" and at >= ended)
        assert after - ended < 500, f"{after - ended:.0f} ms between two parts"

        # Over the missing part and on: what is left of part 2, then part 4.
        await page.get_by_role("slider", name="Position in the session").fill(
            str(int(whole["parts"][2]["start_seconds"]))
        )
        await expect(parts.nth(3)).to_have_attribute("aria-current", "true", timeout=20_000)
        await press(page, "Pause")
        assert "part 4" in await now(page)


async def test_a_session_of_one_is_shown_as_the_recording_that_it_is_until_another_part_comes(
    chromium: Browser, server: Server, tmp_path: Path
) -> None:
    fields = {"session_id": "apt 43", "session_title": "Only one"}
    alone = bring(server, "alone.wav", _sound(tmp_path, SENTENCES[1]), **fields)
    with server.client() as client:
        found = client.get("/api/v1/sessions/", params={"external_id": "apt 43"}).raise_for_status().json()
    async with visit(chromium) as page:
        await sign_in(page, server)
        await page.goto(f"{server.url}/sessions/{found['items'][0]['id']}?t=1")
        await expect(page).to_have_url(f"{server.url}/recordings/{alone}?t=1")
        await expect(page.get_by_role("heading", name="alone")).to_be_visible()
        await expect(page.get_by_text("Only one")).to_have_count(0)

        bring(server, "second.wav", _sound(tmp_path, SENTENCES[2]), part_number=2, **fields)
        await page.reload()
        await expect(page.get_by_text("Part 1 of 2 of")).to_be_visible()
        await page.get_by_role("link", name="Only one").click()
        await expect(page.get_by_role("region", name="Parts").get_by_role("listitem")).to_have_count(2)


async def test_the_words_of_all_parts_are_one_text_that_seeks_across_parts(
    chromium: Browser, server: Server, whole: dict[str, Any]
) -> None:
    with server.client() as client:
        words = client.get(f"/api/v1/sessions/{whole['id']}/transcript").raise_for_status().json()
    last = words["segments"][-1]
    assert last["part_number"] == 4
    async with visit(chromium) as page:
        await sign_in(page, server)
        await page.goto(f"{server.url}/sessions/{whole['id']}")
        rows = page.get_by_role("list", name="Transcript").get_by_role("listitem")
        await expect(rows).not_to_have_count(0)
        await rows.last.get_by_role("button", name=re.compile("^Play from")).click()
        await expect(rows.last).to_have_attribute("aria-current", "time", timeout=15_000)
        parts = page.get_by_role("region", name="Parts").get_by_role("listitem")
        await expect(parts.nth(3)).to_have_attribute("aria-current", "true")
        await expect(page.get_by_text("Part 5 has no words (yet).")).to_be_visible()

        await page.get_by_role("button", name="Play from part 1").click()
        await expect(parts.nth(0)).to_have_attribute("aria-current", "true")
        await page.keyboard.press("k")
        await expect(
            page.get_by_role("region", name="Player").get_by_role("button", name="Play", exact=True)
        ).to_be_visible()


async def test_links_to_the_sound_that_ran_out_are_renewed(
    chromium: Browser, server: Server, whole: dict[str, Any]
) -> None:
    refused = 0

    async def refuse_first(route: Route) -> None:
        nonlocal refused
        refused += 1
        await (route.fulfill(status=403, body="expired") if refused <= 2 else route.continue_())

    async with visit(chromium) as page:
        await sign_in(page, server)
        await page.route("**/s3/**", refuse_first)
        await page.goto(f"{server.url}/sessions/{whole['id']}")
        await press(page, "Play")
        await expect(page.locator("[data-clock]")).to_have_text("0:01", timeout=15_000)
        assert refused > 2


async def test_a_recording_tells_which_part_it_is_and_leads_to_the_whole(
    chromium: Browser, server: Server, whole: dict[str, Any]
) -> None:
    async with visit(chromium) as page:
        await sign_in(page, server)
        await page.goto(f"{server.url}/recordings/{whole['parts'][1]['recording_id']}")
        await expect(page.get_by_text("Part 2 of 5 of")).to_be_visible()
        await page.get_by_role("link", name="Rex, the whole visit").click()
        await expect(page.get_by_role("heading", name="Rex, the whole visit")).to_be_visible()
        await page.get_by_role("link", name=re.compile("Open part 4")).click()
        await expect(page.get_by_text("Part 4 of 5 of")).to_be_visible()


async def test_a_session_that_is_not_there_or_has_nothing_says_so(chromium: Browser, server: Server) -> None:
    only = bring(server, "lonely.wav", b"RIFF\x00\x10\x00\x00WAVE" + b"not sound " * 400, session_id="lonely")
    wait_until_settled(server, only)
    with server.client() as client:
        client.delete(f"/api/v1/recordings/{only}").raise_for_status()
        empty = client.get("/api/v1/sessions/", params={"external_id": "lonely"}).json()["items"][0]
    async with visit(chromium) as page:
        await sign_in(page, server)
        await page.goto(f"{server.url}/sessions/0197f0aa-0000-7000-8000-000000000000")
        await expect(page.get_by_role("heading", name=re.compile("not here", re.IGNORECASE))).to_be_visible()
        await page.goto(f"{server.url}/sessions/{empty['id']}")
        await expect(page.get_by_role("heading", name="No recordings in it")).to_be_visible()

        await page.route("**/api/v1/sessions/*", lambda route: route.fulfill(status=500, body="{}"))
        await page.goto(f"{server.url}/sessions/{empty['id']}?again=1")
        await expect(page.get_by_role("button", name="Try again")).to_be_visible(timeout=20_000)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
async def test_everybody_can_use_it(
    chromium: Browser, server: Server, whole: dict[str, Any], scheme: Literal["light", "dark"], width: int
) -> None:
    async with visit(chromium, width=width, scheme=scheme, policed=False) as page:
        await sign_in(page, server)
        await page.goto(f"{server.url}/sessions/{whole['id']}?t=4")
        await expect(page.get_by_role("list", name="Transcript").get_by_role("listitem")).not_to_have_count(0)
        await expect(page.get_by_role("button", name="Play from part 4")).to_be_visible()
        assert await findings(page) == []
        sideways = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert await page.evaluate(sideways) <= 0
        if folder := os.environ.get("REELKEEP_TEST_SCREENSHOTS"):
            await page.screenshot(path=f"{folder}/session-{scheme}-{width}.png", full_page=True)
