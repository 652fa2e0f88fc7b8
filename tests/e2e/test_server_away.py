"""Before anything is there to show: the server is away, or a link cannot be used."""

import pytest
from playwright.async_api import Browser, expect

from tests.e2e.page import sign_in, visit
from tests.fixtures.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def test_a_page_opened_while_the_server_is_away_says_so_and_opens_when_asked_again(
    chromium: Browser, server: Server
) -> None:
    async with visit(chromium) as page:
        await sign_in(page, server)
        await page.route("**/api/**", lambda route: route.abort())
        await page.reload()
        problem = page.get_by_role("group", name="Reelkeep cannot be reached")
        await expect(problem).to_contain_text("Check the connection, then try again.", timeout=20_000)
        await expect(problem).not_to_contain_text("Code")
        await page.unroute("**/api/**")
        await problem.get_by_role("button", name="Try again").click()
        await expect(page.get_by_role("heading", name="Recordings", exact=True)).to_be_visible()


async def test_a_page_says_that_it_waits_for_a_slow_server(chromium: Browser, server: Server) -> None:
    async with visit(chromium) as page:
        await sign_in(page, server)
        await page.route("**/api/v1/auth/me", lambda _route: None)  # never answered
        await page.goto(f"{server.url}/recordings", wait_until="commit")
        await expect(page.get_by_role("status")).to_have_text("Loading…")


async def test_a_link_that_cannot_be_used_says_one_thing_and_leads_to_the_sign_in(
    chromium: Browser, server: Server
) -> None:
    async with visit(chromium) as page:
        await page.goto(f"{server.url}/set-password?token=used")
        await expect(page.get_by_role("heading", name="This link cannot be used")).to_be_visible()
        # What is over for good is not tried again.
        await expect(page.get_by_role("button", name="Try again")).to_have_count(0)
        await page.get_by_role("link", name="Go to the sign-in").click()
        await expect(page.get_by_role("heading", name="Sign in")).to_be_visible()

        await page.route("**/api/v1/auth/link", lambda route: route.abort())
        await page.goto(f"{server.url}/set-password?token=used")
        await expect(page.get_by_role("heading", name="The link could not be looked at")).to_be_visible(
            timeout=20_000
        )
        await page.unroute("**/api/v1/auth/link")
        await page.get_by_role("button", name="Try again").click()
        await expect(page.get_by_role("heading", name="This link cannot be used")).to_be_visible()
