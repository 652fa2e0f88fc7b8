"""Remove backups that the rules let go, what broken-off ones left, and bytes that no backup lists any more.

A manifest goes first: what is half removed is no backup any more. The caller holds the lock of backups.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import update

from reelkeep.backups.backup_key import BackupKeys
from reelkeep.backups.blob_list import ListedBlob, unpacked
from reelkeep.backups.layout import (
    BLOB_LIST,
    BLOBS,
    DATABASE,
    INSTALLATION,
    MANIFEST,
    POINTS,
    blob_copy_key,
    point_key,
    point_of_key,
)
from reelkeep.backups.manifest import Manifest, whole_backups
from reelkeep.backups.models import Backup, BackupState
from reelkeep.backups.places import Place
from reelkeep.backups.sealed_stream import open_stream
from reelkeep.errors import ReelkeepError
from reelkeep.logs import get_logger
from reelkeep.runtime import Runtime
from reelkeep.stores.protocol import Store

log = get_logger(__name__)

#: What no manifest names is a leftover of a backup that broke off when it is this old.
LEFTOVER_AGE = timedelta(days=2)


@dataclass(slots=True)
class Removed:
    """What was removed."""

    backups: int = 0
    leftovers: int = 0
    blobs: int = 0


def let_go(found: Sequence[Manifest], keep_last: int, oldest: datetime) -> list[Manifest]:
    """Of backups, newest first, those that are too many or made before `oldest`; never the newest."""
    return [
        manifest
        for number, manifest in enumerate(found)
        if number and (number >= keep_last or manifest.made_at < oldest)
    ]


async def remove_old(runtime: Runtime, place: Place, keys: BackupKeys) -> Removed:
    """Do all of it once; what one run leaves, because the store went away, the next one takes."""
    settings, now = runtime.settings, runtime.clock.now()
    found = await whole_backups(place.store, keys)
    gone = let_go(found, settings.backup_keep_last, now - timedelta(days=settings.backup_days_max))
    removed = Removed()
    for manifest in gone:
        await _remove(place.store, manifest.id)
        await _note_removed(runtime, manifest.id)
        removed.backups += 1
    kept = [manifest for manifest in found if manifest not in gone]
    alien = await _remove_leftovers(place.store, {manifest.id for manifest in kept}, now, removed)
    if alien:
        log.warning("backups of another key are here, so no bytes of blobs are removed", backups=alien)
    elif gone or removed.leftovers:
        await _remove_unlisted(place.store, keys, kept, now, removed)
    return removed


async def _remove(store: Store, backup_id: UUID) -> None:
    for part in (MANIFEST, DATABASE, BLOB_LIST, INSTALLATION):
        await store.delete(point_key(backup_id, part))


async def _note_removed(runtime: Runtime, backup_id: UUID) -> None:
    async with runtime.database.directory() as session:
        await session.execute(update(Backup).where(Backup.id == backup_id).values(state=BackupState.REMOVED))


async def _remove_leftovers(store: Store, kept: set[UUID], now: datetime, removed: Removed) -> int:
    """Parts without a manifest; how many backups are there that none of our keys reads."""
    alien: set[UUID] = set()
    parts: list[tuple[UUID, str, datetime]] = []
    async for facts in store.list_objects(POINTS):
        point = point_of_key(facts.key)
        if point is None or point[0] in kept:
            continue
        if point[1] == MANIFEST:
            alien.add(point[0])
        parts.append((point[0], facts.key, facts.modified_at))
    for backup_id, key, modified_at in parts:
        if backup_id not in alien and now - modified_at > LEFTOVER_AGE:
            await store.delete(key)
            removed.leftovers += 1
    return len(alien)


async def _remove_unlisted(
    store: Store, keys: BackupKeys, kept: Sequence[Manifest], now: datetime, removed: Removed
) -> None:
    """Walk what is there beside the lists of all backups, everything in the order of keys."""
    lists = [_Walk(_listed(store, keys, manifest)) for manifest in kept]
    async for facts in store.list_objects(BLOBS):
        listed = [await walk.reaches(facts.key) for walk in lists]
        if not any(listed) and now - facts.modified_at > LEFTOVER_AGE:
            await store.delete(facts.key)
            removed.blobs += 1
    for walk in lists:
        await walk.finish()


def _listed(store: Store, keys: BackupKeys, manifest: Manifest) -> AsyncIterator[ListedBlob]:
    key = point_key(manifest.id, BLOB_LIST)
    return unpacked(open_stream(keys, key, store.read(key)))


class _Walk:
    """One backup's list, walked along a sorted stream of keys."""

    def __init__(self, blobs: AsyncIterator[ListedBlob]) -> None:
        self._blobs = blobs
        self._at: str | None = ""

    async def reaches(self, key: str) -> bool:
        """Whether the list has this key, which is not before any that was asked for."""
        while self._at is not None and self._at < key:
            blob = await anext(self._blobs, None)
            self._at = None if blob is None else blob_copy_key(blob.organization_id, blob.blob_id)
        return self._at == key

    async def finish(self) -> None:
        """Read to the end: a list that is damaged there has not said all that it lists."""
        try:
            async for _ in self._blobs:
                pass
        except ReelkeepError as error:
            log.error("a backup's list is damaged", error=error.message)
            raise
