"""The page about storage: for administrators, with the server's own figures, live where one answer fails."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.async_api import Browser, expect

from tests.e2e.conftest import Known, bring, wait_until_settled
from tests.e2e.page import findings, sign_in, tab_to, visit
from tests.fixtures.server import Server, start_server

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

MANAGER = ("manager@example.org", "a quiet river at dusk")
STORES = """
[stores.local.prices]
currency = "EUR"
storage = 100.0
[stores.local.prices.requests]
read = 1000
[stores.second]
kind = "local"
path = "{second}"
[stores.second.prices]
currency = "EUR"
storage = 1.0
"""
NO_SPACE = "Folder /mnt/backups: No space left on device."
WHOLE: dict[str, Any] = {
    "id": "0197f0aa-0000-7000-8000-000000000001",
    "state": "whole",
    "with_blobs": False,
    "started_at": "2026-11-19T02:40:00Z",
    "finished_at": "2026-11-19T02:41:00Z",
    "size_bytes": 48_000_000,
    "blobs": 10,
    "blobs_missing": 1,
    "error_code": None,
    "error_message": None,
    "drilled_at": None,
    "drill": None,
}
BACKUPS: dict[str, Any] = {
    "is_scheduled": True,
    "problem": f"The last backup failed: {NO_SPACE}",
    "fix": "Do what it says, then run `reelkeep backup`; docs/backup.md says more.",
    "last_whole_at": "2026-11-19T02:40:00Z",
    "last_drilled_at": None,
    "items": [{**WHOLE, "state": "failed", "size_bytes": None, "error_message": NO_SPACE}, WHOLE],
}
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
        "found_bad": {"since": "2026-10-21T00:00:00Z", "copies": 2, "last_at": "2026-11-19T00:00:00Z"},
        "reading_days": 30,
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
        await expect(tile).to_contain_text("read back within 30 days")
        await expect(tile).to_contain_text("2 copies were found missing or damaged")
        stores = page.get_by_role("region", name="Stores")
        await expect(stores).to_contain_text("2 copies missing")
        await expect(stores).to_contain_text(re.compile(r"Being moved to s3-eu, paused; \d+ copies left"))
        await expect(stores).to_contain_text("reelkeep storage migrate --from local --resume")

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


async def test_a_failed_backup_is_told_with_its_reason_and_what_to_do(
    chromium: Browser, server: Server, known: Known
) -> None:
    backups = "**/api/v1/backups"
    async with visit(chromium) as page:
        await sign_in(page, server)
        await page.goto(f"{server.url}/admin/storage")
        tile = page.get_by_role("region", name="Backups")
        # This installation has made none yet.
        await expect(tile).to_contain_text("There is no backup.")
        await expect(tile).to_contain_text("The operator makes one: reelkeep backup")

        await page.route(backups, lambda route: route.fulfill(json=BACKUPS))
        await page.reload()
        await expect(tile).to_contain_text(f"The last backup failed: {NO_SPACE}")
        await expect(tile.locator("code", has_text="reelkeep backup").first).to_be_visible()
        await expect(tile).to_contain_text("Last whole one")
        await expect(tile).to_contain_text("reelkeep backup drill")
        await tile.get_by_text("The latest").click()
        await expect(tile).to_contain_text("database only · 48 MB · 1 file missing")

        fine = {
            **BACKUPS,
            "problem": None,
            "fix": None,
            "last_drilled_at": "2026-11-18T00:00:00Z",
            "items": [],
        }
        await page.unroute(backups)
        await page.route(backups, lambda route: route.fulfill(json=fine))
        await page.reload()
        await expect(tile).to_contain_text("The last backup is whole.")
        await expect(tile).to_contain_text("Last restored as a test")

        await page.unroute(backups)
        await page.route(backups, lambda route: route.fulfill(status=503, body=AWAY))
        await page.reload()
        await expect(tile).to_contain_text("DATABASE_UNAVAILABLE", timeout=20_000)
        await expect(page.get_by_role("region", name="Stores")).to_contain_text("local")


@pytest.fixture
def two_stores(tmp_path: Path, spoken_wav: Path) -> Iterator[Server]:
    """A server with two folders and prices, and a recording in the first."""
    (tmp_path / "stores.toml").write_text(STORES.format(second=tmp_path / "second"))
    running = start_server(tmp_path / "data", REELKEEP_STORES_FILE=str(tmp_path / "stores.toml"))
    try:
        running.make_administrator()
        wait_until_settled(running, bring(running, "Visit.wav", spoken_wav.read_bytes()))
        yield running
    finally:
        running.stop()


async def test_a_move_is_tried_dry_by_the_keyboard_before_the_operator_begins_it(
    chromium: Browser, two_stores: Server
) -> None:
    async with visit(chromium, width=390) as page:
        await sign_in(page, two_stores)
        await page.goto(f"{two_stores.url}/admin/storage")
        section = page.get_by_role("region", name="What a move would do")
        await expect(section.get_by_label("From", exact=True)).to_have_value("local")
        await expect(section.get_by_label("To", exact=True)).to_have_value("second")
        await tab_to(page, "Show what it would do")
        await page.keyboard.press("Enter")
        result = section.get_by_role("status")
        await expect(result).to_contain_text(re.compile(r"copy [\d.]+ \wB \(\d+ copies\) to second"))
        await expect(result).to_contain_text(re.compile(r"then remove [\d.]+ \wB \(\d+ copies\) from local"))
        await expect(result).to_contain_text(
            re.compile(r"It would cost €[\d.]+ once, and then €[\d.]+ less a month")
        )
        await expect(result).to_contain_text("reelkeep storage migrate --from local --to second")
        sideways = await page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        assert sideways <= 0

        # An answer is never shown beside another question, and what cannot be is said in words.
        await section.get_by_label("To", exact=True).select_option(label="Where the rules want it")
        await expect(result).to_be_empty()
        await section.get_by_role("button", name="Show what it would do").click()
        await expect(result).to_contain_text("The rules want something only in 'local'")


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_nothing_in_a_dry_run(
    chromium: Browser, two_stores: Server, scheme: Literal["light", "dark"]
) -> None:
    async with visit(chromium, width=320, scheme=scheme, policed=False) as page:
        await sign_in(page, two_stores)
        await page.goto(f"{two_stores.url}/admin/storage")
        section = page.get_by_role("region", name="What a move would do")
        await section.get_by_role("button", name="Show what it would do").click()
        await expect(section.get_by_role("status")).to_contain_text("It would cost")
        assert await findings(page) == []


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
        "found_bad": {"since": "2026-10-21T00:00:00Z", "copies": 1, "last_at": "2026-11-19T00:00:00Z"},
        "reading_days": None,
        "moves": [{"source": "local", "target": "s3-eu", "state": "running"}],
    }
    async with visit(chromium, width=width, scheme=scheme, policed=False) as page:
        await sign_in(page, server)
        await page.route("**/api/v1/storage/usage", lambda route: route.fulfill(json=usage))
        await page.route("**/api/v1/storage/copies", lambda route: route.fulfill(json=states))
        await page.route("**/api/v1/backups", lambda route: route.fulfill(json=BACKUPS))
        await page.goto(f"{server.url}/admin/storage")
        await expect(page.get_by_role("region", name="Copies")).to_contain_text("1 copy damaged")
        await expect(page.get_by_role("region", name="Copies")).to_contain_text(
            "No copy is read back by itself"
        )
        await page.get_by_role("region", name="Backups").get_by_text("The latest").click()
        # The server knows no such store: what lies only there cannot be reached.
        await expect(page.get_by_role("region", name="Stores")).to_contain_text("Not configured any more")
        await expect(page.get_by_role("region", name="Cost")).to_contain_text("€1.76 a month")
        assert await findings(page) == []
        sideways = await page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        assert sideways <= 0
