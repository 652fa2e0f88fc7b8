"""A client that asks how far its upload is while another of its requests ends it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from reelkeep.errors import ReelkeepError
from reelkeep.recordings.create import NewRecording
from reelkeep.runtime import Runtime
from reelkeep.uploads.beginning import grown
from reelkeep.uploads.models import UploadMethod, UploadState
from reelkeep.uploads.receive import look, open_growing, receive
from reelkeep.uploads.writers import find_upload
from reelkeep.wiring import open_runtime
from tests.fixtures.media import beeps, wav
from tests.fixtures.runtime import add_person, settings_for

SOUND = wav(beeps(1))
UPLOADS, CLIENTS = 60, 6


async def whole() -> AsyncIterator[bytes]:
    yield SOUND


@dataclass
class Clients:
    """What the clients of one upload were told: the most bytes so far, and whether it is over."""

    runtime: Runtime
    organization_id: UUID
    upload_id: UUID
    heard: int = 0
    sealed: bool = False

    async def send(self) -> None:
        with suppress(ReelkeepError):  # somebody asks, which ends this request
            await receive(self.runtime, self.organization_id, self.upload_id, offset=0, body=whole())

    async def ask(self) -> None:
        """Ask until it is sealed; what is told is never less than what was there before."""
        while not self.sealed:
            upload = await find_upload(self.runtime, self.organization_id, self.upload_id)
            before = max(self.heard, await grown(self.runtime, upload))
            try:
                told = await look(self.runtime, self.organization_id, self.upload_id)
            except ReelkeepError as error:
                assert error.retry_after_seconds is not None, error
                continue
            assert told.offset >= before
            self.heard, self.sealed = max(self.heard, told.offset), told.state == UploadState.SEALED


async def test_whoever_asks_while_an_upload_is_sealed_never_hears_of_fewer_bytes(
    tmp_path: Path, conninfo: str
) -> None:
    """Many ask at once, again and again: some of them between the seal and what it moves."""
    async with open_runtime(settings_for(tmp_path, conninfo)) as runtime:
        organization_id = (await add_person(runtime)).organization_id
        for _ in range(UPLOADS):
            new = NewRecording("rex.wav", "audio/wav", transcribe=False)
            upload = await open_growing(
                runtime, organization_id, None, new, UploadMethod.TUS, length=len(SOUND)
            )
            client = Clients(runtime, organization_id, upload.id)
            sending = asyncio.create_task(client.send())
            await asyncio.sleep(0.02)
            await asyncio.gather(sending, *(client.ask() for _ in range(CLIENTS)))
            assert client.heard == len(SOUND)
