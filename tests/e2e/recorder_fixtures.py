"""For the recorder's client: its page on another origin, a server that it may call, a browser that hears."""

import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright

from tests.e2e import recorder_page as on
from tests.fixtures.browser import ARGUMENTS, CHROMIUM
from tests.fixtures.clients import WITH_NODE
from tests.fixtures.server import Server, start_server


@pytest.fixture(scope="module")
def origin() -> Iterator[str]:
    """Where the page is: another origin than the server's, as in a host application."""
    subprocess.run([WITH_NODE, "node", "build.mjs"], cwd=on.SDK, check=True)
    with on.served() as found:
        yield found


@pytest.fixture(scope="module")
def keeper(tmp_path_factory: pytest.TempPathFactory, origin: str) -> Iterator[Server]:
    """A server that the page's origin may call."""
    running = start_server(tmp_path_factory.mktemp("keeper") / "data", REELKEEP_CORS_ORIGINS=origin)
    running.make_administrator()
    yield running
    running.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def hearing() -> AsyncIterator[Browser]:
    """Chromium with a microphone."""
    async with async_playwright() as playwright:
        arguments = [*ARGUMENTS, *on.MICROPHONE]
        browser = await playwright.chromium.launch(executable_path=shutil.which(CHROMIUM), args=arguments)
        yield browser
        await browser.close()
