"""How the backups stand: for doctor, for readiness, and for the page."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select

from reelkeep.backups.models import Backup, BackupState
from reelkeep.runtime import Runtime
from reelkeep.settings import Settings

#: A backup may be late by so much of its interval before anybody is told.
LATE_SHARE = 0.25
LATE_MIN = timedelta(minutes=15)
ROWS = 50


@dataclass(frozen=True, slots=True)
class BackupStanding:
    """The newest backups, and what somebody should know about them; None: all is well."""

    is_scheduled: bool
    last_whole: Backup | None
    #: The newest that failed, where no whole one came after it.
    last_failed: Backup | None
    last_drilled: Backup | None
    problem: str | None
    fix: str | None


async def look_at_backups(runtime: Runtime) -> BackupStanding:
    """Read how the backups stand."""
    newest = select(Backup).order_by(Backup.started_at.desc()).limit(1)
    async with runtime.database.directory() as session:
        whole = await session.scalar(newest.where(Backup.state == BackupState.WHOLE))
        failed = await session.scalar(newest.where(Backup.state == BackupState.FAILED))
        drilled = await session.scalar(
            select(Backup).where(Backup.drilled_at.is_not(None)).order_by(Backup.drilled_at.desc()).limit(1)
        )
        first = await session.scalar(select(Backup).order_by(Backup.started_at).limit(1))
    if failed is not None and whole is not None and failed.started_at < whole.started_at:
        failed = None
    settings = runtime.settings
    scheduled = settings.backup_every_hours is not None and settings.backup_store is not None
    problem, fix = _problem(settings, whole, failed, first, runtime.clock.now(), scheduled=scheduled)
    return BackupStanding(scheduled, whole, failed, drilled, problem, fix)


def _problem(
    settings: Settings,
    whole: Backup | None,
    failed: Backup | None,
    first: Backup | None,
    now: datetime,
    *,
    scheduled: bool,
) -> tuple[str | None, str | None]:
    if failed is not None:
        return (
            f"The last backup failed: {failed.error_message}",
            "Do what it says, then run `reelkeep backup`; docs/backup.md says more.",
        )
    if not scheduled:
        return None, None
    every = timedelta(hours=settings.backup_every_hours or 0)
    late = every + max(every * LATE_SHARE, LATE_MIN)
    if whole is not None and now - whole.started_at > late:
        hours = (now - whole.started_at) / timedelta(hours=1)
        return (
            f"The newest backup is {hours:.0f} hours old and one is due every {settings.backup_every_hours}.",
            "See that a worker runs, and read its log.",
        )
    if whole is None and first is not None and now - first.started_at > LATE_MIN:
        return "No backup has become whole yet.", "See that a worker runs, and read its log."
    if whole is not None and whole.blobs_missing:
        return (
            f"{whole.blobs_missing} blobs could not be backed up, since no store gives their bytes.",
            "Run `reelkeep storage check`.",
        )
    return None, None


async def newest_rows(runtime: Runtime) -> Sequence[Backup]:
    """The newest backups, whatever became of them."""
    async with runtime.database.directory() as session:
        return (await session.scalars(select(Backup).order_by(Backup.started_at.desc()).limit(ROWS))).all()
