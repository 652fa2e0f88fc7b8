"""A recording whose sound lies in an archive: what the page says, and the button that asks for it."""

import json
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Route, expect

from tests.e2e.conftest import Known
from tests.e2e.page import findings, sign_in, visit
from tests.fixtures.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def test_the_page_says_where_the_sound_is_and_asks_for_it_once(
    chromium: Browser, server: Server, known: Known, tmp_path: Path
) -> None:
    """The server here has no archive, so its answers about this one recording are changed on their way."""
    state, asked = {"media_state": "archived", "original_state": "archived"}, []

    async def shown(route: Route) -> None:
        if route.request.method != "GET":
            await route.fallback()
            return
        answer = await route.fetch()
        told: dict[str, Any] = await answer.json()
        await route.fulfill(response=answer, body=json.dumps(told | state))

    async def ask(route: Route) -> None:
        asked.append(route.request.method)
        state.update(media_state="restoring", original_state="restoring")
        answer = await route.fetch(method="GET", url=route.request.url.removesuffix("/restore-media"))
        await route.fulfill(response=answer, body=json.dumps(await answer.json() | state))

    async with visit(chromium, policed=False) as page:
        await sign_in(page, server)
        await page.route(f"**/api/v1/recordings/{known.id}", shown)
        await page.route(f"**/api/v1/recordings/{known.id}/restore-media", ask)
        await page.goto(f"{server.url}/recordings/{known.id}")
        await expect(page.get_by_text("The sound is in the archive.")).to_be_visible(timeout=20_000)
        assert await findings(page) == []
        await page.get_by_role("button", name="Bring it back").click()
        await expect(page.get_by_text("is being brought back from the archive")).to_be_visible()
        await expect(page.get_by_role("button", name="Bring it back")).to_have_count(0)
        await page.screenshot(path=tmp_path / "restoring.png", full_page=True)
        assert asked == ["POST"]
        state.update(media_state="missing", original_state="missing")
        await page.reload()
        await expect(page.get_by_text("The sound is missing: no store has it.")).to_be_visible()
