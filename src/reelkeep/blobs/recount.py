"""Count what lies in each store anew, from the copies themselves, and put right what was kept otherwise.

Nothing should ever be otherwise. It is for after hands have been at the database with its triggers off.
"""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text

from reelkeep.runtime import Runtime

# Whoever is about to commit copies is waited for, and others wait: what is read then is all there is.
_ALONE = "lock table copy in share row exclusive mode"
_DIFFERENCES = text("""
with kept as (
  select organization_id, store, storage_class, sum(bytes)::bigint as bytes, sum(copies)::bigint as copies
    from store_usage group by organization_id, store, storage_class),
counted as (
  select organization_id, store, storage_class, sum(size_bytes)::bigint as bytes, count(*) as copies
    from copy where state not in ('making', 'missing')
   group by organization_id, store, storage_class)
select organization_id, store, storage_class,
       coalesce(k.bytes, 0) as bytes_kept, coalesce(c.bytes, 0) as bytes,
       coalesce(k.copies, 0) as copies_kept, coalesce(c.copies, 0) as copies
  from kept k full join counted c using (organization_id, store, storage_class)
 where (coalesce(k.bytes, 0), coalesce(k.copies, 0)) <> (coalesce(c.bytes, 0), coalesce(c.copies, 0))
 order by organization_id, store, storage_class
""")
_PUT_RIGHT = text("""
insert into store_usage as u (organization_id, id, store, storage_class, bytes, copies)
values (:organization_id, gen_random_uuid(), :store, :storage_class, :bytes, :copies)
on conflict (organization_id, store, storage_class, shard) do update
  set bytes = u.bytes + excluded.bytes, copies = u.copies + excluded.copies
""")


@dataclass(frozen=True, slots=True)
class Corrected:
    """One figure that was kept otherwise than it is."""

    organization_id: UUID
    store: str
    storage_class: str
    bytes_kept: int
    bytes: int
    copies_kept: int
    copies: int


async def recount(runtime: Runtime) -> list[Corrected]:
    """Put every figure right; those that were not. Copies cannot be changed while it counts."""
    async with runtime.database.owner() as session:
        await session.execute(text("set local statement_timeout = 0"))
        await session.execute(text(_ALONE))
        found = [Corrected(**row) for row in (await session.execute(_DIFFERENCES)).mappings()]
        for one in found:
            await session.execute(
                _PUT_RIGHT,
                {
                    "organization_id": one.organization_id,
                    "store": one.store,
                    "storage_class": one.storage_class,
                    "bytes": one.bytes - one.bytes_kept,
                    "copies": one.copies - one.copies_kept,
                },
            )
    return found
