"""The recorder as a person meets it: real Chromium with its beeping microphone, a real server."""

import re
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Browser, Locator, Page, Route, async_playwright, expect

from tests.e2e.page import findings, uploads, visit
from tests.e2e.recorder_page import MICROPHONE
from tests.fixtures import speech
from tests.fixtures.browser import ARGUMENTS, CHROMIUM
from tests.fixtures.server import Server, start_server

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

TUS = "**/api/v1/uploads/tus/**"
VIEWER = ("viewer@example.org", "a quiet river at dusk")
SAFE_MS = 30_000


@pytest.fixture(scope="module")
def keeper(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that keeps, and writes nothing down."""
    running = start_server(tmp_path_factory.mktemp("keeper") / "data", "--no-worker")
    running.make_administrator()
    yield running
    running.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def hearing() -> AsyncIterator[Browser]:
    """A browser with a microphone that beeps, and that asks nobody."""
    async with launched(*MICROPHONE) as browser:
        yield browser


@asynccontextmanager
async def launched(*arguments: str) -> AsyncIterator[Browser]:
    """Chromium, started with these as well."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=shutil.which(CHROMIUM), args=[*ARGUMENTS, *arguments]
        )
        yield browser
        await browser.close()


async def enter(page: Page, server: Server, path: str) -> None:
    """At a page, signed in without the form."""
    identity = {"email": server.admin_email, "password": server.admin_password}
    async with httpx.AsyncClient(base_url=server.url) as client:
        answer = (await client.post("/api/v1/auth/sign-in", json=identity)).raise_for_status()
    cookies = [{"name": name, "value": value, "url": server.url} for name, value in answer.cookies.items()]
    await page.context.add_cookies(cookies)  # type: ignore[arg-type]
    await page.goto(f"{server.url}{path}")


async def open_recorder(page: Page, server: Server) -> None:
    """Signed in, and at the recorder."""
    await enter(page, server, "/record")
    await expect(page.get_by_role("heading", name="Record", level=1)).to_be_visible()


def button(page: Page, name: str) -> Locator:
    """By its whole name."""
    return page.get_by_role("button", name=name, exact=True)


async def record(page: Page, seconds: int) -> None:
    """Press Record, and wait until so much is written."""
    await button(page, "Record").click()
    await until_clock(page, seconds)


async def until_clock(page: Page, seconds: int) -> None:
    """The clock counts what is written."""
    shown = re.compile(r"^0:(" + "|".join(f"{second:02}" for second in range(seconds, 60)) + ")$")
    await expect(page.locator("time").filter(has_text=shown).first).to_be_visible(timeout=20_000)


async def stop(page: Page) -> None:
    """By two presses, so that an elbow ends nothing."""
    await button(page, "Stop").click()
    await button(page, "Press again to stop").click()
    await expect(page.get_by_text(re.compile(r"^Recorded 0:"))).to_be_visible()


async def open_safe(page: Page) -> str:
    """Follow the way to the recording on the server; its id."""
    await page.get_by_role("link", name="Open the recording").click(timeout=SAFE_MS)
    await page.wait_for_url("**/recordings/*")
    return page.url.rsplit("/", 1)[1]


def original(server: Server, recording_id: str) -> bytes:
    """The bytes as the server gives them back."""
    with server.client() as client:
        signed = client.get(f"/api/v1/recordings/{recording_id}/download-url").raise_for_status().json()
    return httpx.get(signed["download_url"]).raise_for_status().content


def told(server: Server, recording_id: str) -> dict[str, Any]:
    """What the server says of a recording."""
    with server.client() as client:
        answer: dict[str, Any] = client.get(f"/api/v1/recordings/{recording_id}").raise_for_status().json()
    return answer


async def test_a_recording_goes_on_while_other_pages_are_read_and_ends_safe(
    hearing: Browser, keeper: Server
) -> None:
    async with visit(hearing, width=390, height=844) as page:
        await enter(page, keeper, "/trash")
        await expect(page.get_by_role("heading", name="Trash", exact=True)).to_be_visible()
        await page.keyboard.press("r")
        await page.get_by_label("Title").fill("Rex, check-up")
        await record(page, 2)
        await expect(page.get_by_text("On this device", exact=True)).to_be_visible()
        await page.keyboard.press("m")
        await expect(page.get_by_role("list", name="Marks")).to_contain_text("Mark 1")
        await page.keyboard.press("p")
        await expect(page.get_by_text("Paused: nothing is recorded")).to_be_visible()
        await page.keyboard.press("p")

        await page.get_by_role("link", name="Recordings").click()
        await expect(page).to_have_title(re.compile(r"^● Recordings"))
        await page.get_by_role("link", name=re.compile(r"^Recording 0:\d\d$")).click()
        await expect(page.get_by_role("list", name="Marks")).to_contain_text("Mark 1")
        await until_clock(page, 5)
        await expect(page.get_by_text(re.compile(r"^Sent to 0:(0[1-9]|[1-5]\d)"))).to_be_visible()
        await stop(page)
        await expect(page.get_by_role("article")).to_contain_text("Safe on the server", timeout=SAFE_MS)
        await expect(page.get_by_label("Title")).to_have_value("Rex, check-up")
        recording_id = await open_safe(page)
        await expect(page.get_by_role("heading", level=1)).to_have_text("Rex, check-up")
        await expect(page).to_have_title(re.compile(r"^Rex, check-up"))
    recording = told(keeper, recording_id)
    assert recording["mime_type"].startswith("audio/webm")
    assert recording["file_size_bytes"] == len(original(keeper, recording_id))


async def test_a_page_that_cannot_be_fetched_ends_no_recording(hearing: Browser, keeper: Server) -> None:
    async with visit(hearing) as page:
        await page.context.route("**/assets/TrashPage*", lambda route: route.abort())
        await open_recorder(page, keeper)
        await record(page, 1)
        await page.get_by_role("link", name="Trash").click()
        await expect(page.get_by_text("This page could not be fetched")).to_be_visible()
        await page.get_by_role("link", name="Record", exact=True).click()
        await expect(button(page, "Pause")).to_be_visible()
        await stop(page)


TRACK = """
  const real = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  navigator.mediaDevices.getUserMedia = async (asked) => {
    const stream = await real(asked);
    [window.track] = stream.getAudioTracks();
    return stream;
  };"""
MOVED = """() => {
  Object.defineProperty(track, 'label', { value: 'iPhone microphone' });
  navigator.mediaDevices.dispatchEvent(new Event('devicechange'));
}"""


async def test_another_microphone_that_took_over_is_named_wherever_the_person_is(
    hearing: Browser, keeper: Server
) -> None:
    async with visit(hearing) as page:
        await page.add_init_script(TRACK)
        await open_recorder(page, keeper)
        await record(page, 1)
        await page.get_by_role("link", name="Me", exact=True).click()
        await expect(page.get_by_role("heading", name="Me", exact=True)).to_be_visible()
        await page.evaluate(MOVED)
        toast = page.get_by_role("listitem").filter(has_text="Now recording from iPhone microphone")
        await toast.get_by_role("button", name="Dismiss").click()
        await page.get_by_role("link", name=re.compile(r"^Recording 0:")).click()
        await stop(page)


async def test_a_sign_in_that_ended_is_renewed_above_a_recording_that_goes_on(
    hearing: Browser, keeper: Server
) -> None:
    async with visit(hearing) as page:
        await open_recorder(page, keeper)
        await page.context.clear_cookies()
        await record(page, 1)
        overlay = page.get_by_role("dialog", name="Your sign-in ended")
        await expect(overlay).to_be_visible(timeout=15_000)
        await overlay.get_by_label("Password", exact=True).fill(keeper.admin_password)
        await overlay.get_by_role("button", name="Sign in").click()
        await expect(overlay).to_have_count(0)
        await stop(page)
        await expect(page.get_by_role("article")).to_contain_text("Safe on the server", timeout=SAFE_MS)


async def test_what_a_closed_page_left_is_found_heard_saved_and_sent(
    hearing: Browser, keeper: Server
) -> None:
    async with visit(hearing) as page:
        page.on("dialog", lambda dialog: dialog.accept())
        await page.context.route(TUS, lambda route: route.abort("connectionreset"))
        await open_recorder(page, keeper)
        await record(page, 3)
        await page.goto(f"{keeper.url}/recordings")

        card = page.get_by_role("region", name="Found on this device").get_by_role("article")
        await expect(card).to_contain_text(re.compile(r"^Recording from .*found after the page closed"))
        await card.get_by_role("button", name="Listen").click()
        await expect(card.locator("audio")).to_be_visible()
        async with page.expect_download() as saving:
            await card.get_by_role("button", name="Save as file").click()
        kept = Path(await (await saving.value).path()).read_bytes()
        await page.context.unroute(TUS)
        await card.get_by_role("button", name="Send").click()
        await expect(card).to_contain_text("Safe on the server", timeout=SAFE_MS)
        recording_id = await open_safe(page)
    assert len(kept) > 2_000
    assert original(keeper, recording_id) == kept


async def test_a_refused_microphone_is_explained_and_works_as_soon_as_it_is_allowed(keeper: Server) -> None:
    async with launched(MICROPHONE[0]) as browser, visit(browser, policed=False) as page:
        await open_recorder(page, keeper)
        await button(page, "Record").click()
        alert = page.get_by_role("alert").filter(has_text="The microphone is blocked")
        await expect(alert).to_contain_text("Click the symbol left of the address")
        assert await findings(page) == []
        await expect(alert.get_by_role("button", name="Look again")).to_be_visible()
        await page.context.grant_permissions(["microphone"])
        await expect(alert).to_have_count(0)
        await record(page, 1)
        await stop(page)


async def test_offline_it_is_kept_and_sent_when_the_connection_is_back(
    hearing: Browser, keeper: Server
) -> None:
    async with visit(hearing) as page:
        await open_recorder(page, keeper)
        await record(page, 1)
        await page.context.set_offline(True)
        await expect(page.get_by_text(re.compile(r"^Kept here, 0:\d\d\. Sent when"))).to_be_visible()
        await until_clock(page, 3)
        await stop(page)
        card = page.get_by_role("article")
        await expect(card).to_contain_text(re.compile(r"Kept here, 0:\d\d\. Sent when"), timeout=SAFE_MS)
        await page.context.set_offline(False)
        await expect(card).to_contain_text("Safe on the server", timeout=SAFE_MS)


async def test_a_second_tab_says_that_the_first_records_and_calls_it(
    hearing: Browser, keeper: Server
) -> None:
    async with visit(hearing) as page:
        await open_recorder(page, keeper)
        await record(page, 1)
        await page.get_by_role("link", name="Trash").click()
        other = await page.context.new_page()
        await other.goto(f"{keeper.url}/record")
        await expect(other.get_by_text("Another tab is recording")).to_be_visible()
        await expect(button(other, "Record")).to_be_disabled()
        await button(other, "Show it").click()
        await page.wait_for_url("**/record")
        await stop(page)
        await expect(button(other, "Record")).to_be_enabled()


async def test_a_viewer_meets_no_recorder_and_is_told_who_may(chromium: Browser, keeper: Server) -> None:
    add_viewer(keeper)
    async with visit(chromium) as page:
        await page.goto(f"{keeper.url}/login")
        await page.get_by_label("E-mail").fill(VIEWER[0])
        await page.get_by_label("Password", exact=True).fill(VIEWER[1])
        await button(page, "Sign in").click()
        await expect(page.get_by_role("heading", name="Recordings", exact=True)).to_be_visible()
        await expect(page.get_by_text("Record", exact=True)).to_have_count(0)
        await page.keyboard.press("r")
        for path in ("/record", "/record/unsent"):
            await page.goto(f"{keeper.url}{path}")
            await expect(page.get_by_text("Members, managers and administrators may record")).to_be_visible()
            await expect(page.get_by_role("button")).to_have_count(0)


def add_viewer(server: Server) -> None:
    """By the command line, as an administrator does."""
    command = [sys.executable, "-m", "reelkeep", "users", "add", VIEWER[0], "--role", "viewer"]
    subprocess.run(
        [*command, "--password-stdin", "--data", str(server.data)],
        input=VIEWER[1],
        text=True,
        check=True,
        capture_output=True,
    )


@pytest.mark.parametrize(("width", "scheme"), [(320, "light"), (1280, "dark")])
async def test_axe_finds_nothing_in_any_state_of_the_recorder(
    hearing: Browser, keeper: Server, width: int, scheme: Literal["light", "dark"]
) -> None:
    found: dict[str, list[object]] = {}

    async def look(page: Page, state: str) -> None:
        problems: list[object] = list(await findings(page))
        sideways = await page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        found[state] = [*problems, f"{sideways} px too wide"] if sideways > 0 else problems

    async with visit(hearing, width=width, scheme=scheme, policed=False) as page:
        await open_recorder(page, keeper)
        await look(page, "idle")
        await button(page, "Try the microphone").click()
        await expect(page.get_by_role("meter")).to_be_visible()
        await look(page, "ready")
        await record(page, 1)
        await page.keyboard.press("m")
        await look(page, "recording")
        await button(page, "Pause").click()
        await look(page, "paused")
        await page.context.set_offline(True)
        await stop(page)
        await look(page, "stopped")
        await page.get_by_role("link", name="Recordings").first.click()
        await page.get_by_role("link", name=re.compile("1 recording on this device")).click()
        await expect(page.get_by_role("heading", name="On this device")).to_be_visible()
        await expect(page.get_by_role("article")).to_be_visible()
        await look(page, "unsent")
        await page.context.set_offline(False)
    assert {state: problems for state, problems in found.items() if problems} == {}


async def test_a_picked_file_goes_on_where_a_reload_cut_it_off(
    chromium: Browser, keeper: Server, tmp_path: Path
) -> None:
    await pick_reload_and_pick_again(chromium, keeper, tmp_path)


async def pick_reload_and_pick_again(browser: Browser, keeper: Server, folder: Path) -> None:
    """A wrong file in between is told apart; what was sent is not sent again."""
    picked = speech.write_wav(folder / "visit.wav", speech.silence(80))
    data = picked.read_bytes()
    other = folder / "other.wav"
    other.write_bytes(data[:-1])
    offsets: list[int] = []

    async def hold_all_but_first(route: Route) -> None:
        if route.request.method == "PATCH":
            offsets.append(int(route.request.headers["upload-offset"]))
            if len(offsets) > 1:
                return
        await route.continue_()

    async def note(route: Route) -> None:
        if route.request.method == "PATCH":
            offsets.append(int(route.request.headers["upload-offset"]))
        await route.continue_()

    async with visit(browser) as page:
        page.on("dialog", lambda dialog: dialog.accept())
        await enter(page, keeper, "/recordings")
        await page.context.route(TUS, hold_all_but_first)
        await page.locator("input[data-upload]").first.set_input_files(picked)
        row = uploads(page).get_by_role("listitem").filter(has_text="visit.wav")
        await expect(row).to_contain_text(re.compile(r"Sending, [1-9]"))
        await page.reload()
        await expect(row).to_contain_text(re.compile(r"Choose “visit.wav” again to go on at [1-9]\d? %"))
        await page.context.unroute(TUS)
        await page.context.route(TUS, note)
        chooser = row.locator("input[type=file]")
        await chooser.set_input_files(other)
        await expect(row).to_contain_text("That is another file")
        offsets.clear()
        await chooser.set_input_files(picked)
        await expect(row).to_contain_text("Safe on the server", timeout=SAFE_MS)
        await row.get_by_role("link", name="Open visit.wav").click()
        await page.wait_for_url("**/recordings/*")
        recording_id = page.url.rsplit("/", 1)[1]
    assert offsets
    assert offsets[0] > 0
    assert original(keeper, recording_id) == data
