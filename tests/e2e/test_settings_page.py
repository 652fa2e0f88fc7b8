"""The page Settings: what an administrator decides there, the recorder of every member follows."""

import re
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, async_playwright, expect

from tests.e2e.page import visit
from tests.e2e.recorder_page import MICROPHONE
from tests.e2e.test_recorder_page import button, enter, open_recorder, original, record, stop, told
from tests.e2e.test_recorder_shared import RAW, WEBM, shows
from tests.fixtures.browser import ARGUMENTS, CHROMIUM
from tests.fixtures.server import Server, start_server

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

TUS = "**/api/v1/uploads/tus/**"
MEMBER = ("member@example.org", "a quiet river at dusk")
TITLE = "Rex coughs at night"


@pytest.fixture
def keeper(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that keeps, and writes nothing down."""
    running = start_server(tmp_path_factory.mktemp("keeper") / "data", "--no-worker")
    running.make_administrator()
    yield running
    running.stop()


@pytest_asyncio.fixture(loop_scope="session")
async def hearing() -> AsyncIterator[Browser]:
    """A browser with a microphone that beeps, and that asks nobody."""
    async with async_playwright() as playwright:
        arguments = [*ARGUMENTS, *MICROPHONE]
        browser = await playwright.chromium.launch(executable_path=shutil.which(CHROMIUM), args=arguments)
        yield browser
        await browser.close()


def add_member(server: Server) -> None:
    """Somebody else who may record."""
    email, password = MEMBER
    command = [sys.executable, "-m", "reelkeep", "users", "add", email, "--role", "member"]
    command += ["--password-stdin", "--data", str(server.data)]
    subprocess.run(command, input=password, text=True, check=True, capture_output=True)


async def sign_in_as_member(page: Page) -> None:
    """By the form, at which a sign-out ends."""
    await page.get_by_label("E-mail").fill(MEMBER[0])
    await page.get_by_label("Password", exact=True).fill(MEMBER[1])
    await button(page, "Sign in").click()


async def kept(page: Page) -> list[list[str]]:
    """What the origin keeps on the device."""
    found: list[list[str]] = await page.evaluate(RAW)
    return found


@pytest.mark.parametrize("width", [390, 1280])
async def test_an_administrator_says_that_computers_are_shared(
    hearing: Browser, keeper: Server, width: int
) -> None:
    async with visit(hearing, width=width) as page:
        await enter(page, keeper, "/me")
        if width < 640:
            await page.get_by_role("link", name="Settings").click()
        else:
            await page.get_by_role("navigation").get_by_role("link", name="Settings").click()
        await expect(page.get_by_role("heading", name="Settings", level=1)).to_be_visible()
        policy = page.get_by_role("switch", name="Our computers are shared")
        await expect(policy).not_to_be_checked()
        await policy.press("Space")
        await expect(policy).to_be_checked()
        await expect(policy).to_be_enabled()
        with keeper.client() as client:
            assert client.get("/api/v1/organization/policies").json() == {"shared_computers": True}
        await page.reload()
        await expect(policy).to_be_checked()


async def test_from_then_on_what_is_kept_here_is_its_owners_alone(hearing: Browser, keeper: Server) -> None:
    add_member(keeper)
    async with visit(hearing) as page:
        await open_recorder(page, keeper)
        await expect(page.get_by_text("This computer is shared")).not_to_be_visible()
        with keeper.client() as client:
            client.patch("/api/v1/organization/policies", json={"shared_computers": True}).raise_for_status()
        await page.get_by_role("link", name="Recordings", exact=True).click()
        await page.get_by_role("link", name="Record", exact=True).first.click()
        await expect(page.get_by_text("This computer is shared")).to_be_visible()

        await page.context.route(TUS, lambda route: route.abort())
        await page.get_by_label("Title").fill(TITLE)
        await record(page, 3)
        await expect(page.get_by_text("On this device, encrypted")).to_be_visible()
        await stop(page)
        lying = await kept(page)
        assert any(name.startswith("file") for name, _ in lying)
        assert (shows(lying, WEBM), shows(lying, TITLE.encode())) == ([], [])

        await page.get_by_role("navigation").get_by_role("link", name="Me").click()
        await button(page, "Sign out").click()
        await sign_in_as_member(page)
        await page.get_by_role("link", name=re.compile("on this device")).click()
        card = page.get_by_role("article")
        await expect(card).to_contain_text("Belongs to")
        await expect(card).to_contain_text("encrypted")
        await expect(page.get_by_text(TITLE)).to_have_count(0)
        await expect(card.get_by_role("button")).to_have_count(0)

        await page.context.unroute(TUS)
        await enter(page, keeper, "/record/unsent")
        await expect(page.get_by_role("heading", name=TITLE)).to_be_visible()
        await page.get_by_role("link", name="Open the recording").click(timeout=30_000)
        await page.wait_for_url("**/recordings/*")
        recording_id = page.url.rsplit("/", 1)[1]
        await page.get_by_role("navigation").get_by_role("link", name="Me").click()
        await button(page, "Sign out").click()
        await expect(button(page, "Sign in")).to_be_visible()
        assert [name for name, _ in await kept(page)] == ["reelkeep-keys keys"]
    assert told(keeper, recording_id)["title"] == TITLE
    assert original(keeper, recording_id).startswith(WEBM)


async def test_nobody_else_sees_the_page(hearing: Browser, keeper: Server) -> None:
    add_member(keeper)
    async with visit(hearing) as page:
        await page.goto(f"{keeper.url}/login?next=/admin/settings")
        await sign_in_as_member(page)
        await expect(page.get_by_text("Not here, or not yours to see")).to_be_visible()
        await expect(page.get_by_role("link", name="Settings")).to_have_count(0)
