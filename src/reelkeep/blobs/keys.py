"""The one place that builds every key. Keys hold ids only, never a name."""

from uuid import UUID

INCOMING = "incoming/"
#: What lies here is immutable: no ticket and no access key can write or delete it.
SEALED = "recordings/"


def incoming_key(organization_id: UUID, upload_id: UUID) -> str:
    """Where an upload's bytes lie until they are sealed; the only place a ticket can write."""
    return f"{INCOMING}{organization_id}/{upload_id}"


def upload_of_key(key: str) -> tuple[UUID, UUID] | None:
    """The organization and upload of an incoming key, or None when it is not one of ours."""
    parts = key.removeprefix(INCOMING).split("/")
    if not key.startswith(INCOMING) or len(parts) != 2:
        return None
    try:
        return UUID(parts[0]), UUID(parts[1])
    except ValueError:
        return None


def blob_key(organization_id: UUID, recording_id: UUID, blob_id: UUID) -> str:
    """Where a blob's bytes lie; no ticket can write there."""
    return f"{SEALED}{organization_id}/{recording_id}/{blob_id}"
