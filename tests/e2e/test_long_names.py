"""Names as people give them: very long, in one word, from right to left."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from tests.e2e.conftest import Known, bring, wait_until_settled
from tests.e2e.page import sign_in, visit
from tests.fixtures.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

LONG = "Donaudampfschifffahrtsgesellschaft" * 5
ARABIC = "زيارة السيدة ليلى إلى العيادة يوم الثلاثاء مع ابنتها ومترجمة من المستشفى"
#: Whether an element's text is cut, and its first letter is not what is cut off.
FIRST_LETTER = """(element) => {
  const range = document.createRange();
  range.setStart(element.firstChild, 0);
  range.setEnd(element.firstChild, 1);
  const [letter, box] = [range.getBoundingClientRect(), element.getBoundingClientRect()];
  const isCut = element.scrollWidth > element.clientWidth;
  return isCut && letter.left >= box.left - 1 && letter.right <= box.right + 1;
}"""


@pytest.fixture(scope="module")
def named(server: Server, spoken_wav: Path) -> Iterator[tuple[Known, Known]]:
    """One with a very long word for a name, one with an Arabic name."""
    both = [
        Known(bring(server, "a.wav", spoken_wav.read_bytes(), title=name), name, {})
        for name in (LONG, ARABIC)
    ]
    wait_until_settled(server, both[0].id)
    yield both[0], both[1]
    with server.client() as client:
        for one in both:
            client.delete(f"/api/v1/recordings/{one.id}")


async def test_nothing_runs_over_the_edge_of_a_phone(
    chromium: Browser, server: Server, named: tuple[Known, Known]
) -> None:
    async with visit(chromium, width=390, height=844) as page:
        await sign_in(page, server)
        for path in ("", "/read"):
            await page.goto(f"{server.url}/recordings/{named[0].id}{path}")
            await expect(page.get_by_role("heading", name=LONG)).to_be_visible()
            assert await page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0
        await page.goto(f"{server.url}/recordings/{named[0].id}")
        await page.get_by_role("button", name="Details").click()
        close = page.get_by_role("dialog").get_by_role("button", name="Close")
        box = await close.bounding_box()
        assert box is not None
        assert box["x"] + box["width"] <= 390
        await close.click()
        await expect(page.get_by_role("dialog")).to_have_count(0)


async def test_a_name_from_right_to_left_is_cut_at_its_end(
    chromium: Browser, server: Server, named: tuple[Known, Known]
) -> None:
    async with visit(chromium, width=390, height=844) as page:
        await sign_in(page, server)
        assert await page.get_by_text(named[1].title).evaluate(FIRST_LETTER)
