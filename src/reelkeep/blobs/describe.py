"""What an object tells of itself: ids, kind and time, as metadata beside its bytes. Never a name."""

from collections.abc import Mapping
from datetime import UTC, datetime
from uuid import UUID

from reelkeep.blobs.models import BlobKind
from reelkeep.stores.protocol import CarriesFacts, ObjectFacts, Store


def description(
    *, organization_id: UUID, recording_id: UUID, blob_id: UUID, kind: BlobKind, created_at: datetime
) -> dict[str, str]:
    """The facts that an object carries; plain ASCII."""
    return {
        "organization-id": str(organization_id),
        "recording-id": str(recording_id),
        "blob-id": str(blob_id),
        "kind": kind.value,
        "created-at": created_at.astimezone(UTC).isoformat(timespec="seconds"),
    }


async def copy_described(
    store: Store, source_key: str, target_key: str, told: Mapping[str, str]
) -> ObjectFacts:
    """Copy inside a store, the copy telling what it is where objects of that store can."""
    if isinstance(store, CarriesFacts):
        return await store.copy_described(source_key, target_key, told)
    return await store.copy(source_key, target_key)
