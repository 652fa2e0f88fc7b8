"""Recordings that are never played: encrypted by their app, or with their sound not kept; and held ones."""

import json
import re
from collections.abc import Iterator
from typing import Any, Literal

import httpx
import pytest
from playwright.async_api import Browser, Page, Route, expect

from tests.e2e.conftest import Known, wait_until_settled
from tests.e2e.page import findings, sign_in, visit
from tests.fixtures.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

UNKEPT = {
    "media_kept": False,
    "original_removed": True,
    "playback_ready": False,
    "peaks_ready": False,
    "media_state": "missing",
    "original_state": "missing",
}


@pytest.fixture(scope="module")
def encrypted(server: Server) -> Iterator[Known]:
    """A recording of bytes that only its app can read."""
    with server.client() as client:
        asked = {
            "filename": "secret.bin",
            "content_type": "application/octet-stream",
            "title": "Secret visit",
        }
        ticket = (
            client.post("/api/v1/recordings/upload/initiate", json={**asked, "client_encrypted": True})
            .raise_for_status()
            .json()
        )
        file = ("secret.bin", bytes(range(256)) * 40, "application/octet-stream")
        httpx.post(
            ticket["upload_url"], data=ticket["upload_fields"], files={"file": file}
        ).raise_for_status()
        client.post(
            f"/api/v1/recordings/upload/complete/{ticket['recording_id']}", json={}
        ).raise_for_status()
    wait_until_settled(server, ticket["recording_id"])
    yield Known(ticket["recording_id"], "Secret visit", {})
    with server.client() as client:
        client.delete(f"/api/v1/recordings/{ticket['recording_id']}")


@pytest.fixture(scope="module")
def mute(known: Known, encrypted: Known) -> tuple[Known, Known]:
    """The first is answered as if its sound had not been kept."""
    return known, encrypted


async def answer_with(page: Page, recording_id: str, **changed: Any) -> None:
    """The server's own answer with some of it as it would be elsewhere."""

    async def change(route: Route) -> None:
        told = json.loads(await (await route.fetch()).text())
        await route.fulfill(json={**told, **changed})

    await page.route(f"**/api/v1/recordings/{recording_id}", change)


async def test_what_its_app_has_encrypted_is_only_offered_as_a_file(
    chromium: Browser, server: Server, encrypted: Known
) -> None:
    async with visit(chromium) as page:
        await sign_in(page, server)
        row = page.get_by_role("listitem").filter(has_text="Secret visit")
        await expect(row).to_contain_text("Kept, encrypted")
        await expect(row.get_by_role("button", name="it cannot be played")).to_be_disabled()

        await page.goto(f"{server.url}/recordings/{encrypted.id}")
        place = page.get_by_role("region", name="Player")
        await expect(place).to_contain_text("Encrypted before it came here")
        await expect(place.get_by_role("button")).to_have_count(0)
        words = page.get_by_role("region", name="Transcript")
        await expect(words).to_have_text("There is no transcript of what is encrypted.")
        await page.get_by_role("button", name="Download").click()
        await expect(page.get_by_role("menuitem")).to_have_text(["Encrypted file"])
        async with page.expect_download() as download:
            await page.get_by_role("menuitem").click()
        assert (await (await download.value).path()).stat().st_size == 256 * 40


async def test_sound_that_was_not_kept_is_said_not_to_be_and_the_words_stay(
    chromium: Browser, server: Server, known: Known
) -> None:
    async with visit(chromium) as page:
        await sign_in(page, server)
        await answer_with(page, known.id, **UNKEPT)
        await page.goto(f"{server.url}/recordings/{known.id}")
        place = page.get_by_role("region", name="Player")
        await expect(place).to_contain_text("The sound was not kept")
        words = page.get_by_role("region", name="Transcript")
        await expect(words.get_by_role("listitem").first).to_be_visible()
        # Nothing is called missing, and no time is a button that would play nothing.
        await expect(page.get_by_text("no store has it")).to_have_count(0)
        await expect(words.get_by_role("button")).to_have_count(0)
        await page.get_by_role("button", name="Download").click()
        await expect(page.get_by_role("menuitem", name="Original file")).to_be_disabled()
        await expect(page.get_by_role("menuitem", name="Text (.txt)")).to_be_enabled()


async def test_a_hold_is_shown_with_its_reason(chromium: Browser, server: Server, known: Known) -> None:
    at = f"/api/v1/recordings/{known.id}/hold"
    with server.client() as client:
        client.post(at, json={"reason": "Case 2026-117, until the hearing"}).raise_for_status()
    try:
        async with visit(chromium) as page:
            await sign_in(page, server)
            await page.goto(f"{server.url}/recordings/{known.id}")
            await expect(page.get_by_text("nothing of it can be removed for good")).to_be_visible()
            await expect(
                page.get_by_text(re.compile(r"Case 2026-117, until the hearing \(since .+\)"))
            ).to_be_visible()
    finally:
        with server.client() as client:
            client.delete(at).raise_for_status()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1280])
async def test_axe_finds_nothing_where_there_is_no_sound(
    chromium: Browser, server: Server, mute: tuple[Known, Known], width: int, scheme: Literal["light", "dark"]
) -> None:
    known = mute[0]
    async with visit(chromium, width=width, scheme=scheme, policed=False) as page:
        await sign_in(page, server)
        holds = [{"id": known.id, "reason": "x" * 300, "created_at": "2026-11-20T09:12:00Z"}]
        await answer_with(page, known.id, **UNKEPT, held=True, holds=holds)
        for recording in mute:
            await page.goto(f"{server.url}/recordings/{recording.id}")
            await expect(page.get_by_role("heading", name=recording.title)).to_be_visible()
            await expect(page.get_by_role("region", name="Player")).to_be_visible()
            assert await findings(page) == []
            sideways = await page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
            assert sideways <= 0
