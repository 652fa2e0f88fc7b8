"""Backups by themselves: a loop in every worker, of which one makes the backup that is due."""

import asyncio
from datetime import datetime, timedelta

from sqlalchemy import exists, select

from reelkeep.backups.backup_key import load_keys
from reelkeep.backups.erasures import keep_erasures
from reelkeep.backups.lock import backup_lock
from reelkeep.backups.make import end_broken_off, make_backup
from reelkeep.backups.models import Backup, BackupState
from reelkeep.backups.places import open_place
from reelkeep.errors import Conflict, ErrorCode, ReelkeepError
from reelkeep.logs import get_logger
from reelkeep.recordings.models import Erased
from reelkeep.runtime import Runtime

log = get_logger(__name__)

LOOK_SECONDS = 60.0
#: After a failure: the store may be back, and a backup that is late is worth a try.
RETRY = timedelta(minutes=15)


async def back_up_when_due(runtime: Runtime) -> bool:
    """Make the scheduled backup if it is due and no other process does; whether one was made.

    Else the erasures since the last one are written beside the backups.
    """
    settings = runtime.settings
    if settings.backup_store is None or settings.backup_every_hours is None:
        return False
    keys = await asyncio.to_thread(load_keys, settings, make=True)
    if keys.is_new:
        log.warning("a key for backups was made; keep a copy of it elsewhere", path=str(keys.path))
    async with open_place(settings, runtime.stores, runtime.open_folder) as place:
        if not await _is_due(runtime, timedelta(hours=settings.backup_every_hours)):
            if await _erased_lately(runtime) and await keep_erasures(runtime, place.store, keys):
                log.info("erasures noted beside the backups")
            return False
        try:
            await make_backup(runtime, place, keys, with_blobs=settings.backup_with_blobs)
        except Conflict as busy:
            if busy.code != ErrorCode.BACKUP_FAILED:
                raise
            return False
    return True


async def _is_due(runtime: Runtime, every: timedelta) -> bool:
    now = runtime.clock.now()
    newest = select(Backup.started_at).order_by(Backup.started_at.desc()).limit(1)
    async with runtime.database.directory() as session:
        whole: datetime | None = await session.scalar(newest.where(Backup.state == BackupState.WHOLE))
        failed: datetime | None = await session.scalar(newest.where(Backup.state == BackupState.FAILED))
    if whole is not None and now - whole < every:
        return False
    return failed is None or now - failed > RETRY


async def _erased_lately(runtime: Runtime) -> bool:
    """Whether the store need be asked; whatever is older, each backup looks for."""
    since = runtime.clock.now() - timedelta(days=1)
    async with runtime.database.owner() as session:
        return bool(await session.scalar(select(exists().where(Erased.erased_at > since))))


async def back_up_forever(runtime: Runtime) -> None:
    """Look every minute until cancelled; a failure is in the log, in doctor, in readiness and on the page."""
    await _tell_of_broken_off(runtime)
    while True:
        try:
            await back_up_when_due(runtime)
        except Exception as error:  # the loop must outlive any one failure
            log.error("the scheduled backup failed", exc_info=error)
        await asyncio.sleep(LOOK_SECONDS)


async def _tell_of_broken_off(runtime: Runtime) -> None:
    try:
        async with backup_lock(runtime.database):
            await end_broken_off(runtime)
    except ReelkeepError as busy:
        log.info("a backup is being made elsewhere", reason=busy.message)
