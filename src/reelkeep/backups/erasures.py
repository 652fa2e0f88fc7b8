"""What was erased for good, kept beside the backups: an older backup must not bring it back.

One small file for each erasure, encrypted as the backups are, written when a backup is made and by the
worker's loop between two of them.
"""

import json
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from uuid import UUID

import psycopg
from sqlalchemy import select

from reelkeep.backups.backup_key import BackupKeys
from reelkeep.backups.layout import ERASURES
from reelkeep.backups.sealed_stream import open_stream, seal_stream
from reelkeep.recordings.models import Erased
from reelkeep.runtime import Runtime
from reelkeep.stores.protocol import Store

BATCH = 500
Erasure = tuple[UUID, UUID, datetime]

ERASE = """
with doomed as (
  select r.organization_id, r.original_blob_id as blob_id from public.recording r
   where r.organization_id = %(organization)s and r.id = %(recording)s and r.original_blob_id is not null
  union
  select b.organization_id, b.id from public.blob b
   where b.organization_id = %(organization)s and b.recording_id = %(recording)s
  union
  select d.organization_id, d.blob_id from public.rendition d
   where d.organization_id = %(organization)s and d.recording_id = %(recording)s
), recordings as (
  delete from public.recording where organization_id = %(organization)s and id = %(recording)s returning id
), blobs as (
  delete from public.blob b using doomed
   where b.organization_id = doomed.organization_id and b.id = doomed.blob_id returning b.size_bytes
), used as (
  update public.usage set bytes_used = bytes_used - (select coalesce(sum(size_bytes), 0) from blobs)
   where organization_id = %(organization)s
)
select count(*) from recordings
"""
REMEMBER = """
insert into public.erased (organization_id, id, recording_id, erased_at)
select %(organization)s, gen_random_uuid(), %(recording)s, %(at)s
 where exists (select from public.organization where id = %(organization)s)
on conflict do nothing
"""
# Whatever was encrypted for it, in any store, stays unreadable.
ERASE_KEY = """
insert into public.data_key (organization_id, id, recording_id, erased_at)
select %(organization)s, gen_random_uuid(), %(recording)s, %(at)s
 where exists (select from public.organization where id = %(organization)s)
on conflict (organization_id, recording_id)
  do update set master_key_id = null, wrapped = null, erased_at = excluded.erased_at
  where data_key.erased_at is null
"""


#: A key of encrypted bytes that the backup brought back; `blobs.erase_key` does the same.
FORGET_KEY = """
insert into public.data_key (organization_id, id, recording_id, erased_at)
select %(organization)s, gen_random_uuid(), %(recording)s, %(at)s
 where exists (select from public.organization where id = %(organization)s)
on conflict (organization_id, recording_id) do update
  set wrapped = null, master_key_id = null, erased_at = excluded.erased_at
  where public.data_key.erased_at is null
"""


async def keep_erasures(runtime: Runtime, store: Store, keys: BackupKeys) -> int:
    """Write every erasure that is not beside the backups yet; how many were."""
    there = {facts.key async for facts in store.list_objects(ERASURES)}
    kept = 0
    after: tuple[UUID, UUID] | None = None
    while rows := await _erased(runtime, after):
        for organization_id, recording_id, erased_at in rows:
            key = f"{ERASURES}{organization_id}/{recording_id}.json"
            if key not in there:
                body = [str(organization_id), str(recording_id), erased_at.isoformat()]
                await store.put(key, seal_stream(keys.current, key, _once(json.dumps(body).encode())))
                kept += 1
        after = rows[-1][0], rows[-1][1]
    return kept


async def _erased(runtime: Runtime, after: tuple[UUID, UUID] | None) -> Sequence[Erasure]:
    query = select(Erased.organization_id, Erased.recording_id, Erased.erased_at)
    query = query.order_by(Erased.organization_id, Erased.recording_id).limit(BATCH)
    if after is not None:
        organization_id, recording_id = after
        query = query.where(
            (Erased.organization_id > organization_id)
            | ((Erased.organization_id == organization_id) & (Erased.recording_id > recording_id))
        )
    async with runtime.database.owner() as session:
        return [(row[0], row[1], row[2]) for row in await session.execute(query)]


async def erasures_of(store: Store, keys: BackupKeys) -> AsyncIterator[Erasure]:
    """Every erasure that is kept beside the backups."""
    async for facts in store.list_objects(ERASURES):
        pieces = open_stream(keys, facts.key, store.read(facts.key))
        organization, recording, at = json.loads(b"".join([piece async for piece in pieces]))
        yield UUID(organization), UUID(recording), datetime.fromisoformat(at)


async def erase_again(conninfo: str, store: Store, keys: BackupKeys) -> int:
    """Remove what an older backup brought back; how many recordings that were. Twice is once."""
    removed = 0
    async with await psycopg.AsyncConnection.connect(conninfo) as connection:
        async for organization_id, recording_id, at in erasures_of(store, keys):
            values = {"organization": organization_id, "recording": recording_id, "at": at}
            async with connection.transaction():
                row = await (await connection.execute(ERASE, values)).fetchone()
                await connection.execute(REMEMBER, values)
                await connection.execute(ERASE_KEY, values)
                await connection.execute(FORGET_KEY, values)
            removed += row[0] if row else 0
    return removed


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data
