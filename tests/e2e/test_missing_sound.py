"""A recording whose sound cannot be read, or not from the store: what a person sees and hears."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, Route, expect

from tests.e2e.conftest import Known, bring, wait_until_settled
from tests.e2e.page import findings, sign_in, visit, wait_for_time
from tests.fixtures.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


@pytest.fixture
def lost(server: Server, spoken_wav: Path) -> Iterator[Known]:
    """A transcribed recording whose files are gone from the folder, with nobody told."""
    recording_id = bring(server, "Lost visit.wav", spoken_wav.read_bytes(), title="Lost visit")
    assert wait_until_settled(server, recording_id)["status"] == "transcribed"
    files = [
        path for path in (server.data / "stores").rglob("*") if path.is_file() and recording_id in str(path)
    ]
    assert files
    for path in files:
        path.unlink()
    yield Known(recording_id, "Lost visit", {})
    with server.client() as client:
        client.delete(f"/api/v1/recordings/{recording_id}")


async def shows_problem(page: Page, title: str, code: str) -> None:
    problem = page.get_by_role("group", name=title)
    await expect(problem).to_be_visible(timeout=20_000)
    await expect(problem).to_contain_text(code)
    await expect(problem.get_by_role("button", name="Try again")).to_be_visible()


async def test_sound_that_is_missing_is_said_to_be_and_the_words_are_there(
    chromium: Browser, server: Server, lost: Known, tmp_path: Path
) -> None:
    async with visit(chromium, policed=False) as page:
        await sign_in(page, server)
        await page.goto(f"{server.url}/recordings/{lost.id}")
        await shows_problem(page, "The sound is missing", "COPY_LOST")
        await expect(page.get_by_role("region", name="Transcript")).to_be_visible()
        await page.screenshot(path=tmp_path / "lost.png", full_page=True)
        assert await findings(page) == []

        # A download says so on the page, and does not leave it for a store's error.
        await page.get_by_role("button", name="Download").click()
        await page.get_by_role("menuitem", name="Original file").click()
        await expect(page.get_by_text("no store has a copy of it that can be read").first).to_be_visible()
        await page.screenshot(path=tmp_path / "download.png", full_page=True)
        assert page.url.endswith(lost.id)


async def test_sound_in_the_archive_is_said_to_be(
    chromium: Browser, server: Server, known: Known, tmp_path: Path
) -> None:
    told = '{"message": "These bytes lie in an archive class.", "error_code": "COPY_ARCHIVED", "details": {}}'

    async def archived(route: Route) -> None:
        await route.fulfill(status=409, content_type="application/json", body=told)

    async with visit(chromium) as page:
        await sign_in(page, server)
        await page.route("**/playback-url*", archived)
        await page.goto(f"{server.url}/recordings/{known.id}")
        await shows_problem(page, "The sound is in the archive", "COPY_ARCHIVED")
        await page.screenshot(path=tmp_path / "archived.png", full_page=True)
        await page.unroute("**/playback-url*")
        await page.get_by_role("button", name="Try again").click()
        await wait_for_time(page, 0.2)


async def test_sound_comes_through_the_server_where_the_store_does_not_serve_this_browser(
    chromium: Browser, server: Server, known: Known
) -> None:
    async def refuse(route: Route) -> None:
        await route.fulfill(status=403, body="not from here")

    async with visit(chromium) as page:
        await sign_in(page, server)
        await page.route("**/s3/**", refuse)
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        await page.goto(f"{server.url}/recordings/{known.id}?t=2")
        await wait_for_time(page, 2, 2)
        await page.get_by_role("region", name="Player").get_by_role("button", name="Play").click()
        await wait_for_time(page, 2.3)
        assert any(re.match(rf"{re.escape(server.url)}/media/", url) for url in asked)
