"""tus-js-client, as it is, against a running installation."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from reelkeep.runtime import Runtime
from tests.fixtures.clients import run_client
from tests.fixtures.live import live
from tests.fixtures.media import beeps, wav
from tests.fixtures.runtime import Person, client_of
from tests.service.test_tus import PATH, VERSION, is_in_the_trash_alone, recordings
from tests.service.test_uploads import download

SOUND = wav(beeps(60.0))
NAMED = {"filename": "visit ü.wav", "filetype": "audio/wav"}


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    """A file of some size."""
    path = tmp_path / "visit.wav"
    path.write_bytes(SOUND)
    return path


async def upload(url: str, person: Person, sound: Path, **asked: Any) -> dict[str, Any]:
    """Run the client to its end."""
    given = {"endpoint": url + PATH, "file": str(sound), "headers": person.headers, "metadata": NAMED}
    return await run_client("tus-upload.mjs", {**given, **asked})


async def is_whole(runtime: Runtime, person: Person) -> None:
    """The only recording is the file."""
    (recording,) = await recordings(runtime, person)
    assert (recording.status, recording.original_filename) == ("uploaded", "visit ü.wav")
    async with client_of(runtime, person) as client:
        assert await download(client, str(recording.id)) == SOUND


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"chunkSize": 700_000},
        {"duringCreation": True},
        {"duringCreation": True, "chunkSize": 3_000_000},
        {"deferLength": True, "chunkSize": 1_000_000},
    ],
    ids=["whole", "in chunks", "with the creation", "begun with the creation", "of unknown length"],
)
async def test_tus_js_client_uploads(
    any_runtime: Runtime, person: Person, sound: Path, asked: dict[str, Any]
) -> None:
    async with live(any_runtime) as url:
        told = await upload(url, person, sound, **asked)
    assert told["state"] == "done", told
    await is_whole(any_runtime, person)


async def test_tus_js_client_goes_on_after_a_cut_and_sends_no_byte_twice_that_is_safe(
    any_runtime: Runtime, person: Person, sound: Path
) -> None:
    async with live(any_runtime) as url:
        cut = await upload(url, person, sound, cutAfter=2_000_000, chunkSize=1_000_000)
        assert cut["state"] == "cut", cut
        async with httpx.AsyncClient() as client:
            seen = await client.head(cut["url"], headers=VERSION)
        assert 1_000_000 <= int(seen.headers["upload-offset"]) < len(SOUND)
        # Signed out by now: the address is enough.
        told = await upload(url, person, sound, uploadUrl=cut["url"], headers={})
    assert (told["state"], told["statuses"]) == ("done", ["HEAD 200", "PATCH 204"])
    await is_whole(any_runtime, person)


async def test_tus_js_client_gives_an_upload_up(any_runtime: Runtime, person: Person, sound: Path) -> None:
    async with live(any_runtime) as url:
        told = await upload(url, person, sound, cutAfter=2_000_000, chunkSize=1_000_000, abort=True)
        assert (told["state"], told["statuses"][-1]) == ("cut", "DELETE 204")
    (recording,) = await recordings(any_runtime, person)
    async with client_of(any_runtime, person) as client:
        await is_in_the_trash_alone(any_runtime, person, client, str(recording.id))


async def test_tus_js_client_is_told_that_its_content_is_refused_and_does_not_try_again(
    any_runtime: Runtime, person: Person, tmp_path: Path
) -> None:
    document = tmp_path / "visit.wav"
    document.write_bytes(b"%PDF-1.7 and so on" * 1000)
    async with live(any_runtime) as url:
        told = await upload(url, person, document)
    assert (told["state"], told["status"], told["statuses"]) == ("failed", 410, ["POST 201", "PATCH 410"])
    assert "UNSUPPORTED_TYPE" in told["body"]


async def test_tus_js_client_waits_for_a_server_that_is_away_for_a_moment(
    any_runtime: Runtime, person: Person, sound: Path
) -> None:
    """It is restarted in the midst: the client tries again and goes on."""
    async with live(any_runtime) as url:
        going = asyncio.create_task(upload(url, person, sound, chunkSize=100_000))
        async with asyncio.timeout(20):
            while not await recordings(any_runtime, person):  # noqa: ASYNC110 - rows have no event
                await asyncio.sleep(0.01)
    async with live(any_runtime, int(url.rpartition(":")[2])):
        told = await going
    assert told["state"] == "done", told
    await is_whole(any_runtime, person)
