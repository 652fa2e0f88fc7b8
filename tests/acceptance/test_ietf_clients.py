"""tus-js-client in the IETF's drafts, as it is, against a running installation that sends no `104`."""

import json
from pathlib import Path
from typing import Any

import pytest

from reelkeep.runtime import Runtime
from tests.fixtures.clients import run_client
from tests.fixtures.live import live
from tests.fixtures.media import beeps, wav
from tests.fixtures.runtime import Person, add_person, client_of
from tests.service.test_tus import recordings
from tests.service.test_uploads import download

SOUND = wav(beeps(30.0))
DESCRIBED = {"Content-Type": "audio/wav", "Reelkeep-Recording": json.dumps({"filename": "visit.wav"})}


async def upload(url: str, file: Path, protocol: str, **asked: Any) -> dict[str, Any]:
    """Run the client to its end."""
    file.write_bytes(SOUND)
    given = {"endpoint": f"{url}/api/v1/recordings/upload", "file": str(file), "protocol": protocol}
    return await run_client("tus-upload.mjs", {**given, **asked})


async def is_whole(runtime: Runtime, person: Person) -> None:
    """The only recording is the file."""
    (recording,) = await recordings(runtime, person)
    async with client_of(runtime, person) as client:
        assert await download(client, str(recording.id)) == SOUND


@pytest.mark.parametrize("asked", [{}, {"chunkSize": 700_000}, {"duringCreation": True}], ids=str)
@pytest.mark.parametrize("protocol", ["ietf-draft-03", "ietf-draft-05"])
async def test_tus_js_client_uploads_in_the_drafts(
    runtime: Runtime, tmp_path: Path, protocol: str, asked: dict[str, Any]
) -> None:
    person = await add_person(runtime)
    async with live(runtime) as url:
        told = await upload(
            url, tmp_path / "a.wav", protocol, headers={**person.headers, **DESCRIBED}, **asked
        )
    assert told["state"] == "done", told
    await is_whole(runtime, person)


@pytest.mark.parametrize("protocol", ["ietf-draft-03", "ietf-draft-05"])
async def test_tus_js_client_goes_on_in_the_drafts(runtime: Runtime, tmp_path: Path, protocol: str) -> None:
    person, file = await add_person(runtime), tmp_path / "a.wav"
    async with live(runtime) as url:
        headers = {**person.headers, **DESCRIBED}
        cut = await upload(url, file, protocol, headers=headers, cutAfter=1_000_000, chunkSize=500_000)
        assert cut["state"] == "cut", cut
        told = await upload(url, file, protocol, uploadUrl=cut["url"])
    assert (told["state"], told["statuses"]) == ("done", ["HEAD 204", "PATCH 201"]), told
    await is_whole(runtime, person)
