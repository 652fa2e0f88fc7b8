"""Give the jobs of dead workers to living ones."""

import asyncio

from procrastinate import App
from sqlalchemy import text

from reelkeep.db.database import Database
from reelkeep.logs import get_logger

log = get_logger(__name__)

TAKEOVER_LOCK = 0x5265656C_6B656570


async def take_over_stalled(app: App, database: Database, stalled_seconds: float) -> int:
    """Put every job whose worker has been silent for `stalled_seconds` back into its queue; how many.

    One process does it at a time (an advisory lock); the others return 0 at once.
    """
    async with database.owner() as session:
        locked = await session.scalar(text("select pg_try_advisory_xact_lock(:key)"), {"key": TAKEOVER_LOCK})
        if not locked:
            return 0
        stalled = list(await app.job_manager.get_stalled_jobs(seconds_since_heartbeat=stalled_seconds))
        for job in stalled:
            log.warning("job taken over from a silent worker", job_id=job.id, job=job.task_name)
            await app.job_manager.retry_job(job)
        await app.job_manager.prune_stalled_workers(seconds_since_heartbeat=10 * stalled_seconds)
        return len(stalled)


async def take_over_forever(
    app: App, database: Database, *, stalled_seconds: float, every_seconds: float
) -> None:
    """Look for stalled jobs until cancelled; a lost database is waited for."""
    while True:
        try:
            await take_over_stalled(app, database, stalled_seconds)
        except Exception as error:  # the loop must outlive any one failure
            log.warning("looking for stalled jobs failed", exc_info=error)
        await asyncio.sleep(every_seconds)
