"""The page about storage: for administrators, with the server's own figures, live where one answer fails."""

import re
import subprocess
import sys
from typing import Literal

import pytest
from playwright.async_api import Browser, expect

from tests.e2e.conftest import Known
from tests.e2e.page import findings, sign_in, visit
from tests.fixtures.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

MANAGER = ("manager@example.org", "a quiet river at dusk")
AWAY = '{"message": "The database is away.", "error_code": "DATABASE_UNAVAILABLE", "details": {}}'


async def test_an_administrator_sees_what_lies_where(chromium: Browser, server: Server, known: Known) -> None:
    with server.client() as client:
        told = client.get("/api/v1/storage/usage").raise_for_status().json()
    assert told["copies"] >= 3, f"of {known.title}: the original, playback and peaks"
    async with visit(chromium) as page:
        await sign_in(page, server)
        await page.get_by_role("navigation", name="Main").get_by_role("link", name="Storage").first.click()
        await expect(page.get_by_role("heading", name="Storage", exact=True)).to_be_focused()
        stores = page.get_by_role("region", name="Stores").get_by_role("listitem")
        await expect(stores).to_have_count(1)
        await expect(stores.get_by_role("heading", name="local")).to_be_visible()
        await expect(stores).to_contain_text(re.compile(r"[\d.]+ \wB in \d+ copies"))
        await expect(stores).to_contain_text("Folder on the server · Takes new recordings")
        await expect(page.get_by_role("region", name="Space")).to_contain_text("No limit is set.")
        await expect(page.get_by_role("region", name="Cost")).to_contain_text("no prices")
        await expect(page.get_by_role("region", name="Copies")).to_contain_text(
            re.compile("missing or damaged|where it should be")
        )


async def test_a_lost_copy_is_told_with_what_repairs_it_and_one_failed_tile_leaves_the_rest(
    chromium: Browser, server: Server, known: Known
) -> None:
    lost = {
        "unsettled": [{"store": "local", "state": "missing", "copies": 2}],
        "all_counted": True,
        "verified_last": None,
        "verified_longest_ago": None,
        "has_unverified": True,
        "moves": [{"source": "local", "target": "s3-eu", "state": "paused"}],
    }
    copies = "**/api/v1/storage/copies"
    async with visit(chromium) as page:
        await sign_in(page, server)
        await page.route(copies, lambda route: route.fulfill(json=lost))
        await page.goto(f"{server.url}/admin/storage")
        tile = page.get_by_role("region", name="Copies")
        await expect(tile).to_contain_text("2 copies missing")
        await expect(tile).to_contain_text("reelkeep storage check --repair")
        stores = page.get_by_role("region", name="Stores")
        await expect(stores).to_contain_text("2 copies missing")
        await expect(stores).to_contain_text(re.compile(r"Being moved to s3-eu, paused; \d+ copies left"))

        await page.unroute(copies)
        await page.route(copies, lambda route: route.fulfill(status=503, body=AWAY))
        await page.reload()
        await expect(tile).to_contain_text("DATABASE_UNAVAILABLE", timeout=20_000)
        await expect(page.get_by_role("region", name="Stores")).to_contain_text("local")
        await page.unroute(copies)
        await tile.get_by_role("button", name="Try again").click()
        await expect(tile).not_to_contain_text("DATABASE_UNAVAILABLE")

        await page.route("**/api/v1/storage/usage", lambda route: route.fulfill(status=503, body=AWAY))
        await page.reload()
        problem = page.get_by_role("group", name="Storage could not be loaded")
        await expect(problem).to_contain_text("reelkeep doctor", timeout=20_000)


async def test_whoever_is_no_administrator_meets_no_storage(chromium: Browser, server: Server) -> None:
    command = [sys.executable, "-m", "reelkeep", "users", "add", MANAGER[0], "--role", "manager"]
    subprocess.run(
        [*command, "--data", str(server.data), "--password-stdin"],
        input=MANAGER[1],
        text=True,
        check=True,
        capture_output=True,
    )
    async with visit(chromium) as page:
        await page.goto(f"{server.url}/login")
        await page.get_by_label("E-mail").fill(MANAGER[0])
        await page.get_by_label("Password", exact=True).fill(MANAGER[1])
        await page.get_by_role("button", name="Sign in").click()
        await expect(page.get_by_role("heading", name="Recordings", exact=True)).to_be_visible()
        await expect(page.get_by_role("link", name="Storage")).to_have_count(0)
        await page.goto(f"{server.url}/admin/storage")
        await expect(page.get_by_role("heading", name="Not here, or not yours to see")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1280])
async def test_axe_finds_nothing_where_copies_are_lost_and_space_runs_out(
    chromium: Browser, server: Server, known: Known, scheme: Literal["light", "dark"], width: int
) -> None:
    places = [
        ("s3-eu", "", 39_800_000_000, 14_190, "0.9154"),
        ("s3-eu", "GLACIER_IR", 212_000_000_000, 30_412, "0.8480"),
        ("local", "", 41_200_000_000, 14_201, None),
    ]
    names = ("store", "storage_class", "bytes", "copies", "cost_per_month")
    usage = {
        "stores": [dict(zip(names, place, strict=True)) for place in places],
        "bytes_stored": 293_000_000_000,
        "copies": 58_803,
        "currency": "EUR",
        "cost_per_month": "1.7634",
        "stores_without_prices": ["local"],
        "bytes_used": 252_000_000_000,
        "bytes_reserved": 1_000_000,
        "quota_bytes": 255_000_000_000,
    }
    states = {
        "unsettled": [
            {"store": "s3-eu", "state": "damaged", "copies": 1},
            {"store": "local", "state": "making", "copies": 10_000},
        ],
        "all_counted": False,
        "verified_last": "2026-11-20T09:12:00Z",
        "verified_longest_ago": "2026-10-28T02:40:00Z",
        "has_unverified": True,
        "moves": [{"source": "local", "target": "s3-eu", "state": "running"}],
    }
    async with visit(chromium, width=width, scheme=scheme, policed=False) as page:
        await sign_in(page, server)
        await page.route("**/api/v1/storage/usage", lambda route: route.fulfill(json=usage))
        await page.route("**/api/v1/storage/copies", lambda route: route.fulfill(json=states))
        await page.goto(f"{server.url}/admin/storage")
        await expect(page.get_by_role("region", name="Copies")).to_contain_text("1 copy damaged")
        # The server knows no such store: what lies only there cannot be reached.
        await expect(page.get_by_role("region", name="Stores")).to_contain_text("Not configured any more")
        await expect(page.get_by_role("region", name="Cost")).to_contain_text("€1.76 a month")
        assert await findings(page) == []
        sideways = await page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        assert sideways <= 0
