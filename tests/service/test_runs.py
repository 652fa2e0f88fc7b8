"""Steps under claims: fenced, counted, independent, run again."""

from dataclasses import replace
from uuid import UUID

import pytest
from sqlalchemy import select

from reelkeep.errors import ErrorCode, MediaError, StoreUnavailable
from reelkeep.events.models import Event
from reelkeep.recordings import runs
from reelkeep.recordings.advance import standing_of
from reelkeep.recordings.models import Recording, Step, StepKind, StepState
from reelkeep.recordings.perform import Outcome, perform
from reelkeep.recordings.runs import Run, RunLost
from reelkeep.runtime import Runtime
from tests.fixtures.runtime import Person, add_person, client_of
from tests.service.test_uploads import SOUND, complete, initiate, send


@pytest.fixture
async def somebody(runtime: Runtime) -> Person:
    """An administrator."""
    return await add_person(runtime)


async def uploaded(runtime: Runtime, person: Person) -> UUID:
    """A recording whose bytes are here and whose steps wait."""
    async with client_of(runtime, person) as client:
        ticket = await initiate(client)
        await send(client, ticket, SOUND)
        assert (await complete(client, ticket)).status_code == 200
    return UUID(ticket["recording_id"])


async def claim(runtime: Runtime, person: Person, recording_id: UUID, kind: StepKind) -> Run | None:
    """Claim a step as a worker does."""
    async with runtime.database.work(person.organization_id) as session:
        return await runs.claim(
            session,
            person.organization_id,
            recording_id,
            kind,
            now=runtime.clock.now(),
            attempts_max=runtime.settings.step_attempts_max,
        )


async def step_of(runtime: Runtime, person: Person, recording_id: UUID, kind: StepKind) -> Step:
    """The step as it is now."""
    async with runtime.database.work(person.organization_id) as session:
        query = select(Step).where(Step.recording_id == recording_id, Step.kind == kind)
        return (await session.scalars(query)).one()


async def recording_of(runtime: Runtime, person: Person, recording_id: UUID) -> Recording:
    """The recording as it is now, which must stand where its steps say."""
    async with runtime.database.work(person.organization_id) as session:
        recording = await session.get_one(Recording, (person.organization_id, recording_id))
        steps = (await session.scalars(select(Step).where(Step.recording_id == recording_id))).all()
    assert recording.status == standing_of(steps).status
    return recording


async def test_a_worker_that_was_taken_over_can_write_nothing(runtime: Runtime, somebody: Person) -> None:
    recording_id = await uploaded(runtime, somebody)
    slow = await claim(runtime, somebody, recording_id, StepKind.PROBE)
    quick = await claim(runtime, somebody, recording_id, StepKind.PROBE)
    assert slow is not None
    assert quick is not None
    now = runtime.clock.now()

    for write in (
        lambda session: runs.finish(session, slow, now=now),
        lambda session: runs.fail(session, slow, ErrorCode.MEDIA_UNREADABLE, "late", now=now),
        lambda session: runs.release(session, slow),
        lambda session: runs.report_progress(session, slow, 0.5),
        lambda session: runs.put_back(session, slow, ErrorCode.MEDIA_CRASHED, "late"),
    ):
        with pytest.raises(RunLost):
            async with runtime.database.work(somebody.organization_id) as session:
                await write(session)

    async with runtime.database.work(somebody.organization_id) as session:
        await runs.finish(session, quick, now=now)
    step = await step_of(runtime, somebody, recording_id, StepKind.PROBE)
    assert (step.state, step.attempts) == (StepState.DONE, 2)


async def test_what_a_lost_run_would_have_written_beside_its_end_is_rolled_back(
    runtime: Runtime, somebody: Person
) -> None:
    recording_id = await uploaded(runtime, somebody)

    async def work(run: Run) -> Outcome:
        await claim(runtime, somebody, recording_id, StepKind.PROBE)  # another worker takes over

        async def write(_session: object, recording: Recording) -> None:
            recording.title = "written by the loser"

        return Outcome(write=write)

    await perform(runtime, somebody.organization_id, recording_id, StepKind.PROBE, work)
    assert (await recording_of(runtime, somebody, recording_id)).title is None


async def test_a_recording_that_kills_its_worker_again_and_again_ends_as_failed_with_the_reason(
    runtime: Runtime, somebody: Person
) -> None:
    recording_id = await uploaded(runtime, somebody)
    for attempt in range(1, runtime.settings.step_attempts_max + 1):
        run = await claim(runtime, somebody, recording_id, StepKind.PROBE)  # and never heard of again
        assert run is not None
        assert run.attempts == attempt
    assert await claim(runtime, somebody, recording_id, StepKind.PROBE) is None

    recording = await recording_of(runtime, somebody, recording_id)
    assert (recording.status, recording.failure_code) == ("failed", ErrorCode.ATTEMPTS_EXHAUSTED)
    assert (await step_of(runtime, somebody, recording_id, StepKind.PLAYBACK)).state == StepState.SKIPPED


async def test_an_orderly_stop_gives_the_attempt_back(runtime: Runtime, somebody: Person) -> None:
    recording_id = await uploaded(runtime, somebody)
    for _ in range(5):
        run = await claim(runtime, somebody, recording_id, StepKind.PROBE)
        assert run is not None
        async with runtime.database.work(somebody.organization_id) as session:
            await runs.release(session, run)
    step = await step_of(runtime, somebody, recording_id, StepKind.PROBE)
    assert (step.state, step.attempts, step.run_id) == (StepState.TODO, 0, None)


async def test_a_store_that_is_away_costs_the_recording_no_attempt(
    runtime: Runtime, somebody: Person
) -> None:
    recording_id = await uploaded(runtime, somebody)

    async def work(_run: Run) -> Outcome:
        raise StoreUnavailable("away")

    with pytest.raises(StoreUnavailable):
        await perform(runtime, somebody.organization_id, recording_id, StepKind.PROBE, work)
    step = await step_of(runtime, somebody, recording_id, StepKind.PROBE)
    assert (step.state, step.attempts) == (StepState.TODO, 0)


async def test_a_crash_of_the_medium_is_tried_again_a_bounded_number_of_times(
    runtime: Runtime, somebody: Person
) -> None:
    recording_id = await uploaded(runtime, somebody)
    calls = 0

    async def work(_run: Run) -> Outcome:
        nonlocal calls
        calls += 1
        raise MediaError("the child died", ErrorCode.MEDIA_CRASHED)

    for _ in range(runtime.settings.step_attempts_max + 2):
        try:
            await perform(runtime, somebody.organization_id, recording_id, StepKind.PROBE, work)
        except MediaError:
            continue
    assert calls == runtime.settings.step_attempts_max
    step = await step_of(runtime, somebody, recording_id, StepKind.PROBE)
    assert (step.state, step.error_code) == (StepState.FAILED, ErrorCode.MEDIA_CRASHED)


async def test_a_waveform_that_fails_spoils_nothing_else(runtime: Runtime, somebody: Person) -> None:
    recording_id = await uploaded(runtime, somebody)
    now = runtime.clock.now()
    for kind in (StepKind.PROBE, StepKind.PLAYBACK, StepKind.PEAKS, StepKind.TRANSCRIBE):
        run = await claim(runtime, somebody, recording_id, kind)
        assert run is not None
        async with runtime.database.work(somebody.organization_id) as session:
            if kind == StepKind.PEAKS:
                await runs.fail(session, run, ErrorCode.MEDIA_LIMIT, "too much", now=now)
            else:
                await runs.finish(session, run, now=now)
    assert (await recording_of(runtime, somebody, recording_id)).status == "transcribed"


async def test_a_recording_in_the_trash_is_not_worked_on_until_it_is_restored(
    runtime: Runtime, somebody: Person
) -> None:
    recording_id = await uploaded(runtime, somebody)
    async with client_of(runtime, somebody) as client:
        await client.delete(f"/api/v1/recordings/{recording_id}")
        assert await claim(runtime, somebody, recording_id, StepKind.PROBE) is None
        await client.post(f"/api/v1/recordings/{recording_id}/restore")
        assert await claim(runtime, somebody, recording_id, StepKind.PROBE) is not None


async def test_every_change_of_status_leaves_one_event_in_its_own_transaction(
    runtime: Runtime, somebody: Person
) -> None:
    recording_id = await uploaded(runtime, somebody)
    run = await claim(runtime, somebody, recording_id, StepKind.PROBE)
    assert run is not None
    with pytest.raises(RuntimeError, match="rolled back"):
        async with runtime.database.work(somebody.organization_id) as session:
            await runs.fail(session, run, ErrorCode.MEDIA_UNREADABLE, "no", now=runtime.clock.now())
            raise RuntimeError("rolled back")
    async with runtime.database.work(somebody.organization_id) as session:
        kinds = (await session.scalars(select(Event.kind).order_by(Event.seq))).all()
    assert kinds == ["recording.created", "recording.uploaded", "upload.sealed", "recording.processing"]


async def test_attempts_come_from_the_settings(runtime: Runtime, somebody: Person) -> None:
    once = replace(runtime, settings=runtime.settings.model_copy(update={"step_attempts_max": 1}))
    recording_id = await uploaded(once, somebody)
    assert await claim(once, somebody, recording_id, StepKind.PROBE) is not None
    assert await claim(once, somebody, recording_id, StepKind.PROBE) is None
