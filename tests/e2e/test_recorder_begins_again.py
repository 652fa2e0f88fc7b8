"""A recorder's worker that dies while its upload begins: the next one goes on with that upload."""

import asyncio

import pytest
from playwright.async_api import Browser, Route

from tests.e2e import recorder_page as on
from tests.e2e.test_recorder_sdk import KNOWS_WORKERS, at, at_server, on_server, seconds_of
from tests.fixtures.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def test_its_parts_keep_their_numbers_and_there_is_no_other_part(
    hearing: Browser, keeper: Server, origin: str
) -> None:
    begun = asyncio.Event()
    taken: list[str] = []

    async def unheard(route: Route) -> None:
        """The server begins the upload; its first answer never reaches the worker."""
        if route.request.method != "POST":
            return await route.continue_()
        answer = await route.fetch()
        taken.append(answer.headers.get("reelkeep-recording-id", f"none: {answer.status}"))
        if len(taken) > 1:
            return await route.fulfill(response=answer)
        return begun.set()

    async with at(hearing, KNOWS_WORKERS) as context:
        await context.route("**/api/v1/uploads/tus", unheard)
        page = await context.new_page()
        await on.open_page(page, on.address(origin, keeper.url, keeper.token))
        recording = await on.record(page, 3)
        await asyncio.wait_for(begun.wait(), on.SETTLED_SECONDS)
        await page.evaluate("workers.at(-1).terminate()")
        await on.until(page, "recorder.getSnapshot().parts === 2", 60)
        seconds = (await on.snapshot(page))["seconds"]
        await on.until(page, f"recorder.getSnapshot().seconds > {seconds} + 2")
        await page.evaluate("recorder.stop()")
        shown = await on.snapshot(page)
        entry = await on.safe(page, recording)
    assert taken[0] == taken[1] == entry["recordingIds"][0]
    details = [on_server(keeper, one) for one in entry["recordingIds"]]
    assert [one["part_number"] for one in details] == [1, 2]
    with keeper.client() as client:
        session = client.get(f"/api/v1/sessions/{details[0]['session_id']}").raise_for_status().json()
    assert [part["recording_id"] for part in session["parts"]] == entry["recordingIds"]
    heard = sum(seconds_of(at_server(keeper, one)) for one in entry["recordingIds"])
    assert heard == pytest.approx(shown["seconds"], abs=0.3)
