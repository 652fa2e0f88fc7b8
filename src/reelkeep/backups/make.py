"""Make a backup: one moment of the database, the blobs that must exist then, and last of all the manifest.

Killed at any line before the last, it leaves objects that no manifest names: they are not listed, and the
next removal takes them away.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
from psycopg import sql
from sqlalchemy import update

from reelkeep import __version__
from reelkeep.backups.backup_key import BackupKeys
from reelkeep.backups.blob_list import ListedBlob, listed_blobs, packed, unpacked
from reelkeep.backups.copy_blobs import Copied, copy_blobs
from reelkeep.backups.erasures import keep_erasures
from reelkeep.backups.layout import BLOB_LIST, DATABASE, INSTALLATION, point_key
from reelkeep.backups.lock import Held, backup_lock
from reelkeep.backups.manifest import Manifest, Part, Source, write_manifest
from reelkeep.backups.models import Backup, BackupState
from reelkeep.backups.places import Place
from reelkeep.backups.prune import Removed, remove_old
from reelkeep.backups.sealed_stream import open_stream, seal_stream
from reelkeep.blobs.scratch import scratch_folder
from reelkeep.clock import new_id
from reelkeep.db import dump, migrate
from reelkeep.db.postgres.tools import find_tools
from reelkeep.errors import ErrorCode, ReelkeepError, StoreError
from reelkeep.logs import get_logger
from reelkeep.runtime import Runtime
from reelkeep.stores.protocol import Store

log = get_logger(__name__)

TABLES = """
select n.nspname, c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p') and n.nspname in ('public', 'jobs')
  and c.relname <> 'procrastinate_workers' order by 1, 2
"""
#: Room on scratch for the list of blobs while it is being made.
LIST_BYTES_NEEDED = 64 * 1024**2


async def make_backup(
    runtime: Runtime, place: Place, keys: BackupKeys, *, with_blobs: bool
) -> tuple[Manifest, Copied, Removed]:
    """Back up the installation, then remove backups that the rules let go.

    Raises `BACKUP_FAILED` (also when another process is at it), or what the store raised; the row of this
    backup tells of it.
    """
    async with backup_lock(runtime.database) as held:
        await end_broken_off(runtime)
        backup_id = await _begin(runtime, place, with_blobs=with_blobs)
        try:
            manifest, copied = await _make(runtime, place.store, keys, held, backup_id, with_blobs=with_blobs)
        except BaseException as error:
            await asyncio.shield(_fail(runtime, backup_id, error))
            raise
        await _succeed(runtime, manifest, copied)
        log.info("backup made", backup_id=str(backup_id), blobs_copied=copied.blobs)
        return manifest, copied, await remove_old(runtime, place, keys)


async def _make(
    runtime: Runtime, store: Store, keys: BackupKeys, held: Held, backup_id: UUID, *, with_blobs: bool
) -> tuple[Manifest, Copied]:
    conninfo = runtime.database.conninfo
    tools = await asyncio.to_thread(
        find_tools, await dump.server_major(conninfo), runtime.settings.postgres_bin
    )
    revision = await asyncio.to_thread(migrate.current, conninfo)
    limit = runtime.settings.scratch_bytes_max
    async with scratch_folder(runtime.scratch, min(LIST_BYTES_NEEDED, limit), limit) as scratch:
        parts: dict[str, Part] = {}
        blob_list = scratch / BLOB_LIST
        async with dump.snapshot_of(conninfo) as (connection, snapshot):
            manifest = Manifest(
                id=backup_id,
                made_at=runtime.clock.now(),
                version=__version__,
                revision=revision or "",
                postgres_major=tools.major,
                with_blobs=with_blobs,
                key_id=keys.current.id.hex(),
                rows=await count_rows(connection),
            )
            counted = await _write_list(connection, blob_list)
            pieces = dump.dump(conninfo, tools, snapshot)
            parts[DATABASE] = await _put(store, keys, backup_id, DATABASE, pieces)
        parts[BLOB_LIST] = await _put(store, keys, backup_id, BLOB_LIST, _file_pieces(blob_list))
        parts[INSTALLATION] = await _put(store, keys, backup_id, INSTALLATION, _installation(runtime))
        await keep_erasures(runtime, store, keys)
        copied = Copied()
        if with_blobs:
            copied = await copy_blobs(runtime, store, keys.current, unpacked(_file_pieces(blob_list)))
    await held.prove()
    manifest = replace(
        manifest, parts=parts, blobs=counted.blobs, blob_bytes=counted.bytes, blobs_missing=copied.missing
    )
    await write_manifest(store, manifest, keys.current)
    return manifest, copied


async def count_rows(connection: psycopg.AsyncConnection[Any]) -> dict[str, int]:
    """Rows of each table, as the connection sees them; a drill counts them again."""
    counts = {}
    for schema, table in await (await connection.execute(TABLES)).fetchall():
        query = sql.SQL("select count(*) from {}").format(sql.Identifier(schema, table))
        row = await (await connection.execute(query)).fetchone()
        assert row is not None
        counts[f"{schema}.{table}"] = row[0]
    return counts


async def _write_list(connection: psycopg.AsyncConnection[Any], path: Path) -> Copied:
    """The list on scratch, so that the snapshot need not wait for a slow store; how much it lists."""
    counted = Copied()

    async def count(blobs: AsyncIterator[ListedBlob]) -> AsyncIterator[ListedBlob]:
        async for blob in blobs:
            counted.blobs += 1
            counted.bytes += blob.size_bytes
            yield blob

    with path.open("xb") as file:
        async for piece in packed(count(listed_blobs(connection))):
            await asyncio.to_thread(file.write, piece)
    return counted


async def _file_pieces(path: Path) -> AsyncIterator[bytes]:
    with path.open("rb") as file:
        while piece := await asyncio.to_thread(file.read, dump.PIECE_BYTES):
            yield piece


async def _installation(runtime: Runtime) -> AsyncIterator[bytes]:
    """What lies outside the database and an empty machine cannot guess."""
    stores = [
        {"name": name, "bucket": store.bucket, "abilities": asdict(store.abilities)}
        for name, store in runtime.stores.by_name.items()
    ]
    document = {"secret": runtime.secrets.installation_secret.decode(), "stores": stores}
    yield json.dumps(document, default=str).encode()


async def _put(
    store: Store, keys: BackupKeys, backup_id: UUID, part: str, pieces: AsyncIterator[bytes]
) -> Part:
    key = point_key(backup_id, part)
    facts = await store.put(
        key, seal_stream(keys.current, key, pieces), content_type="application/octet-stream"
    )
    if facts.sha256 is None:
        raise StoreError(f"{store.name} does not tell the digest of what it took.", ErrorCode.STORE_REFUSED)
    return Part(facts.size_bytes, facts.sha256)


def read_part(source: Source, part: str) -> AsyncIterator[bytes]:
    """One part of a backup, decrypted and proved as it streams."""
    key = point_key(source.manifest.id, part)
    return open_stream(source.keys, key, source.store.read(key))


async def end_broken_off(runtime: Runtime) -> None:
    """Tell of backups whose process died; the lock must be held, so that none of them runs."""
    broken = (
        update(Backup)
        .where(Backup.state == BackupState.RUNNING)
        .values(
            state=BackupState.FAILED,
            finished_at=runtime.clock.now(),
            error_code=ErrorCode.BACKUP_FAILED,
            error_message="The process that made it ended before it was whole.",
        )
    )
    async with runtime.database.directory() as session:
        await session.execute(broken)


async def _begin(runtime: Runtime, place: Place, *, with_blobs: bool) -> UUID:
    backup_id = new_id()
    async with runtime.database.directory() as session:
        session.add(
            Backup(id=backup_id, place=place.name, with_blobs=with_blobs, started_at=runtime.clock.now())
        )
    return backup_id


async def _succeed(runtime: Runtime, manifest: Manifest, copied: Copied) -> None:
    await _note(
        runtime,
        manifest.id,
        state=BackupState.WHOLE,
        size_bytes=manifest.size_bytes,
        blobs=manifest.blobs,
        blobs_copied=copied.blobs,
        bytes_copied=copied.bytes,
        blobs_missing=copied.missing,
    )


async def _fail(runtime: Runtime, backup_id: UUID, error: BaseException) -> None:
    told = error if isinstance(error, ReelkeepError) else None
    if isinstance(error, BaseExceptionGroup):
        told = next((e for e in error.exceptions if isinstance(e, ReelkeepError)), None)
    log.error("backup failed", backup_id=str(backup_id), error=told.message if told else repr(error))
    try:
        await _note(
            runtime,
            backup_id,
            state=BackupState.FAILED,
            error_code=told.code if told else ErrorCode.BACKUP_FAILED,
            error_message=told.message if told else f"It was stopped: {type(error).__name__}.",
        )
    except ReelkeepError as lost:
        log.warning("that a backup failed could not be noted", exc_info=lost)


async def _note(runtime: Runtime, backup_id: UUID, **values: Any) -> None:
    async with runtime.database.directory() as session:
        await session.execute(
            update(Backup).where(Backup.id == backup_id).values(finished_at=runtime.clock.now(), **values)
        )
