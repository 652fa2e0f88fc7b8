"""What clients leave behind is finished or ended, and `incoming/` is kept tidy."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
from sqlalchemy import select, text

from reelkeep.blobs.usage import Used
from reelkeep.clock import SystemClock, new_id
from reelkeep.events.models import Event
from reelkeep.recordings.models import Recording
from reelkeep.recordings.sweep import sweep_steps
from reelkeep.runtime import Runtime
from reelkeep.stores.protocol import Grows
from reelkeep.uploads.leftovers import sweep_incoming
from reelkeep.uploads.models import Upload, UploadState
from reelkeep.uploads.sweep import sweep_uploads
from tests.fixtures.runtime import Person, client_of, do_jobs
from tests.fixtures.usage import usage_of
from tests.service.test_uploads import SOUND, complete, download, initiate, keys, send


@dataclass(frozen=True, slots=True)
class LateClock:
    """A clock that is ahead."""

    ahead: timedelta

    def now(self) -> datetime:
        """The moment so far ahead."""
        return SystemClock().now() + self.ahead


def later(runtime: Runtime, **ahead: float) -> Runtime:
    """The same installation some time later."""
    return replace(runtime, clock=LateClock(timedelta(**ahead)))


async def upload_and_status(
    runtime: Runtime, person: Person, recording_id: str
) -> tuple[str, str, str | None]:
    """States of the upload and the recording, and the failure's code."""
    async with runtime.database.work(person.organization_id) as session:
        upload = (
            await session.scalars(select(Upload).where(Upload.recording_id == UUID(recording_id)))
        ).one()
        recording = await session.get_one(Recording, (person.organization_id, UUID(recording_id)))
    return upload.state, recording.status, recording.failure_code


async def test_an_upload_that_nobody_completed_is_sealed_by_the_sweep(
    any_runtime: Runtime, person: Person
) -> None:
    async with client_of(any_runtime, person) as client:
        ticket = await initiate(client)
        await send(client, ticket, SOUND)

        assert await sweep_uploads(any_runtime) == 0, "not before it is due"
        assert await sweep_uploads(later(any_runtime, minutes=3)) == 1

        state, status, _ = await upload_and_status(any_runtime, person, ticket["recording_id"])
        assert (state, status) == (UploadState.SEALED, "uploaded")
        assert await download(client, ticket["recording_id"]) == SOUND


async def test_an_upload_whose_bytes_never_came_ends_with_its_ticket_and_not_before(
    any_runtime: Runtime, person: Person
) -> None:
    async with client_of(any_runtime, person) as client:
        ticket = await initiate(client)
        recording_id = ticket["recording_id"]

        await sweep_uploads(later(any_runtime, minutes=30))
        assert (await upload_and_status(any_runtime, person, recording_id))[:2] == ("open", "uploading")

        await sweep_uploads(later(any_runtime, hours=2))
        ended = await upload_and_status(any_runtime, person, recording_id)
        assert ended == (UploadState.EXPIRED, "failed", "UPLOAD_EXPIRED")
        answer = await complete(client, ticket)
        assert answer.json()["error_code"] == "UPLOAD_INCOMPLETE"


async def test_bytes_that_arrive_after_the_ticket_was_given_up_are_not_lost(
    any_runtime: Runtime, person: Person
) -> None:
    async with client_of(any_runtime, person) as client:
        ticket = await initiate(client)
        await sweep_uploads(later(any_runtime, hours=2))
        await send(client, ticket, SOUND)  # begun before its end, finished after

        await sweep_incoming(later(any_runtime, hours=2))

        state, status, code = await upload_and_status(any_runtime, person, ticket["recording_id"])
        assert (state, status, code) == (UploadState.SEALED, "uploaded", None)
        assert await download(client, ticket["recording_id"]) == SOUND


async def test_leftovers_under_incoming_are_removed_when_nothing_needs_them(
    any_runtime: Runtime, person: Person
) -> None:
    async with client_of(any_runtime, person) as client:
        sealed, waiting = await initiate(client), await initiate(client)
        await send(client, sealed, SOUND)
        await complete(client, sealed)
        await send(client, sealed, SOUND)  # the same ticket again
        await send(client, waiting, SOUND)

        async def stray() -> None:
            async def body():  # type: ignore[no-untyped-def]
                yield b"stray"

            await any_runtime.stores.primary.put(f"incoming/{new_id()}/{new_id()}", body())

        await stray()
        assert await sweep_incoming(any_runtime) == 0, "nothing is old enough"
        assert await sweep_incoming(later(any_runtime, days=2)) == 2

        assert await keys(any_runtime, "incoming/") == [waiting["s3_key"]]
        assert await download(client, sealed["recording_id"]) == SOUND


async def test_a_step_whose_job_was_lost_is_asked_for_again_and_only_then(
    any_runtime: Runtime, person: Person
) -> None:
    async with client_of(any_runtime, person) as client:
        ticket = await initiate(client)
        await send(client, ticket, SOUND)
        await complete(client, ticket)
        soon = later(any_runtime, minutes=11)
        await sweep_steps(soon, None)
        assert await count_jobs(any_runtime) == 1, "its job waits: nothing was forgotten"

        async with any_runtime.database.owner() as session:
            await session.execute(text("delete from procrastinate_jobs"))
        await sweep_steps(any_runtime, None)
        assert await count_jobs(any_runtime) == 0, "not before it has waited for long"
        await sweep_steps(soon, None)
        await sweep_steps(soon, None)
        assert await count_jobs(any_runtime) == 1

        await do_jobs(any_runtime)
        shown = (await client.get(f"/api/v1/recordings/{ticket['recording_id']}")).json()
        assert {step["state"] for step in shown["steps"]} == {"done"}
        await sweep_steps(soon, None)
        assert await count_jobs(any_runtime) == 0


async def count_jobs(runtime: Runtime) -> int:
    """Jobs that wait or are being done."""
    query = text("select count(*) from procrastinate_jobs where status in ('todo', 'doing')")
    async with runtime.database.owner() as session:
        return await session.scalar(query) or 0


TUS = {"Tus-Resumable": "1.0.0", "Content-Type": "application/offset+octet-stream", "Authorization": ""}


async def send_by_tus(client: httpx.AsyncClient, ticket: dict[str, Any], offset: int, body: bytes) -> int:
    """Append bytes to an upload in several goes; the status."""
    url = ticket["upload_url"].replace(str(client.base_url), "")
    answer = await client.patch(url, content=body, headers={**TUS, "Upload-Offset": str(offset)})
    return answer.status_code


async def events_of(runtime: Runtime, person: Person, recording_id: str) -> list[str]:
    """What was told of the recording's upload, in order."""
    query = select(Event.kind).where(Event.recording_id == UUID(recording_id)).order_by(Event.seq)
    async with runtime.database.work(person.organization_id) as session:
        return [kind for kind in await session.scalars(query) if kind.startswith("upload.")]


async def test_a_live_recording_whose_phone_died_is_kept_as_far_as_it_came(
    any_runtime: Runtime, person: Person
) -> None:
    async with client_of(any_runtime, person) as client:
        ticket = await initiate(client, method="tus", transcribe=False)
        assert await send_by_tus(client, ticket, 0, SOUND[:50_000]) == 204
        assert await send_by_tus(client, ticket, 50_000, SOUND[50_000:90_000]) == 204

        await sweep_uploads(later(any_runtime, days=6))
        assert (await upload_and_status(any_runtime, person, ticket["recording_id"]))[0] == "open"
        await sweep_uploads(later(any_runtime, days=8))

        ended = await upload_and_status(any_runtime, person, ticket["recording_id"])
        assert ended == (UploadState.SEALED, "uploaded", None)
        assert await download(client, ticket["recording_id"]) == SOUND[:90_000]
        told = await events_of(any_runtime, person, ticket["recording_id"])
        assert told == ["upload.cut_off", "upload.sealed"]
    assert await usage_of(any_runtime, person) == Used(90_000, 0, 0)


async def test_an_upload_in_several_goes_that_was_given_up_can_be_renewed_and_is_cleaned_away_later(
    any_runtime: Runtime, person: Person
) -> None:
    store = any_runtime.stores.primary
    assert isinstance(store, Grows)
    async with client_of(any_runtime, person) as client:
        kept, dead = [
            await initiate(client, method="tus", size_bytes=len(SOUND), transcribe=False) for _ in range(2)
        ]
        for ticket in (kept, dead):
            assert await send_by_tus(client, ticket, 0, SOUND[:50_000]) == 204
        await sweep_uploads(later(any_runtime, days=8))
        assert await usage_of(any_runtime, person) == Used()
        assert await send_by_tus(client, kept, 50_000, SOUND[50_000:]) in (404, 410)

        renewed = await client.post(f"/api/v1/recordings/upload/renew/{kept['recording_id']}")
        assert renewed.json()["upload_url"] == kept["upload_url"]
        assert await send_by_tus(client, kept, 50_000, SOUND[50_000:]) == 204
        assert await download(client, kept["recording_id"]) == SOUND
        told = await events_of(any_runtime, person, kept["recording_id"])
        assert told == ["upload.expired", "upload.renewed", "upload.sealed"]

        await sweep_incoming(later(any_runtime, days=7, hours=6))
        assert [facts.key async for facts in store.list_growths("incoming/")] == [dead["s3_key"]]
        await sweep_incoming(later(any_runtime, days=9))
        assert [facts.key async for facts in store.list_growths("incoming/")] == []
        told = await events_of(any_runtime, person, dead["recording_id"])
        assert told == ["upload.expired", "upload.cleaned_away"]
        gone = await client.post(f"/api/v1/recordings/upload/renew/{dead['recording_id']}")
        assert (gone.status_code, gone.json()["error_code"]) == (410, "UPLOAD_EXPIRED")
    assert await usage_of(any_runtime, person) == Used(len(SOUND), 0, 0)
