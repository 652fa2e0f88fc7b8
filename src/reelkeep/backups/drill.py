"""Prove a backup: restore it into a scratch place with a Postgres of its own, count, and read some blobs."""

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import update

from reelkeep.backups.blob_bytes import opened_bytes
from reelkeep.backups.blob_list import ListedBlob, unpacked
from reelkeep.backups.copy_blobs import proved
from reelkeep.backups.layout import BLOB_LIST
from reelkeep.backups.make import count_rows, read_part
from reelkeep.backups.manifest import Manifest, Source
from reelkeep.backups.models import Backup
from reelkeep.backups.restore import read_installation, restore_database
from reelkeep.blobs.scratch import scratch_folder
from reelkeep.db import dump, migrate
from reelkeep.db.postgres.client import acquire
from reelkeep.errors import ErrorCode, ReelkeepError
from reelkeep.logs import get_logger
from reelkeep.runtime import Runtime

log = get_logger(__name__)

#: An empty cluster has 70 MB and its log files; a dump grows when it is put back.
CLUSTER_BYTES = 200_000_000
DUMP_GROWTH = 10
STOP_SECONDS = 30.0


@dataclass(slots=True)
class Drill:
    """What a drill found."""

    backup_id: str
    tables: int = 0
    rows: int = 0
    #: Tables whose rows are not as many as the backup says: what it says, what there was.
    wrong_tables: dict[str, tuple[int, int]] = field(default_factory=dict)
    #: Whether this version's migrations ran on it.
    migrated: bool = False
    blobs_listed: int = 0
    blobs_read: int = 0
    blobs_bad: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def is_good(self) -> bool:
        """Everything that was looked at is as it should be."""
        return self.migrated and not self.wrong_tables and not self.blobs_bad


async def drill(runtime: Runtime, source: Source, sample: int) -> Drill:
    """Restore this backup into scratch, look, and remove it again; what was found is noted with the backup.

    Raises what made the restore itself impossible, noted too.
    """
    manifest = source.manifest
    found, began = Drill(str(manifest.id)), runtime.clock.now()
    try:
        limit = runtime.settings.scratch_bytes_max
        needed = min(CLUSTER_BYTES + DUMP_GROWTH * manifest.size_bytes, limit)
        await read_installation(source)
        async with scratch_folder(runtime.scratch, needed, limit) as scratch:
            await _restore_and_count(runtime, source, scratch, found)
        await _read_sample(runtime, source, sample, found)
    except ReelkeepError as error:
        await _note(runtime, manifest, {"ok": False, "error_code": error.code, "message": error.message})
        raise
    found.seconds = round((runtime.clock.now() - began).total_seconds(), 1)
    await _note(runtime, manifest, {"ok": found.is_good, **asdict(found)}, good=found.is_good)
    return found


async def _restore_and_count(runtime: Runtime, source: Source, scratch: Path, found: Drill) -> None:
    settings = runtime.settings
    server = await asyncio.to_thread(
        acquire, scratch / "drill", binaries=settings.postgres_bin, system_user=settings.postgres_user
    )
    try:
        conninfo = server.conninfo
        await restore_database(conninfo, source, settings.postgres_bin)
        async with dump.snapshot_of(conninfo) as (connection, _):
            counted = await count_rows(connection)
        found.tables, found.rows = len(counted), sum(counted.values())
        found.wrong_tables = {
            table: (rows, counted.get(table, -1))
            for table, rows in source.manifest.rows.items()
            if counted.get(table) != rows
        }
        await asyncio.to_thread(migrate.upgrade, conninfo)
        found.migrated = await asyncio.to_thread(migrate.is_current, conninfo)
    finally:
        server.close()
        await asyncio.to_thread(server.wait_until_stopped, STOP_SECONDS)


async def _read_sample(runtime: Runtime, source: Source, sample: int, found: Drill) -> None:
    chosen: list[ListedBlob] = []
    async for blob in unpacked(read_part(source, BLOB_LIST)):
        found.blobs_listed += 1
        if len(chosen) < sample:
            chosen.append(blob)
        elif (at := random.randrange(found.blobs_listed)) < sample:  # noqa: S311 - a sample, no secret
            chosen[at] = blob
    for blob in chosen:
        found.blobs_read += 1
        if not await _can_be_read(runtime, source, blob):
            found.blobs_bad.append(str(blob.blob_id))
    if found.blobs_listed != source.manifest.blobs:
        raise ReelkeepError(
            f"The backup lists {found.blobs_listed:,} blobs and should list {source.manifest.blobs:,}.",
            ErrorCode.BACKUP_DAMAGED,
        )


async def _can_be_read(runtime: Runtime, source: Source, blob: ListedBlob) -> bool:
    """Whether the backup itself, or else one of the stores, gives the very bytes."""
    sources: list[AsyncIterator[bytes]] = []
    if source.manifest.with_blobs:
        sources.append(opened_bytes(runtime, source, blob))
    else:
        sources += [
            runtime.stores.get(store).read(key)
            for store, key in blob.copies
            if store in runtime.stores.by_name
        ]
    for pieces in sources:
        try:
            async for _ in proved(pieces, blob):
                pass
        except ReelkeepError as error:
            log.warning("a blob could not be read in a drill", blob_id=str(blob.blob_id), error=error.message)
            continue
        return True
    return False


async def _note(runtime: Runtime, manifest: Manifest, report: dict[str, Any], *, good: bool = False) -> None:
    values: dict[str, Any] = {"drill": report}
    if good:
        values["drilled_at"] = runtime.clock.now()
    async with runtime.database.directory() as session:
        await session.execute(update(Backup).where(Backup.id == manifest.id).values(**values))
