"""What an organization keeps, beside what it may: for whoever looks at its storage."""

from dataclasses import dataclass
from uuid import UUID

from reelkeep.blobs.store_usage import Holding, prices_of, read_holding
from reelkeep.blobs.usage import Used, read_usage
from reelkeep.runtime import Runtime
from reelkeep.uploads.limits import load_limits


@dataclass(frozen=True, slots=True)
class StorageStanding:
    """Every copy by place, what counts against the quota, and the quota in bytes (None: no limit)."""

    holding: Holding
    used: Used
    quota_bytes: int | None


async def show_storage(runtime: Runtime, organization_id: UUID) -> StorageStanding:
    """The organization's storage as it is now, read at one moment."""
    async with runtime.database.work(organization_id) as session:
        places = await read_holding(session, organization_id, prices_of(runtime.stores))
        used = await read_usage(session, organization_id)
        limits = await load_limits(session, runtime.settings, organization_id)
    return StorageStanding(places, used, limits.quota_bytes)
