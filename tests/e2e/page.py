"""What a person does with the page, as functions over a real browser."""

import base64
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

from playwright.async_api import Browser, BrowserContext, Locator, Page, expect

from tests.fixtures.server import Server

#: What the server needs for a few seconds of speech on a busy machine.
PROCESSED_MS = 120_000
AUDIO = "document.querySelector('audio')"
AXE = Path(__file__).parents[2] / "web" / "node_modules" / "axe-core" / "axe.min.js"
#: Firefox tells a driver nothing of what its policy stopped.
POLICED = """addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) => {
  throw new Error(`Security Policy: ${violatedDirective} stopped ${blockedURI}`);
});"""
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@asynccontextmanager
async def visit(
    chromium: Browser,
    *,
    width: int = 1280,
    height: int = 800,
    scheme: Literal["light", "dark"] = "light",
    policed: bool = True,
) -> AsyncIterator[Page]:
    """A fresh browser profile with one page; what it throws, or its policy stops, fails the test.

    Axe copies the styles of shadow roots, which the policy stops: with it, `policed` is off.
    """
    context: BrowserContext = await chromium.new_context(
        viewport={"width": width, "height": height}, color_scheme=scheme, reduced_motion="reduce"
    )
    page = await context.new_page()
    thrown: list[str] = []
    page.on("pageerror", lambda error: thrown.append(str(error)))
    if policed:
        await page.add_init_script(POLICED)
        page.on("console", lambda line: thrown.append(line.text) if "Security Policy" in line.text else None)
    try:
        yield page
    finally:
        await context.close()
    assert thrown == [], thrown


async def sign_in(page: Page, server: Server) -> None:
    """By the form, as the administrator; by keys, since Playwright's `fill` in Firefox goes past React."""
    await page.goto(f"{server.url}/login")
    await page.get_by_label("E-mail").press_sequentially(server.admin_email)
    await page.get_by_label("Password", exact=True).press_sequentially(server.admin_password)
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("heading", name="Recordings", exact=True)).to_be_visible()


async def drop(page: Page, name: str, data: bytes, content_type: str = "audio/wav") -> None:
    """Drop a file on the page, wherever."""
    transfer = await page.evaluate_handle(
        """([name, type, text]) => {
          const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
          const transfer = new DataTransfer();
          transfer.items.add(new File([bytes], name, { type }));
          return transfer;
        }""",
        [name, content_type, base64.b64encode(data).decode()],
    )
    for event in ("dragenter", "dragover", "drop"):
        await page.dispatch_event("main", event, {"dataTransfer": transfer})


def uploads(page: Page) -> Locator:
    """The panel of what is on its way."""
    return page.get_by_role("region", name="Uploads")


async def media_time(page: Page) -> float:
    """Where the one media element is, in seconds."""
    return float(await page.evaluate(f"{AUDIO}?.currentTime ?? -1"))


async def wait_for_time(page: Page, at_least: float, at_most: float = 1e9, seconds: float = 15) -> float:
    """Until the sound is there. Polled here: the page's policy forbids the eval of Playwright's own wait."""
    deadline = time.monotonic() + seconds
    while not at_least <= (now := await media_time(page)) <= at_most:
        assert time.monotonic() < deadline, f"the sound is at {now}, wanted {at_least} to {at_most}"
        await page.wait_for_timeout(50)
    return now


async def click_last_word(page: Page) -> None:
    """Of the transcript."""
    paragraph = page.get_by_role("list", name="Transcript").locator("p").last
    place = await paragraph.evaluate(
        """(it) => { const range = document.createRange(); const text = it.firstChild;
          range.setStart(text, text.length - 1); range.setEnd(text, text.length);
          const box = range.getBoundingClientRect(); return [box.x + 1, box.y + box.height / 2]; }"""
    )
    await page.mouse.click(*place)


async def spoken(page: Page) -> list[str]:
    """The words that are marked as being heard."""
    return list(await page.evaluate("[...(CSS.highlights.get('spoken') ?? [])].map(String)"))


async def tab_to(page: Page, name: str, presses_max: int = 80) -> None:
    """Go on by Tab until the focused control has this name."""
    for _ in range(presses_max):
        await page.keyboard.press("Tab")
        focused = await page.evaluate(
            """() => { const it = document.activeElement;
              return it.getAttribute('aria-label') ?? it.labels?.[0]?.textContent ?? it.textContent; }"""
        )
        if focused is not None and focused.strip() == name:
            return
    raise AssertionError(f"{name!r} cannot be reached with the keyboard")


async def findings(page: Page) -> list[dict[str, Any]]:
    """What axe finds on the page as it is, target sizes included."""
    await page.evaluate(AXE.read_text(encoding="utf-8"))
    result = await page.evaluate(
        """async (tags) => {
          const { violations } = await axe.run(document, {
            runOnly: { type: 'tag', values: tags }, rules: { 'target-size': { enabled: true } } });
          return violations.map(({ id, help, nodes }) => (
            { id, help, where: nodes.map((node) => [node.target.join(' '), node.failureSummary]) }));
        }""",
        RULES,
    )
    return list(result)
