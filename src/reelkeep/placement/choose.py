"""Which store takes new bytes now."""

from reelkeep.placement.load import in_force
from reelkeep.runtime import Runtime
from reelkeep.stores.guarded import Guarded


async def choose_store(runtime: Runtime) -> str:
    """The primary store, or what it is being left for; the fallback while that does not answer.

    Outside of any unit of work: the store may be asked. Where no fallback is configured nothing is asked.
    """
    stores = runtime.stores
    wanted = (await in_force(runtime)).taking(stores.primary_name)
    fallback = stores.fallback_name
    if fallback is None or fallback == wanted or await answers(runtime, wanted):
        return wanted
    return fallback


async def answers(runtime: Runtime, name: str) -> bool:
    """Whether a store can be used now, as this process knows."""
    store = runtime.stores.get(name)
    return not isinstance(store, Guarded) or await store.health.answers(store.check_once)


async def is_away(runtime: Runtime, name: str) -> bool:
    """Whether this process has found that a store does not answer; it is asked again when that is due."""
    store = runtime.stores.get(name)
    if not isinstance(store, Guarded) or not store.health.is_open:
        return False
    return not await answers(runtime, name)


async def fallback_for(runtime: Runtime, name: str) -> str | None:
    """The store that takes what another one has failed to take; None where there is none that answers."""
    fallback = runtime.stores.fallback_name
    if fallback is None or fallback == name or not await answers(runtime, fallback):
        return None
    return fallback


def is_degraded(runtime: Runtime, store: str) -> bool:
    """Whether bytes taken in there lie there only because the primary store was away."""
    return store == runtime.stores.fallback_name != runtime.stores.primary_name
