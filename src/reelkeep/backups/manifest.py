"""What a backup is: written last, so that a backup that broke off is never taken for a whole one.

It has nothing secret in it, and a MAC of the backup key, so that nobody else can have written it.
"""

import hmac
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from reelkeep.backups.backup_key import BackupKey, BackupKeys
from reelkeep.backups.layout import MANIFEST, POINTS, point_key, point_of_key
from reelkeep.backups.sealed_stream import wrong_key
from reelkeep.errors import ErrorCode, NotFound, ObjectNotFound, ReelkeepError
from reelkeep.logs import get_logger
from reelkeep.stores.protocol import Store

FORMAT = 1
MANIFEST_BYTES_MAX = 1 << 20
CONTENT_TYPE = "application/json"

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Part:
    """One encrypted object of a backup."""

    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup holds and how to know that it is whole."""

    id: UUID
    made_at: datetime
    #: Of Reelkeep, of the last migration, of Postgres.
    version: str
    revision: str
    postgres_major: int
    with_blobs: bool
    key_id: str
    parts: Mapping[str, Part] = field(default_factory=dict)
    #: Rows of each table at that point.
    rows: Mapping[str, int] = field(default_factory=dict)
    blobs: int = 0
    blob_bytes: int = 0
    #: Blobs that no store could give when the backup copied them.
    blobs_missing: int = 0

    @property
    def size_bytes(self) -> int:
        """Bytes of all parts."""
        return sum(part.size_bytes for part in self.parts.values())


@dataclass(frozen=True, slots=True)
class Source:
    """One whole backup, where it lies and what reads it."""

    store: Store
    keys: BackupKeys
    manifest: Manifest


def manifest_bytes(manifest: Manifest, key: BackupKey) -> bytes:
    """The manifest as it is stored, with its MAC."""
    document = {"format": FORMAT, **asdict(manifest)}
    document |= {"id": str(manifest.id), "made_at": manifest.made_at.isoformat()}
    return json.dumps({**document, "mac": _mac(document, key)}, indent=1).encode()


def read_manifest(data: bytes, keys: BackupKeys) -> Manifest:
    """The manifest that these bytes are; `BACKUP_DAMAGED`, or `BACKUP_KEY` for one of another key."""
    try:
        document = json.loads(data)
        mac, made_with = document.pop("mac"), bytes.fromhex(document["key_id"])
        newer = document.pop("format") != FORMAT
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _damaged() from error
    key = keys.find(made_with)
    if key is None:
        raise wrong_key(made_with, keys)
    if newer or not hmac.compare_digest(str(mac), _mac({"format": FORMAT, **document}, key)):
        raise _damaged()
    parts = {name: Part(**part) for name, part in document.pop("parts").items()}
    document["id"], document["made_at"] = UUID(document["id"]), datetime.fromisoformat(document["made_at"])
    return Manifest(parts=parts, **document)


async def write_manifest(store: Store, manifest: Manifest, key: BackupKey) -> None:
    """Make the backup a whole one: the last write of all."""

    async def once() -> AsyncIterator[bytes]:
        yield data

    data = manifest_bytes(replace(manifest, key_id=key.id.hex()), key)
    await store.put(point_key(manifest.id, MANIFEST), once(), content_type=CONTENT_TYPE, size_bytes=len(data))


async def whole_backups(store: Store, keys: BackupKeys) -> list[Manifest]:
    """Every whole backup that these keys read, newest first; others are told in the log and left alone."""
    found = []
    async for facts in store.list_objects(POINTS):
        point = point_of_key(facts.key)
        if point is None or point[1] != MANIFEST:
            continue
        try:
            found.append(await load_manifest(store, point[0], keys))
        except ReelkeepError as error:
            if error.code not in (ErrorCode.BACKUP_KEY, ErrorCode.BACKUP_DAMAGED, ErrorCode.BACKUP_NOT_FOUND):
                raise
            log.warning("a backup cannot be used", backup_id=str(point[0]), error=error.message)
    return sorted(found, key=lambda manifest: (manifest.made_at, manifest.id), reverse=True)


async def load_manifest(store: Store, backup_id: UUID, keys: BackupKeys) -> Manifest:
    """One backup's manifest; `BACKUP_NOT_FOUND` when there is none, or it broke off."""
    try:
        data = b"".join(
            [piece async for piece in store.read(point_key(backup_id, MANIFEST), 0, MANIFEST_BYTES_MAX)]
        )
    except ObjectNotFound as error:
        raise NotFound(
            f"There is no whole backup {backup_id} in {store.name}; `reelkeep backup list` shows those "
            "that there are.",
            ErrorCode.BACKUP_NOT_FOUND,
            backup_id=str(backup_id),
        ) from error
    manifest = read_manifest(data, keys)
    if manifest.id != backup_id:
        raise _damaged()
    return manifest


async def newest_backup(store: Store, keys: BackupKeys) -> Manifest:
    """The newest whole backup; `BACKUP_NOT_FOUND` where there is none."""
    found = await whole_backups(store, keys)
    if not found:
        raise NotFound(
            f"There is no whole backup in {store.name} that the keys in {keys.path} can read.",
            ErrorCode.BACKUP_NOT_FOUND,
        )
    return found[0]


def _mac(document: Mapping[str, Any], key: BackupKey) -> str:
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":"))
    return hmac.digest(key.derive(b"manifest"), canonical.encode(), "sha256").hex()


def _damaged() -> ReelkeepError:
    return ReelkeepError(
        "A backup's manifest is damaged, or of a newer Reelkeep; take another backup.",
        ErrorCode.BACKUP_DAMAGED,
    )
