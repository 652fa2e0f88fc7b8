"""Removing an object so that nobody can have it back from the store."""

from reelkeep.logs import get_logger
from reelkeep.stores.protocol import KeepsVersions, Store

log = get_logger(__name__)


async def delete_for_good(store: Store, key: str) -> bool:
    """Remove an object with the older versions that a bucket may keep; whether nothing is left.

    False where the object is gone, and older versions stay until the bucket's own rules remove them: the
    credentials may not, or a lock is on them. That is no reason to ask again, so nothing is raised.
    """
    if not isinstance(store, KeepsVersions):
        await store.delete(key)
        return True
    if await store.delete_with_versions(key):
        return True
    log.warning(
        "older versions of a removed object stay until the bucket's own rules remove them; "
        "`reelkeep storage provision` prints the rights that are needed",
        store=store.name,
        key=key,
    )
    return False
