"""A client that asks how far its upload is while another of its requests ends it."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from reelkeep.recordings.create import NewRecording
from reelkeep.runtime import Runtime
from reelkeep.uploads import receive as uploads_receive
from reelkeep.uploads.models import Upload, UploadMethod, UploadState
from reelkeep.uploads.receive import look, open_growing, receive
from reelkeep.uploads.writers import Writers
from reelkeep.wiring import open_runtime
from tests.fixtures.media import beeps, wav
from tests.fixtures.runtime import add_person, settings_for

SOUND = wav(beeps(1))


async def whole() -> AsyncIterator[bytes]:
    yield SOUND


async def nothing() -> AsyncIterator[bytes]:
    return
    yield b""


async def test_a_look_in_whose_midst_the_upload_is_sealed_tells_of_all_its_bytes(
    tmp_path: Path, conninfo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_runtime(settings_for(tmp_path, conninfo)) as runtime:
        organization_id = (await add_person(runtime)).organization_id
        new = NewRecording("rex.wav", "audio/wav", transcribe=False)
        upload = await open_growing(runtime, organization_id, None, new, UploadMethod.TUS, length=len(SOUND))

        async def sealed_meanwhile(_: Writers, found: Upload, __: Runtime) -> bool:
            assert found.state == UploadState.OPEN
            await receive(runtime, organization_id, upload.id, offset=0, body=whole())
            return False

        monkeypatch.setattr(Writers, "free", sealed_meanwhile)
        told = await look(runtime, organization_id, upload.id)
    assert (told.state, told.offset, told.length) == (UploadState.SEALED, len(SOUND), len(SOUND))


async def test_a_rest_in_whose_midst_the_upload_is_sealed_is_answered_as_sealed(
    tmp_path: Path, conninfo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer to the last bytes was lost, and the client sends an empty rest while the seal goes on."""
    async with open_runtime(settings_for(tmp_path, conninfo)) as runtime:
        organization_id = (await add_person(runtime)).organization_id
        new = NewRecording("rex.wav", "audio/wav", transcribe=False)
        upload = await open_growing(runtime, organization_id, None, new, UploadMethod.TUS, length=len(SOUND))
        sealing = uploads_receive.complete_upload
        at_the_seal, seal_now = asyncio.Event(), asyncio.Event()

        async def held(*ids: Any) -> Any:
            at_the_seal.set()
            await seal_now.wait()
            return await sealing(*ids)

        async def grown_after_the_seal(of: Runtime, found: Upload) -> int:
            seal_now.set()
            await first
            return await grown(of, found)

        monkeypatch.setattr(uploads_receive, "complete_upload", held)
        grown = uploads_receive.grown
        first = asyncio.create_task(receive(runtime, organization_id, upload.id, offset=0, body=whole()))
        await at_the_seal.wait()
        monkeypatch.setattr(uploads_receive, "grown", grown_after_the_seal)
        told = await receive(runtime, organization_id, upload.id, offset=len(SOUND), body=nothing())
    assert (told.state, told.offset) == (UploadState.SEALED, len(SOUND))
