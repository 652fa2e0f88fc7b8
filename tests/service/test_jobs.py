"""The queue: jobs commit with their cause, and those of dead workers are taken over."""

import asyncio
import inspect
from uuid import UUID

import pytest
from procrastinate.exceptions import JobAborted
from procrastinate.jobs import Job
from sqlalchemy import text

from reelkeep.clock import SystemClock, new_id
from reelkeep.errors import StoreUnavailable
from reelkeep.events.append import append
from reelkeep.events.models import Event
from reelkeep.events.read import Position, position_of, read_after
from reelkeep.jobs.retry import RetryWithBackOff
from reelkeep.jobs.takeover import take_over_stalled
from reelkeep.recordings.models import StepKind
from reelkeep.recordings.steps import MEDIA, enqueue_for_recording
from reelkeep.runtime import Runtime
from reelkeep.transactions import IoInsideUnitOfWork
from reelkeep.worker import BODIES, build_app
from tests.fixtures.runtime import add_person, do_jobs
from tests.service.test_processing import look
from tests.service.test_runs import claim, uploaded


async def jobs(runtime: Runtime) -> list[tuple[str, str]]:
    """Name and state of every job in the queue."""
    async with runtime.database.owner() as session:
        rows = await session.execute(text("select task_name, status from procrastinate_jobs order by id"))
        return [(name, state) for name, state in rows]


async def test_a_job_exists_only_if_its_cause_was_committed(runtime: Runtime) -> None:
    person = await add_person(runtime)
    with pytest.raises(RuntimeError, match="changed my mind"):
        async with runtime.database.work(person.organization_id) as session:
            await enqueue_for_recording(session, MEDIA, person.organization_id, new_id())
            raise RuntimeError("changed my mind")
    assert await jobs(runtime) == []
    async with runtime.database.work(person.organization_id) as session:
        await enqueue_for_recording(session, MEDIA, person.organization_id, new_id())
    assert await jobs(runtime) == [("media", "todo")]


async def test_a_dead_workers_job_is_put_back_and_done(runtime: Runtime) -> None:
    person = await add_person(runtime)
    recording_id = await uploaded(runtime, person)
    queue = build_app(runtime)
    async with queue.open_async():
        worker_id = await queue.job_manager.register_worker()
        assert await queue.job_manager.fetch_job(queues=["media"], worker_id=worker_id)
        await claim(runtime, person, recording_id, StepKind.PROBE)  # then the machine is gone
        assert await take_over_stalled(queue, runtime.database, 30) == 0, "it may still live"
        async with runtime.database.owner() as session:
            await session.execute(
                text("update procrastinate_workers set last_heartbeat = now() - interval '31 seconds'")
            )
        taken = await asyncio.gather(*(take_over_stalled(queue, runtime.database, 30) for _ in range(3)))
        assert sum(taken) == 1
    await do_jobs(runtime)
    shown = await look(runtime, person, str(recording_id))
    assert shown["playback_ready"]
    assert {step["kind"]: step["attempts"] for step in shown["steps"]}["probe"] == 2


def test_every_job_is_tried_again_after_a_deploy(runtime: Runtime) -> None:
    """Without a retry strategy a stopped worker's job ends as aborted, for good."""
    queue = build_app(runtime)
    ours = [task for name, task in queue.tasks.items() if name in {job.name for job in BODIES}]
    assert len(ours) == len(BODIES)
    assert all(isinstance(task.retry_strategy, RetryWithBackOff) for task in ours)
    assert all(inspect.iscoroutinefunction(task.func) for task in ours)


def test_an_orderly_stop_is_tried_again_at_once_and_failures_ever_later_but_never_given_up() -> None:
    strategy = RetryWithBackOff()
    now = SystemClock().now()

    def delay(attempts: int, error: BaseException) -> float:
        job = Job(id=1, queue="media", lock=None, queueing_lock=None, task_name="media", attempts=attempts)
        decision = strategy.get_retry_decision(exception=error, job=job)
        assert decision.retry_at
        return (decision.retry_at - now).total_seconds()

    away = StoreUnavailable("away")
    assert delay(50, JobAborted()) < 1
    assert delay(0, asyncio.CancelledError()) < 1
    delays = [delay(attempts, away) for attempts in range(12)]
    assert [round(seconds) for seconds in delays] == [
        4,
        8,
        16,
        32,
        64,
        128,
        256,
        512,
        600,
        600,
        600,
        600,
    ]
    assert round(delay(100_000, away)) == 600


async def test_a_store_refuses_to_be_called_inside_a_unit_of_work(any_runtime: Runtime) -> None:
    person = await add_person(any_runtime)
    async with any_runtime.database.work(person.organization_id):
        with pytest.raises(IoInsideUnitOfWork):
            await any_runtime.stores.primary.head("incoming/x")


async def test_no_event_is_missed_when_a_slow_transaction_commits_late(runtime: Runtime) -> None:
    person = await add_person(runtime)
    organization_id = person.organization_id
    slow_wrote, may_commit = asyncio.Event(), asyncio.Event()

    async def write_slowly() -> None:
        async with runtime.database.work(organization_id) as session:
            append(session, organization_id, "slow")
            await session.flush()
            slow_wrote.set()
            await may_commit.wait()

    async def read(position: Position) -> list[Event]:
        async with runtime.database.work(organization_id) as session:
            return list(await read_after(session, position))

    writing = asyncio.create_task(write_slowly())
    await slow_wrote.wait()
    async with runtime.database.work(organization_id) as session:
        append(session, organization_id, "quick")
    first = await read(Position())
    may_commit.set()
    await writing
    position = position_of(first[-1]) if first else Position()
    second = await read(position)
    assert [event.kind for event in (*first, *second)] == ["slow", "quick"]
    assert await read(position_of(second[-1])) == []


async def test_events_hold_ids_and_codes_and_never_a_name(runtime: Runtime) -> None:
    person = await add_person(runtime)
    await uploaded(runtime, person)
    async with runtime.database.work(person.organization_id) as session:
        events = await read_after(session, Position())
    assert events
    for event in events:
        assert "visit.wav" not in str(event.facts)
        assert isinstance(event.recording_id, UUID)
