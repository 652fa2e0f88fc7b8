"""Put a backup back: into an empty database, all of it or nothing; killed half-way, it is begun again.

    secret key → the dump, in one transaction with a mark → migrations → erasures → blobs → the mark goes

As long as the mark is there no server starts on the database, and `restore` goes on after the dump.
"""

import asyncio
import hashlib
import json
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import update

from reelkeep.backups.backup_key import BackupKeys
from reelkeep.backups.erasures import erase_again
from reelkeep.backups.layout import DATABASE, INSTALLATION, point_key
from reelkeep.backups.make import read_part
from reelkeep.backups.manifest import Manifest, Source, load_manifest, newest_backup
from reelkeep.backups.models import Backup, BackupState
from reelkeep.backups.places import Place
from reelkeep.backups.reunite import Reunited, reunite
from reelkeep.backups.sealed_stream import open_stream
from reelkeep.db import dump
from reelkeep.db.postgres.tools import find_tools
from reelkeep.db.restored import (
    finish_restore,
    is_empty,
    prepare_roles,
    settling_sql,
    unfinished_restore,
)
from reelkeep.errors import Conflict, ErrorCode, ReelkeepError
from reelkeep.logs import get_logger
from reelkeep.runtime import Runtime

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore came to."""

    manifest: Manifest
    erased: int
    blobs: Reunited


async def choose_backup(place: Place, keys: BackupKeys, backup_id: UUID | None) -> Source:
    """The backup that was asked for, else the newest."""
    if backup_id is None:
        return Source(place.store, keys, await newest_backup(place.store, keys))
    return Source(place.store, keys, await load_manifest(place.store, backup_id, keys))


async def read_installation(source: Source) -> dict[str, Any]:
    """What the backup tells of the installation outside of its database."""
    pieces = read_part(source, INSTALLATION)
    document: dict[str, Any] = json.loads(b"".join([piece async for piece in pieces]))
    return document


def put_secret(path: Path, secret: str) -> None:
    """Put the installation's secret key back; another one that is there is kept beside. Blocks."""
    if path.exists():
        if path.read_text() == secret:
            return
        path.replace(path.with_name(f"{path.name}.before-restore"))
    path.parent.mkdir(mode=0o711, parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(secret)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


async def restore_database(conninfo: str, source: Source, postgres_bin: Path | None) -> bool:
    """Put the dump into an empty database, marked as unfinished; False when that was done before.

    Raises `RESTORE_REFUSED` where something else is in the database, and `BACKUP_DAMAGED`; nothing is changed
    then.
    """
    manifest = source.manifest
    underway = await asyncio.to_thread(unfinished_restore, conninfo)
    if underway == str(manifest.id):
        log.info("the restore goes on after the database", backup_id=underway)
        return False
    if underway or not await asyncio.to_thread(is_empty, conninfo):
        what = f"an unfinished restore of the backup {underway}" if underway else "tables"
        raise Conflict(
            f"The database has {what} in it, and a restore never writes over anything. Restore into an empty "
            "data folder (--data) or an empty database (DATABASE_URL).",
            ErrorCode.RESTORE_REFUSED,
        )
    major = await dump.server_major(conninfo)
    tools = await asyncio.to_thread(find_tools, max(major, manifest.postgres_major), postgres_bin)
    await asyncio.to_thread(prepare_roles, conninfo)
    pieces = proved_part(source, DATABASE)
    await dump.restore_dump(conninfo, tools, pieces, settling_sql(str(manifest.id)))
    return True


async def finish(runtime: Runtime, source: Source, lost_stores: frozenset[str]) -> Restored:
    """After the database and its migrations: erasures again, then the blobs; then it may be used."""
    conninfo, manifest = runtime.database.conninfo, source.manifest
    erased = await erase_again(conninfo, source.store, source.keys)
    await _note(runtime, manifest)
    blobs = await reunite(runtime, source, lost_stores)
    await asyncio.to_thread(finish_restore, conninfo)
    log.info("restored", backup_id=str(manifest.id), blobs_missing=blobs.missing)
    return Restored(manifest, erased, blobs)


async def proved_part(source: Source, part: str) -> AsyncIterator[bytes]:
    """One part of a backup, checked against the manifest's digest before its last piece is given out."""
    key = point_key(source.manifest.id, part)
    digest = hashlib.sha256()

    async def counted() -> AsyncIterator[bytes]:
        async for piece in source.store.read(key):
            digest.update(piece)
            yield piece
        if digest.hexdigest() != source.manifest.parts[part].sha256:
            raise ReelkeepError(
                f"{key} is not what the backup's manifest says; take another backup.",
                ErrorCode.BACKUP_DAMAGED,
                key=key,
            )

    async for piece in open_stream(source.keys, key, counted()):
        yield piece


async def _note(runtime: Runtime, manifest: Manifest) -> None:
    """The dump was made while its own row said `running`; others that ran then have broken off."""
    now = runtime.clock.now()
    async with runtime.database.directory() as session:
        await session.execute(
            update(Backup)
            .where(Backup.id == manifest.id)
            .values(
                state=BackupState.WHOLE,
                finished_at=now,
                size_bytes=manifest.size_bytes,
                blobs=manifest.blobs,
                blobs_missing=manifest.blobs_missing,
            )
        )
