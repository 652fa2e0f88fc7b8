"""Which store takes new bytes now."""

from reelkeep.placement.load import in_force
from reelkeep.runtime import Runtime
from reelkeep.stores.guarded import Guarded


async def choose_store(runtime: Runtime) -> str:
    """The primary store, or what it is being left for; the fallback while that does not answer or is full.

    Outside of any unit of work: the store may be asked. Where no fallback is configured nothing is asked.
    """
    stores = runtime.stores
    wanted = (await in_force(runtime)).taking(stores.primary_name)
    fallback = stores.fallback_name
    if fallback is None or fallback == wanted or await takes_bytes(runtime, wanted):
        return wanted
    return fallback


async def answers(runtime: Runtime, name: str) -> bool:
    """Whether a store can be used now, as this process knows."""
    store = runtime.stores.get(name)
    return not isinstance(store, Guarded) or await store.health.answers(store.check_once)


async def takes_bytes(runtime: Runtime, name: str) -> bool:
    """Whether a store answers, and had room when it was last written to."""
    store = runtime.stores.get(name)
    is_full = isinstance(store, Guarded) and store.health.is_full
    return not is_full and await answers(runtime, name)


async def takes_nothing(runtime: Runtime, name: str) -> bool:
    """Whether this process has found that a store takes no bytes; it is asked again when that is due."""
    store = runtime.stores.get(name)
    if not isinstance(store, Guarded) or not (store.health.is_open or store.health.is_full):
        return False
    return not await takes_bytes(runtime, name)


async def fallback_for(runtime: Runtime, name: str) -> str | None:
    """The store that takes what another one has failed to take; None where none takes any."""
    fallback = runtime.stores.fallback_name
    if fallback is None or fallback == name or not await takes_bytes(runtime, fallback):
        return None
    return fallback


def is_degraded(runtime: Runtime, store: str) -> bool:
    """Whether bytes taken in there lie there only because the primary store was away."""
    return store == runtime.stores.fallback_name != runtime.stores.primary_name
