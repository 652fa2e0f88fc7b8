"""Where backups lie in a store.

backups/points/ID/database           the dump, encrypted
backups/points/ID/blobs              the blobs that must exist at that point, encrypted
backups/points/ID/installation       the secret key and the like, encrypted
backups/points/ID/manifest.json      what all this is; written last: without it there is no backup
backups/blobs/ORGANIZATION/BLOB      bytes of a blob, encrypted, shared by all backups that list it
backups/erasures/ID.json             what must never come back, whatever an older backup says
"""

from uuid import UUID

BACKUPS = "backups/"
POINTS = f"{BACKUPS}points/"
BLOBS = f"{BACKUPS}blobs/"
ERASURES = f"{BACKUPS}erasures/"
DATABASE, BLOB_LIST, INSTALLATION, MANIFEST = "database", "blobs", "installation", "manifest.json"


def point_key(backup_id: UUID, part: str) -> str:
    """Where one part of a backup lies."""
    return f"{POINTS}{backup_id}/{part}"


def blob_copy_key(organization_id: UUID, blob_id: UUID) -> str:
    """Where a blob's bytes lie in a store of backups."""
    return f"{BLOBS}{organization_id}/{blob_id}"


def point_of_key(key: str) -> tuple[UUID, str] | None:
    """The backup and the part that a key belongs to; None when it is none of ours."""
    parts = key.removeprefix(POINTS).split("/")
    if not key.startswith(POINTS) or len(parts) != 2:
        return None
    try:
        return UUID(parts[0]), parts[1]
    except ValueError:
        return None
