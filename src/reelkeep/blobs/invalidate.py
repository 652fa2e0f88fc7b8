"""Have the CDN in front of a store forget what is erased: asked in a unit of work, done by a job."""

from collections.abc import Iterable, Sequence
from itertools import islice

from sqlalchemy.ext.asyncio import AsyncSession

from reelkeep.blobs.deliver import cdn_path
from reelkeep.clock import new_id
from reelkeep.jobs.queue import JobName, enqueue
from reelkeep.logs import get_logger
from reelkeep.runtime import Runtime

#: It waits for another's server more than it works, as fetches do, and shares their queue.
INVALIDATE = JobName("invalidate", queue="fetch")

log = get_logger(__name__)


async def invalidate(session: AsyncSession, runtime: Runtime, store: str, keys: Iterable[str]) -> None:
    """Ask, in the current unit of work, that the store's CDN forgets these keys; nothing without a CDN.

    Call it in the transaction that notes the bytes as gone from the store: while they are there, the CDN may
    fetch them again. The jobs come again until the CDN has answered.
    """
    cdn = runtime.stores.cdns.get(store)
    if cdn is None or not cdn.forgets:
        return
    left = iter(keys)
    while batch := list(islice(left, cdn.forgotten_at_once_max)):
        await enqueue(
            session,
            INVALIDATE,
            lock=f"invalidate {store}",
            store=store,
            keys="\n".join(batch),
            reference=str(new_id()),
        )


async def do_invalidate(runtime: Runtime, store: str, keys: Sequence[str], reference: str) -> None:
    """The job: tell the CDN. Raises what the CDN raised, so that it is tried again."""
    cdn = runtime.stores.cdns.get(store)
    if cdn is None or not cdn.forgets:
        log.warning("nothing to invalidate: the store has no CDN any more", store=store, keys=len(keys))
        return
    await cdn.forget([cdn_path(runtime, cdn, store, key) for key in keys], reference)
    log.info("cdn told to forget", store=store, keys=len(keys))
