"""A recorder at a shared computer: what lies on its disk is read by nobody but whoever recorded it."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, BrowserContext, Error, Page, async_playwright

from tests.e2e import recorder_page as on
from tests.e2e.test_recorder_sdk import KNOWS_WORKERS, at, at_server, kill_browser_of, on_server, seconds_of
from tests.fixtures.browser import ARGUMENTS, CHROMIUM
from tests.fixtures.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

TITLE = "Rex coughs at night"
NAME = "rex-private.webm"
WEBM = b"\x1a\x45\xdf\xa3"
NOWHERE = "http://127.0.0.1:9"
ADA = {"userId": "ada", "organizationId": "clinic", "secret": "told-to-ada-alone", "sharedComputer": True}
BOB = {"userId": "bob", "organizationId": "clinic", "secret": "told-to-bob-alone", "sharedComputer": True}
NOT_SHARED = {**ADA, "sharedComputer": False}

#: Everything that the page's origin keeps, as text in which each character is a byte.
RAW = """async () => {
  const found = [];
  const bytes = (view) => Array.from(new Uint8Array(view), (byte) => String.fromCharCode(byte)).join('');
  const plain = (name, value) => value instanceof CryptoKey ? `key extractable ${value.extractable}`
    : ArrayBuffer.isView(value) ? bytes(value.buffer) : value;
  const root = await navigator.storage.getDirectory();
  const told = (row) => typeof row === 'string' ? row : JSON.stringify(row, plain);
  const folder = await root.getDirectoryHandle('reelkeep', { create: true });
  for await (const [name, handle] of folder.entries()) {
    found.push([`file ${name}`, bytes(await (await handle.getFile()).arrayBuffer())]);
  }
  const ended = (request) => new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
  for (const { name } of await indexedDB.databases()) {
    const database = await ended(indexedDB.open(name));
    for (const table of database.objectStoreNames) {
      const rows = await ended(database.transaction(table).objectStore(table).getAll());
      rows.forEach((row) => found.push([`${name} ${table}`, told(plain('', row))]));
    }
    database.close();
  }
  return found;
}"""


def signed_in(owner: dict[str, Any]) -> str:
    """A script after which the page knows who is here; an address would be kept in the history."""
    return f"window.signedIn = {json.dumps(owner)};"


@asynccontextmanager
async def page_of(context: BrowserContext, owner: dict[str, Any], url: str) -> AsyncIterator[Page]:
    """A page of the context with this person signed in."""
    page = await context.new_page()
    page.on("dialog", lambda dialog: asyncio.ensure_future(dialog.accept()))
    await page.add_init_script(signed_in(owner))
    await on.open_page(page, url)
    yield page
    await page.close()


async def record_named(page: Page, seconds: float) -> str:
    """Record something with words that nobody else may read."""
    await page.evaluate(f"recorder.describe({{ title: {TITLE!r}, filename: {NAME!r} }})")
    recording = await on.record(page, seconds)
    await page.evaluate("recorder.mark('the cough')")
    return recording


async def entry_of(page: Page, recording: str) -> dict[str, Any]:
    """As the page lists it."""
    return next(one for one in await on.unsent(page) if one["id"] == recording)


def shows(kept: list[list[str]], secret: bytes) -> list[str]:
    """Where it is found."""
    return [name for name, text in kept if secret.decode("latin-1") in text]


@pytest.mark.parametrize(
    ("kind", "worker"), [("disk", "/dist/worker.js"), ("database", "/without-files/worker.js")]
)
async def test_what_is_kept_shows_neither_sound_nor_words(
    hearing: Browser, keeper: Server, origin: str, kind: str, worker: str
) -> None:
    url = on.address(origin, NOWHERE, keeper.token, worker=worker)
    async with at(hearing) as context:
        for owner, open_to_all in ((NOT_SHARED, True), (ADA, False)):
            async with page_of(context, owner, url) as page:
                recording = await record_named(page, 3)
                shown = await on.snapshot(page)
                assert (shown["encrypted"], shown["keptIn"]) == (not open_to_all, kind)
                await page.evaluate("recorder.stop()")
                kept: list[list[str]] = await page.evaluate(RAW)
                local = await on.local_bytes(page, recording)
                assert local[0].startswith(WEBM)
                if open_to_all:
                    # That the look finds what lies open.
                    for secret in (WEBM, TITLE.encode(), NAME.encode(), b"the cough"):
                        assert shows(kept, secret), secret
                    await page.evaluate("(id) => client.discard(id)", recording)
                else:
                    for secret in (
                        WEBM,
                        TITLE.encode(),
                        NAME.encode(),
                        b"the cough",
                        b"Opus",
                        b"told-to-ada",
                    ):
                        assert shows(kept, secret) == [], secret
                    assert [name for name, text in kept if "key extractable false" in text] == [
                        "reelkeep-keys keys"
                    ]


async def test_a_killed_browser_leaves_files_that_only_its_owner_opens(
    keeper: Server, origin: str, tmp_path: Path
) -> None:
    """SIGKILL in mid-recording; the profile's files are searched; another person, then its owner comes."""
    profile = tmp_path / "profile"
    url = on.address(origin, keeper.url, keeper.token)
    async with async_playwright() as playwright:

        async def launch() -> BrowserContext:
            return await playwright.chromium.launch_persistent_context(
                profile, executable_path=shutil.which(CHROMIUM), args=[*ARGUMENTS, *on.MICROPHONE]
            )

        context = await launch()
        page = await context.new_page()
        await page.add_init_script(signed_in(ADA))
        await on.open_page(page, on.address(origin, NOWHERE, keeper.token))
        recording = await record_named(page, 5)
        before = await on.snapshot(page)
        kill_browser_of(profile)
        await asyncio.sleep(0.5)
        files = [path for path in profile.rglob("*") if path.is_file()]
        kept = b"".join(path.read_bytes() for path in files if path.parent.name != "Cache_Data")
        assert recording.encode() in kept, "the journal was looked at"
        for secret in (TITLE, NAME, "the cough", ADA["secret"]):
            assert str(secret).encode() not in kept, secret
            assert str(secret).encode("utf-16-le") not in kept, secret
        sound = [
            path for path in files if "File System" in path.parts and path.stat().st_size > before["bytes"]
        ]
        assert sound
        assert not any(WEBM in path.read_bytes() for path in sound)

        context = await launch()
        async with page_of(context, BOB, url) as page:
            others = await entry_of(page, recording)
            assert (others["phase"], others["mine"], others["title"]) == ("needs-sign-in", False, None)
            assert (others["encrypted"], others["marks"], others["recordingIds"]) == (True, [], [])
            assert not others["filename"].startswith("rex")
            with pytest.raises(Error, match="sign in as them"):
                await page.evaluate("(id) => bytesOf(id)", recording)
            await page.wait_for_timeout(500)
            assert (await entry_of(page, recording))["phase"] == "needs-sign-in"
        async with page_of(context, ADA, on.address(origin, keeper.url, keeper.token, hold="1")) as page:
            await on.until(page, "told.some(([name]) => name === 'found')")
            found = await entry_of(page, recording)
            assert (found["title"], found["foundAfterClose"], found["phase"]) == (TITLE, True, "on-device")
            assert [mark["name"] for mark in found["marks"]] == ["the cough"]
            assert found["bytes"] >= before["bytes"]
            local = await on.local_bytes(page, recording)
            await page.evaluate("client.sendUnsent()")
            entry = await on.safe(page, recording)
            assert not any(name.startswith("file") for name, _ in await page.evaluate(RAW))
            await page.evaluate("client.setOwner(null)")
            assert await on.unsent(page) == []
            assert not any("journal" in name for name, _ in await page.evaluate(RAW))
        await context.close()
    (recording_id,) = entry["recordingIds"]
    media = at_server(keeper, recording_id)
    assert media == b"".join(local)
    assert media.startswith(WEBM)
    assert seconds_of(media) == pytest.approx(found["seconds"], abs=0.3)
    assert on_server(keeper, recording_id)["title"] == TITLE


async def test_a_reload_in_mid_recording_goes_on_with_the_upload_where_it_was(
    hearing: Browser, keeper: Server, origin: str
) -> None:
    url = on.address(origin, keeper.url, keeper.token)
    async with at(hearing) as context, page_of(context, ADA, url) as page:
        recording = await record_named(page, 5)
        await on.until(page, "recorder.getSnapshot().sentBytes > 0")
        before = await on.snapshot(page)
        await page.reload()
        await on.until(page, "window.client?.loaded()")
        entry = await on.safe(page, recording)
    assert entry["bytes"] >= before["bytes"]
    (recording_id,) = entry["recordingIds"]
    media = at_server(keeper, recording_id)
    assert (len(media), media[:4]) == (entry["bytes"], WEBM)
    assert seconds_of(media) == pytest.approx(entry["seconds"], abs=0.3)


async def test_the_name_of_a_picked_file_is_its_owners_too(
    hearing: Browser, keeper: Server, origin: str
) -> None:
    choose = """() => {
      const bytes = new TextEncoder().encode('RIFF\\u0010\\u0000\\u0000\\u0000WAVE' + 'sound'.repeat(100));
      const file = new File([bytes], 'rex-private.wav', { type: 'audio/wav', lastModified: 1 });
      return client.createUpload(file).then(({ id }) => id); }"""
    url = on.address(origin, keeper.url, keeper.token)
    async with at(hearing) as context:
        async with page_of(context, ADA, on.address(origin, NOWHERE, keeper.token)) as page:
            upload = await page.evaluate(choose)
            assert (await entry_of(page, upload))["filename"] == "rex-private.wav"
            kept: list[list[str]] = await page.evaluate(RAW)
            assert any(upload in text for _, text in kept)
            assert shows(kept, b"rex-private") == []
        async with page_of(context, BOB, url) as page:
            others = await entry_of(page, upload)
            assert (others["phase"], others["mine"]) == ("needs-sign-in", False)
            assert "rex" not in others["filename"]
        async with page_of(context, ADA, url) as page:
            await on.until(page, "client.unsent()[0]?.phase === 'needs-file'")
            assert await page.evaluate(choose) == upload
            await on.safe(page, upload)


async def test_the_policy_may_change_while_recordings_lie_there(
    hearing: Browser, keeper: Server, origin: str
) -> None:
    """On and off again: what lay there before is sent either way, and going on follows the policy."""
    away, here = (on.address(origin, url, keeper.token) for url in (NOWHERE, keeper.url))
    made: list[str] = []
    async with at(hearing) as context:
        for owner in (NOT_SHARED, ADA):
            async with page_of(context, owner, away) as page:
                made.append(await record_named(page, 2))
                await page.evaluate("recorder.stop()")
                if owner is NOT_SHARED:
                    await page.evaluate(f"client.setOwner({json.dumps(ADA)})")
                    await page.evaluate("recorder.goOn()")
                    await on.until(page, "recorder.getSnapshot().parts === 2")
                    await page.wait_for_timeout(2500)
                    await page.evaluate("recorder.stop()")
                kept: list[list[str]] = await page.evaluate(RAW)
                sound = shows(kept, WEBM)
                assert sound == [f"file {made[0]}.1"]
                assert shows(kept, TITLE.encode()) == []
        async with page_of(context, NOT_SHARED, here) as page:
            entries = [await on.safe(page, recording) for recording in made]
    assert [len(entry["recordingIds"]) for entry in entries] == [2, 1]
    for entry in entries:
        media = [at_server(keeper, one) for one in entry["recordingIds"]]
        assert sum(len(one) for one in media) == entry["bytes"]
        assert all(seconds_of(one) > 1 for one in media)


async def test_a_lost_key_is_said_and_the_rest_is_not_touched(
    hearing: Browser, keeper: Server, origin: str
) -> None:
    url = on.address(origin, keeper.url, keeper.token)
    async with at(hearing) as context:
        async with page_of(context, ADA, on.address(origin, NOWHERE, keeper.token)) as page:
            recording = await record_named(page, 2)
            await page.evaluate("recorder.stop()")
        async with page_of(context, {**ADA, "secret": "another"}, url) as page:
            lost = await entry_of(page, recording)
            assert (lost["phase"], lost["problem"]["code"]) == ("refused", "LOCAL_KEY_LOST")
            with pytest.raises(Error, match="cannot be read"):
                await page.evaluate("(id) => bytesOf(id)", recording)
        async with page_of(context, ADA, url) as page:
            await on.safe(page, recording)


async def test_a_worker_that_dies_after_the_sign_out_goes_on_encrypted(
    hearing: Browser, keeper: Server, origin: str
) -> None:
    url = on.address(origin, keeper.url, keeper.token)
    async with at(hearing, KNOWS_WORKERS) as context, page_of(context, ADA, url) as page:
        recording = await record_named(page, 3)
        await page.evaluate("client.setOwner(null)")
        assert (await entry_of(page, recording))["title"] is None
        await page.evaluate("workers.at(-1).terminate()")
        await on.until(page, "recorder.getSnapshot().parts === 2", 60)
        seconds = (await on.snapshot(page))["seconds"]
        await on.until(page, f"recorder.getSnapshot().seconds > {seconds} + 2")
        await page.evaluate("recorder.stop()")
        kept: list[list[str]] = await page.evaluate(RAW)
        assert (shows(kept, WEBM), shows(kept, TITLE.encode())) == ([], [])
        shown = await on.snapshot(page)
        await page.evaluate(f"client.setOwner({json.dumps(ADA)})")
        entry = await on.safe(page, recording)
    heard = sum(seconds_of(at_server(keeper, one)) for one in entry["recordingIds"])
    assert heard == pytest.approx(shown["seconds"], abs=0.3)
