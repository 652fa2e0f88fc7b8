"""What clients leave behind is finished or ended, and `incoming/` is kept tidy."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select, text

from reelkeep.clock import SystemClock, new_id
from reelkeep.recordings.models import Recording
from reelkeep.recordings.sweep import sweep_steps
from reelkeep.runtime import Runtime
from reelkeep.uploads.models import Upload, UploadState
from reelkeep.uploads.sweep import sweep_incoming, sweep_uploads
from tests.fixtures.runtime import Person, client_of, do_jobs
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
