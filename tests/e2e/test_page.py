"""The web app in a real browser against a real server: from a file to its words."""

import asyncio
import re
from pathlib import Path
from typing import Literal

import pytest
from playwright.async_api import Browser, FileChooser, Page, Route, expect

from tests.e2e.conftest import Known, bring
from tests.e2e.page import (
    PROCESSED_MS,
    click_last_word,
    drop,
    findings,
    media_time,
    sign_in,
    spoken,
    tab_to,
    uploads,
    visit,
    wait_for_time,
)
from tests.fixtures.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

TUS = "**/api/v1/uploads/tus{,/**}"
SIGNED_OUT = ("/login", "/welcome", "/welcome?token=used", "/set-password?token=used")
BIG = b"RIFF" + bytes(3_000_000)


async def test_a_dropped_recording_is_sent_played_and_read(
    chromium: Browser, server: Server, spoken_wav: Path
) -> None:
    async with visit(chromium) as page:
        await sign_in(page, server)
        await drop(page, "Dropped visit.wav", spoken_wav.read_bytes())
        await expect(uploads(page).get_by_text("Safe on the server", exact=True)).to_be_visible(
            timeout=30_000
        )

        await uploads(page).get_by_role("link", name="Open Dropped visit.wav").click()
        await expect(page.get_by_role("heading", name="Dropped visit")).to_be_visible()
        words = page.get_by_role("list", name="Transcript")
        await expect(words).to_be_visible(timeout=PROCESSED_MS)
        await expect(words.get_by_role("listitem")).not_to_have_count(0)
        await expect(words).to_contain_text(re.compile(r"\b(weight|little|cough|teeth|spring)\b"))

        play = page.get_by_role("region", name="Player").get_by_role("button", name="Play")
        await expect(play).to_be_enabled(timeout=PROCESSED_MS)
        await play.click()
        await wait_for_time(page, 0.5)


async def test_a_click_on_a_word_plays_from_that_word(
    chromium: Browser, server: Server, known: Known
) -> None:
    words = [word for segment in known.transcript["segments"] for word in segment["words"]]
    last = words[-1]
    async with visit(chromium) as page:
        await sign_in(page, server)
        await page.goto(f"{server.url}/recordings/{known.id}")
        await expect(page.get_by_role("list", name="Transcript").locator("p").last).to_contain_text(
            last["text"].strip()
        )
        await click_last_word(page)
        await wait_for_time(page, last["start"] - 0.05, last["end"] + 2)
        assert await spoken(page) == [last["text"].strip()]


async def test_a_link_with_a_time_opens_there_without_playing(
    chromium: Browser, server: Server, known: Known
) -> None:
    async with visit(chromium) as page:
        await sign_in(page, server)
        await page.goto(f"{server.url}/recordings/{known.id}?t=3")
        await wait_for_time(page, 3, 3)
        assert await page.evaluate("document.querySelector('audio').paused")


async def test_a_press_on_play_before_the_link_to_the_sound_is_there_plays_it(
    chromium: Browser, server: Server, known: Known
) -> None:
    pressed = asyncio.Event()

    async def hold(route: Route) -> None:
        await pressed.wait()
        await route.continue_()

    async with visit(chromium) as page:
        await sign_in(page, server)
        await page.route("**/playback-url*", hold)
        await page.goto(f"{server.url}/recordings/{known.id}")
        await page.get_by_role("region", name="Player").get_by_role("button", name="Play").click()
        pressed.set()
        await wait_for_time(page, 0.2)


async def test_the_sound_goes_on_while_another_page_is_read(
    chromium: Browser, server: Server, known: Known
) -> None:
    async with visit(chromium) as page:
        await sign_in(page, server)
        await page.get_by_role("button", name=f"Play {known.title}").click()
        before = await wait_for_time(page, 0.2)
        await page.get_by_role("navigation", name="Main").get_by_role("link", name="Trash").first.click()
        await expect(page.get_by_role("heading", name="Trash", exact=True)).to_be_visible()
        await wait_for_time(page, before + 0.2)
        await page.get_by_role("button", name="Pause").click()
        assert await page.evaluate("document.querySelector('audio').paused")


async def test_a_link_to_the_sound_that_ran_out_is_renewed(
    chromium: Browser, server: Server, known: Known
) -> None:
    refused = 0

    async def refuse_once(route: Route) -> None:
        nonlocal refused
        refused += 1
        await (route.fulfill(status=403, body="expired") if refused == 1 else route.continue_())

    async with visit(chromium) as page:
        await sign_in(page, server)
        await page.route("**/s3/**", refuse_once)
        await page.goto(f"{server.url}/recordings/{known.id}?t=2")
        await wait_for_time(page, 2, 2)
        assert refused >= 2


async def test_an_upload_can_be_cancelled_and_leaves_nothing(chromium: Browser, server: Server) -> None:
    async with visit(chromium) as page:
        await sign_in(page, server)
        await page.context.route(TUS, begin_only)
        await drop(page, "Cancelled.wav", BIG)
        row = uploads(page).get_by_role("listitem").filter(has_text="Cancelled.wav")
        await expect(row.get_by_role("progressbar")).to_be_visible()
        await expect(row).to_contain_text("Sending")
        await row.get_by_role("button", name="Cancel Cancelled.wav").click()
        await expect(uploads(page)).to_have_count(0)
        await expect(page.get_by_role("link", name="Cancelled", exact=True)).to_have_count(0)
    with server.client() as client:
        listed = client.get("/api/v1/recordings/", params={"q": "Cancelled"}).json()["items"]
    assert [item for item in listed if item["status"] != "uploading"] == []


async def test_an_upload_that_the_server_refused_is_sent_again_on_request(
    chromium: Browser, server: Server, spoken_wav: Path
) -> None:
    async with visit(chromium) as page:
        await sign_in(page, server)
        refusal = {"error_code": "QUOTA_EXCEEDED", "message": "The organization has used its 50 GB."}
        await page.context.route(TUS, lambda route: route.fulfill(status=403, json=refusal))
        await drop(page, "Refused.wav", spoken_wav.read_bytes())
        row = uploads(page).get_by_role("listitem").filter(has_text="Refused.wav")
        await expect(row).to_contain_text("Not sent")
        await expect(row).to_contain_text("The organization has used its 50 GB. QUOTA_EXCEEDED")
        await page.context.unroute(TUS)
        await row.get_by_role("button", name="Send Refused.wav again").click()
        await expect(row).to_contain_text("Safe on the server", timeout=30_000)


async def test_an_upload_whose_connection_breaks_goes_on_by_itself(
    chromium: Browser, server: Server, spoken_wav: Path
) -> None:
    broken = 0

    async def break_once(route: Route) -> None:
        nonlocal broken
        broken += 1
        await (route.abort("connectionreset") if broken == 1 else route.continue_())

    async with visit(chromium) as page:
        await sign_in(page, server)
        await page.context.route(TUS, break_once)
        await drop(page, "Cut off.wav", spoken_wav.read_bytes())
        row = uploads(page).get_by_role("listitem").filter(has_text="Cut off.wav")
        await expect(row).to_contain_text("Safe on the server", timeout=30_000)
        assert broken > 1


async def test_an_upload_cut_off_by_a_reload_asks_for_its_file(chromium: Browser, server: Server) -> None:
    async with visit(chromium) as page:
        page.on("dialog", lambda dialog: dialog.accept())
        await sign_in(page, server)
        await page.context.route(TUS, begin_only)
        await drop(page, "Reloaded.wav", BIG)
        await expect(uploads(page)).to_contain_text("Sending")
        await page.reload()
        row = uploads(page).get_by_role("listitem").filter(has_text="Reloaded.wav")
        await expect(row).to_contain_text("Choose “Reloaded.wav” again to send it")
        await row.get_by_role("button", name="Remove Reloaded.wav from this list").click()
        await expect(uploads(page)).to_have_count(0)


async def test_a_file_that_is_no_recording_says_so(chromium: Browser, server: Server, broken: Known) -> None:
    async with visit(chromium) as page:
        await sign_in(page, server)
        row = page.get_by_role("listitem").filter(has=page.get_by_role("link", name="Broken", exact=True))
        await expect(row).to_contain_text("Failed")
        await row.get_by_role("link").click()
        problem = page.get_by_role("region", name="Transcript").get_by_role("group")
        await expect(problem).to_contain_text("The file could not be used")
        await expect(problem).to_contain_text(re.compile(r"Code MEDIA_[A-Z_]+"))
        await expect(problem.get_by_role("button", name="Try again")).to_be_visible()


async def test_an_empty_file_is_refused_before_it_is_sent(chromium: Browser, server: Server) -> None:
    async with visit(chromium) as page:
        await sign_in(page, server)
        await drop(page, "Nothing.wav", b"")
        await expect(uploads(page)).to_contain_text("The file is empty.")


async def test_a_title_is_changed_in_place_and_a_deletion_is_undone(
    chromium: Browser, server: Server, spoken_wav: Path
) -> None:
    recording_id = bring(server, "Untitled.wav", spoken_wav.read_bytes(), title="First title")
    async with visit(chromium) as page:
        await sign_in(page, server)
        await page.goto(f"{server.url}/recordings/{recording_id}")
        await page.get_by_role("button", name="Change the title").click()
        field = page.get_by_role("textbox", name="Title")
        await field.fill("Second title")
        await field.press("Enter")
        await expect(page.get_by_role("heading", name="Second title")).to_be_visible()

        await page.get_by_role("button", name="Move to trash").click()
        await expect(page.get_by_role("link", name="Second title")).to_have_count(0)
        await page.get_by_role("button", name="Undo").click()
        await expect(page.get_by_role("link", name="Second title")).to_be_visible()


async def test_a_recording_in_the_trash_is_restored_there(
    chromium: Browser, server: Server, spoken_wav: Path
) -> None:
    recording_id = bring(server, "Thrown.wav", spoken_wav.read_bytes(), title="Thrown away")
    with server.client() as client:
        client.delete(f"/api/v1/recordings/{recording_id}").raise_for_status()
    async with visit(chromium) as page:
        await sign_in(page, server)
        await page.goto(f"{server.url}/trash")
        await page.get_by_role("button", name="Restore Thrown away").click()
        await expect(page.get_by_role("link", name="Thrown away")).to_have_count(0)
        await page.goto(f"{server.url}/recordings")
        await expect(page.get_by_role("link", name="Thrown away")).to_be_visible()


async def test_a_sign_in_that_ends_is_renewed_above_the_page(
    chromium: Browser, server: Server, known: Known
) -> None:
    async with visit(chromium) as page:
        await sign_in(page, server)
        await page.goto(f"{server.url}/recordings/{known.id}")
        await expect(page.get_by_role("heading", name=known.title)).to_be_visible()
        await page.context.clear_cookies()
        await page.get_by_role("button", name="Change the title").click()
        await page.get_by_role("textbox", name="Title").fill("Typed while away")
        await page.get_by_role("textbox", name="Title").press("Enter")
        dialog = page.get_by_role("dialog", name="Your sign-in ended")
        await dialog.get_by_label("Password", exact=True).fill("not this one")
        await dialog.get_by_role("button", name="Sign in").click()
        await expect(dialog.get_by_role("alert")).to_contain_text("SIGN_IN_FAILED")
        await dialog.get_by_label("Password", exact=True).fill(server.admin_password)
        await dialog.get_by_role("button", name="Sign in").click()
        await expect(dialog).to_have_count(0)
        await expect(page.get_by_role("textbox", name="Title")).to_have_value("Typed while away")


async def test_from_sign_in_to_a_played_recording_with_the_keyboard_alone(
    chromium: Browser, server: Server, spoken_wav: Path
) -> None:
    async with visit(chromium) as page:
        chosen: asyncio.Future[FileChooser] = asyncio.get_running_loop().create_future()

        def choose(chooser: FileChooser) -> None:
            chosen.set_result(chooser)

        # Listened for from the start: a browser that is told late shows its own dialog.
        page.once("filechooser", choose)
        await page.goto(f"{server.url}/recordings")
        await expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
        await tab_to(page, "E-mail")
        await page.keyboard.type(server.admin_email)
        await page.keyboard.press("Tab")
        await page.keyboard.type(server.admin_password)
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", name="Recordings", exact=True)).to_be_focused()

        await tab_to(page, "Upload")
        await page.keyboard.press("Enter")
        chooser = await asyncio.wait_for(chosen, timeout=15)
        await chooser.set_files(
            {"name": "By keyboard.wav", "mimeType": "audio/wav", "buffer": spoken_wav.read_bytes()}
        )
        await expect(uploads(page)).to_contain_text("Safe on the server", timeout=30_000)
        await tab_to(page, "Open By keyboard.wav")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", name="By keyboard")).to_be_focused()
        player = page.get_by_role("region", name="Player")
        await expect(player.get_by_role("button", name="Play")).to_be_enabled(timeout=PROCESSED_MS)
        await expect(page.get_by_role("list", name="Transcript")).to_be_visible(timeout=PROCESSED_MS)

        await page.keyboard.press("k")
        await wait_for_time(page, 0.2)
        await page.keyboard.press("k")
        await page.keyboard.press("ArrowRight")
        await wait_for_time(page, 5)
        at = await media_time(page)
        await page.keyboard.press("j")
        await wait_for_time(page, 0, at - 4)
        await tab_to(page, "Position")
        await page.keyboard.press("End")
        slider = page.get_by_role("slider", name="Position")
        await expect(slider).to_have_attribute("aria-valuetext", re.compile(r"^\d+ seconds of \d+ seconds$"))
        await wait_for_time(page, at)
        await page.keyboard.press("?")
        await expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
        await page.keyboard.press("Escape")
        await expect(page.get_by_role("dialog")).to_have_count(0)


async def test_what_is_not_there_is_said_in_the_same_words_as_what_is_not_mine(
    chromium: Browser, server: Server
) -> None:
    async with visit(chromium) as page:
        await sign_in(page, server)
        for path in ("recordings/0197f0aa-0000-7000-8000-000000000000", "recordings/none", "nowhere/at/all"):
            await page.goto(f"{server.url}/{path}")
            await expect(page.get_by_role("heading", name="Not here, or not yours to see")).to_be_visible()


async def test_the_page_says_what_failed_and_keeps_the_list_it_has(
    chromium: Browser, server: Server, known: Known
) -> None:
    async with visit(chromium) as page:
        await sign_in(page, server)
        await expect(page.get_by_role("link", name=known.title)).to_be_visible()
        answer = '{"message": "The database is away.", "error_code": "DATABASE_UNAVAILABLE", "details": {}}'
        lists = re.compile(r"/api/v1/recordings/\?")
        await page.route(lists, lambda route: route.fulfill(status=503, body=answer))
        await page.get_by_role("link", name="Trash").first.click()
        problem = page.get_by_role("group", name="The trash could not be loaded")
        await expect(problem).to_contain_text("DATABASE_UNAVAILABLE", timeout=20_000)
        await page.get_by_role("link", name="Recordings").first.click()
        await expect(page.get_by_role("link", name=known.title)).to_be_visible()
        await expect(page.get_by_role("group", name="This list may be old")).to_be_visible(timeout=20_000)
        await page.unroute(lists)
        await page.get_by_role("button", name="Try again").click()
        await expect(page.get_by_role("group", name="This list may be old")).to_have_count(0)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 360, 1280])
async def test_axe_finds_nothing_on_any_route(
    chromium: Browser,
    server: Server,
    places: tuple[str, ...],
    scheme: Literal["light", "dark"],
    width: int,
) -> None:
    async with visit(chromium, width=width, scheme=scheme, policed=False) as page:
        found = {}
        for path in SIGNED_OUT:
            found[path] = await look(page, f"{server.url}{path}")
        await sign_in(page, server)
        for path in places:
            found[path] = await look(page, f"{server.url}{path}")
        assert {path: problems for path, problems in found.items() if problems} == {}


async def look(page: Page, url: str) -> list[object]:
    """What is wrong with a page: axe's findings, and whether it must be scrolled sideways."""
    await page.goto(url)
    await page.wait_for_load_state("networkidle")
    await expect(page.get_by_role("heading", level=1)).to_be_attached()
    problems: list[object] = list(await findings(page))
    sideways = await page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    return [*problems, f"{sideways} px too wide"] if sideways > 0 else problems


async def test_the_page_may_run_nothing_but_its_own_scripts(chromium: Browser, server: Server) -> None:
    async with visit(chromium) as page:
        answer = await page.goto(f"{server.url}/recordings")
    assert answer is not None
    policy = answer.headers["content-security-policy"]
    assert "script-src 'self';" in policy
    assert "unsafe-eval" not in policy


async def begin_only(route: Route) -> None:
    """An upload begins, and its bytes stay on their way."""
    if route.request.method != "PATCH":
        await route.continue_()
