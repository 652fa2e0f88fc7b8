"""After a restore: which blobs the stores still have, which the backup can give back, which are nowhere.

Each store is listed once and compared with the copies in the database, so that a million blobs are not a
million requests. Everything here may be done twice.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import psycopg

from reelkeep.backups.blob_bytes import opened_bytes
from reelkeep.backups.blob_list import ListedBlob
from reelkeep.backups.copy_blobs import proved
from reelkeep.backups.layout import BACKUPS
from reelkeep.backups.manifest import Source
from reelkeep.clock import new_id
from reelkeep.errors import ErrorCode, ObjectNotFound, ReelkeepError, StoreRefused, StoreUnavailable
from reelkeep.logs import get_logger
from reelkeep.runtime import Runtime
from reelkeep.stores.protocol import Store

AT_ONCE = 4
ALONE_AT_ONCE = 200
ROWS_AT_ONCE = 1000
FIRST = UUID(int=0)
MISSING_TOLD_MAX = 100
#: The values of a copy that is there again.
Put = dict[str, UUID | str | int]

log = get_logger(__name__)

THERE = "create temp table there (store text, key text, size_bytes bigint)"
INDEX = "create index on there (store, key)"
# Copies whose bytes are gone from a store that was looked into.
GONE = """
create temp table gone as
select c.organization_id, c.id, c.blob_id, c.store, c.key from public.copy c
  join public.blob b on b.organization_id = c.organization_id and b.id = c.blob_id
 where c.state in ('present', 'missing') and c.store = any(%s)
   and not exists (select from there t where t.store = c.store and t.key = c.key
                    and t.size_bytes in (c.size_bytes, b.size_bytes))
"""
# Of their blobs, those of which no other copy is known.
ALONE = """
create temp table alone as
select b.organization_id, b.id, b.size_bytes, encode(b.sha256, 'hex') as sha256, b.content_type,
       (select json_agg(json_build_array(g.store, g.key) order by g.id) from gone g
         where g.organization_id = b.organization_id and g.blob_id = b.id) as places
  from public.blob b
 where (b.organization_id, b.id) in (select organization_id, blob_id from gone)
   and not exists (select from public.copy c where c.organization_id = b.organization_id
                    and c.blob_id = b.id and c.state = 'present'
                    and c.id not in (select id from gone))
"""
ALONE_INDEX = "create unique index on alone (organization_id, id)"
NEXT_ALONE = """
select organization_id, id, size_bytes, sha256, content_type, places from alone
 where (organization_id, id) > (%s, %s) order by organization_id, id limit %s
"""
MISSING = """
update public.copy c set state = 'missing', verified_at = null from gone g
 where c.organization_id = g.organization_id and c.id = g.id and c.state = 'present'
"""
COPY = """
insert into public.copy (organization_id, id, blob_id, store, key, state, size_bytes)
values (%(organization)s, %(id)s, %(blob)s, %(store)s, %(key)s, 'present', %(size)s)
on conflict (organization_id, blob_id, store)
  do update set state = 'present', key = excluded.key, size_bytes = excluded.size_bytes
"""
NOT_CONFIGURED = """
select store, count(*) from public.copy where state = 'present' and not store = any(%s) group by store
"""
COUNT_PRESENT = """
select count(distinct (organization_id, blob_id)) from public.copy where state = 'present'
"""


@dataclass(slots=True)
class Reunited:
    """What became of the blobs."""

    present: int = 0
    restored: int = 0
    missing: int = 0
    #: Some of those that are nowhere.
    missing_ids: list[str] = field(default_factory=list)
    #: Copies in stores that could not be looked into, by store and why.
    unreachable: dict[str, str] = field(default_factory=dict)


async def reunite(runtime: Runtime, source: Source, lost_stores: frozenset[str] = frozenset()) -> Reunited:
    """Compare, bring back what the backup has, and mark what is nowhere as missing.

    A store that does not answer is left alone, and told; one in `lost_stores` counts as empty.
    """
    reunited = Reunited()
    async with await psycopg.AsyncConnection.connect(
        runtime.database.conninfo, autocommit=True
    ) as connection:
        await connection.execute(THERE)
        looked_into = await _list_stores(runtime, connection, lost_stores, reunited)
        await connection.execute(INDEX)
        await connection.execute("analyze there")
        await connection.execute(GONE, [looked_into])
        await connection.execute(ALONE)
        await connection.execute(ALONE_INDEX)
        await connection.execute(MISSING)
        after = (FIRST, FIRST)
        while rows := await (await connection.execute(NEXT_ALONE, [*after, ALONE_AT_ONCE])).fetchall():
            blobs = [_listed(row) for row in rows]
            for put in await _bring_back(runtime, source, blobs, lost_stores, reunited):
                await connection.execute(COPY, put)
                reunited.restored += 1
            after = rows[-1][0], rows[-1][1]
        for store, count in await (
            await connection.execute(NOT_CONFIGURED, [list(runtime.stores.by_name)])
        ).fetchall():
            reunited.unreachable[store] = f"not configured; {count} copies are said to be there"
        row = await (await connection.execute(COUNT_PRESENT)).fetchone()
        reunited.present = row[0] if row else 0
    return reunited


async def _list_stores(
    runtime: Runtime,
    connection: psycopg.AsyncConnection[Any],
    lost_stores: frozenset[str],
    reunited: Reunited,
) -> list[str]:
    looked_into = []
    for name, store in runtime.stores.by_name.items():
        try:
            if name not in lost_stores:
                await _list(connection, name, store)
        except (StoreRefused, StoreUnavailable) as error:
            reunited.unreachable[name] = error.message
            log.warning("a store could not be looked into", store=name, error=error.message)
            continue
        looked_into.append(name)
    return looked_into


async def _list(connection: psycopg.AsyncConnection[Any], name: str, store: Store) -> None:
    batch = []
    async for facts in store.list_objects():
        if facts.key.startswith(BACKUPS):
            continue
        batch.append((name, facts.key, facts.size_bytes))
        if len(batch) == ROWS_AT_ONCE:
            await _note(connection, batch)
            batch = []
    await _note(connection, batch)


async def _note(connection: psycopg.AsyncConnection[Any], rows: Iterable[tuple[str, str, int]]) -> None:
    async with connection.cursor() as cursor, cursor.copy("copy there from stdin") as writing:
        for row in rows:
            await writing.write_row(row)


async def _bring_back(
    runtime: Runtime,
    source: Source,
    blobs: list[ListedBlob],
    lost_stores: frozenset[str],
    reunited: Reunited,
) -> list[Put]:
    """What of a batch of blobs was put back; the others are counted as missing."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(blob: ListedBlob) -> Put | None:
        async with gate:
            return await _put_back(runtime, source, blob, lost_stores)

    async with asyncio.TaskGroup() as group:
        tasks = [(blob, group.create_task(one(blob))) for blob in blobs]
    lost = [str(blob.blob_id) for blob, task in tasks if task.result() is None]
    reunited.missing += len(lost)
    reunited.missing_ids += lost[: MISSING_TOLD_MAX - len(reunited.missing_ids)]
    return [put for _, task in tasks if (put := task.result()) is not None]


def _listed(row: tuple[Any, ...]) -> ListedBlob:
    return ListedBlob(row[0], row[1], row[2], row[3], row[4], tuple((str(s), str(k)) for s, k in row[5]))


async def _put_back(
    runtime: Runtime, source: Source, blob: ListedBlob, lost_stores: frozenset[str]
) -> Put | None:
    """Bytes from the backup into the store that had them, else into the primary; None: not in the backup."""
    known = [c for c in blob.copies if c[0] in runtime.stores.by_name and c[0] not in lost_stores]
    store_name, key = known[0] if known else (runtime.stores.primary_name, blob.copies[0][1])
    pieces = proved(opened_bytes(runtime, source, blob), blob)
    try:
        facts = await runtime.stores.get(store_name).put(
            key,
            pieces,
            content_type=blob.content_type,
            size_bytes=blob.size_bytes,
            sha256=blob.sha256,
        )
    except ObjectNotFound:
        return None
    except ReelkeepError as error:
        if error.code == ErrorCode.KEY_ERASED:
            return None
        if error.code not in (ErrorCode.BACKUP_DAMAGED, ErrorCode.WRONG_BYTES):
            raise
        log.error("the backup's bytes of a blob are damaged", blob_id=str(blob.blob_id))
        return None
    return {
        "organization": blob.organization_id,
        "id": new_id(),
        "blob": blob.blob_id,
        "store": store_name,
        "key": key,
        "size": facts.size_bytes,
    }
