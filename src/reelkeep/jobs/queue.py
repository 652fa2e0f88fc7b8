"""Put a job into the queue, in the caller's own transaction.

The queue is procrastinate's, on the same Postgres, in the schema `jobs`. A job's arguments are ids only.
A job is named, not imported: bodies are bound in `worker.py`, so that a room may ask for work of one above.
"""

from dataclasses import dataclass

from procrastinate import App, PsycopgConnector
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from reelkeep.db.raw import raw_connection


@dataclass(frozen=True, slots=True)
class JobName:
    """A kind of job and the queue it waits in; a worker may serve some queues only."""

    name: str
    queue: str


WAITING = text(
    "select exists (select from procrastinate_jobs"
    " where task_name = :name and lock = :lock and status = 'todo'"
    " and (scheduled_at is null or scheduled_at <= now()))"
)

UNDERWAY = text(
    "select exists (select from procrastinate_jobs"
    " where task_name = :name and lock = :lock and status in ('todo', 'doing'))"
)

# Never opened: each job is deferred on the connection of the caller's transaction.
_jobs = App(connector=PsycopgConnector())


async def enqueue(session: AsyncSession, job: JobName, *, lock: str | None = None, **ids: str) -> None:
    """Add a job that runs if, and only if, the current transaction commits.

    Of jobs with the same `lock`, one runs at a time.
    """
    connection = await raw_connection(session)
    deferrer = _jobs.configure_task(job.name, queue=job.queue, lock=lock, connection=connection)
    await deferrer.defer_async(**ids)


async def is_waiting(session: AsyncSession, job: JobName, lock: str) -> bool:
    """Whether a job of this name and lock is about to begin; one that waits out a failure does not count."""
    found = await session.scalar(WAITING, {"name": job.name, "lock": lock})
    return bool(found)


async def is_underway(session: AsyncSession, job: JobName, lock: str) -> bool:
    """Whether a job of this name and lock will be done, or is being done."""
    found = await session.scalar(UNDERWAY, {"name": job.name, "lock": lock})
    return bool(found)
