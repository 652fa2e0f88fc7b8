"""Bring back a lost copy from an older version that its bucket keeps.

Another copy that can be read comes first: it is known and asks for no further right, and reconcile makes the
lost one from it as ever. Where none serves, the versions under the lost copy's own key are tried, the newest
first. Each is written to a key that no row names and is read there: what has another size or digest than the
blob is removed again, and has never stood in the place of anything. Then one guarded commit points the row at
the new key. It is refused where the copy was let go meanwhile, so nothing that was erased comes back.
"""

from contextlib import aclosing, suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from reelkeep.blobs.find import is_readable
from reelkeep.blobs.models import COLD_CLASSES, Blob, Copy, CopyState
from reelkeep.errors import (
    ErrorCode,
    KeyRefused,
    ObjectNotFound,
    ReelkeepError,
    StoreError,
    StoreRefused,
    StoreUnavailable,
    WrongBytes,
)
from reelkeep.events.append import append
from reelkeep.logs import get_logger
from reelkeep.placement.carry import Carried, SourceFailed, carry
from reelkeep.placement.copies import bytes_of, mark_bad, verify_copy, write_guarded
from reelkeep.placement.keys import keys_of_copies
from reelkeep.placement.load import InForce, in_force
from reelkeep.placement.plan import BAD
from reelkeep.placement.queue import enqueue_reconcile
from reelkeep.placement.view import OWNED_KINDS, View, view_blobs
from reelkeep.recordings.models import Erased, Recording
from reelkeep.runtime import Runtime
from reelkeep.stores.erase import delete_for_good
from reelkeep.stores.protocol import KeepsVersions, VersionFacts, Versioning

log = get_logger(__name__)

#: Versions of the right size that are read for one copy, at most.
VERSIONS_MAX = 10


class Repair(StrEnum):
    """What became of a lost copy."""

    BROUGHT_BACK = "brought_back"
    #: Reconcile makes it again from one that can be read.
    ANOTHER_COPY = "another_copy"
    #: Its recording is gone or erased, or somebody else has repaired it.
    NOT_NEEDED = "not_needed"
    NO_VERSIONING = "no_versioning"
    NO_VERSION_AGREES = "no_version_agrees"
    VERSION_ARCHIVED = "version_archived"
    NOT_ALLOWED = "not_allowed"
    #: Its bytes were never read whole, so no version can be proved to be them.
    NO_DIGEST = "no_digest"

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to do, or to be done by hand."""
        return self in (Repair.BROUGHT_BACK, Repair.ANOTHER_COPY, Repair.NOT_NEEDED)


@dataclass(frozen=True, slots=True)
class _Lost:
    """A copy that no store can give."""

    view: View
    copy: Copy
    store: KeepsVersions

    @property
    def blob(self) -> Blob:
        return self.view.blob


async def repair_copy(runtime: Runtime, organization_id: UUID, blob_id: UUID, store: str) -> Repair:
    """Have a bad copy in this store made again: from another one by reconcile, else from a version here.

    Raises what a store raises that is away.
    """
    known = await in_force(runtime)
    async with runtime.database.work(organization_id) as session:
        view = await _needed(session, runtime, known, organization_id, blob_id)
        if view is None or not view.wanted:
            await enqueue_reconcile(session, organization_id, [blob_id])
    copy = view.copy_in(store) if view else None
    if view is None or not view.wanted or copy is None or copy.state not in BAD:
        return Repair.NOT_NEEDED
    if await _another_serves(runtime, view):
        async with runtime.database.work(organization_id) as session:
            await enqueue_reconcile(session, organization_id, [blob_id])
        return Repair.ANOTHER_COPY
    return await _from_versions(runtime, view, copy)


async def _needed(
    session: AsyncSession,
    runtime: Runtime,
    known: InForce,
    organization_id: UUID,
    blob_id: UUID,
    *,
    lock: bool = False,
) -> View | None:
    """The blob as it is now, unless it belongs to nothing any more; with `lock`, so until the commit."""
    views = await view_blobs(session, known, runtime.clock.now(), organization_id, [blob_id], lock=lock)
    view = views.get(blob_id)
    if view is None or (view.recording_id is None and view.blob.kind in OWNED_KINDS):
        return None
    owner = view.recording_id or view.blob.recording_id
    mine = (Erased.organization_id == organization_id, Erased.recording_id == owner)
    if owner is None or await session.scalar(select(Erased.id).where(*mine)) is not None:
        return None
    return view if await session.get(Recording, (organization_id, owner)) is not None else None


async def _another_serves(runtime: Runtime, view: View) -> bool:
    """Whether some other copy can be read: its object is there, and its bytes were read at some time."""
    for copy in view.copies:
        if copy.state == CopyState.PRESENT and is_readable(copy) and await _serves(runtime, view.blob, copy):
            return True
    return False


async def _serves(runtime: Runtime, blob: Blob, copy: Copy) -> bool:
    try:
        facts = await runtime.stores.get(copy.store).head(copy.key)
    except ObjectNotFound:
        await mark_bad(runtime, copy, CopyState.MISSING)
        return False
    except StoreError:
        return True  # nobody knows; when it answers, it does or it does not
    except ReelkeepError:
        return False  # the settings name its store no longer
    if facts.size_bytes != (copy.size_bytes or blob.size_bytes):
        await mark_bad(runtime, copy, CopyState.DAMAGED)
        return False
    return copy.verified_at is not None or await verify_copy(runtime, blob, copy) == CopyState.PRESENT


async def _from_versions(runtime: Runtime, view: View, copy: Copy) -> Repair:
    store: Any = runtime.stores.get(copy.store)
    if not isinstance(store, KeepsVersions):
        return Repair.NO_VERSIONING
    if view.blob.sha256 is None:
        return Repair.NO_DIGEST
    lost = _Lost(view, copy, store)
    try:
        return await _try_versions(runtime, lost)
    except StoreRefused as error:
        log.warning("older versions cannot be used", store=copy.store, key=copy.key, exc_info=error)
        return Repair.NOT_ALLOWED
    except KeyRefused as error:
        if error.code != ErrorCode.KEY_ERASED:
            raise
        return Repair.NOT_NEEDED  # just now


async def _try_versions(runtime: Runtime, lost: _Lost) -> Repair:
    archived, tried = False, 0
    listed: Any = lost.store.list_versions(lost.copy.key)
    async with aclosing(listed) as versions:
        async for version in versions:
            if version.size_bytes != lost.blob.size_bytes:
                continue
            if version.storage_class in COLD_CLASSES:
                archived = True
                continue
            found = await _try(runtime, lost, version)
            if found is not None:
                return found
            tried += 1
            if tried == VERSIONS_MAX:
                break
    if archived:
        return Repair.VERSION_ARCHIVED
    if await lost.store.versioning() in (Versioning.OFF, Versioning.SUSPENDED) and not tried:
        return Repair.NO_VERSIONING
    return Repair.NO_VERSION_AGREES


async def _try(runtime: Runtime, lost: _Lost, version: VersionFacts) -> Repair | None:
    """Write this version to a key of its own and point the row at it; None where it has other bytes."""
    copy, organization_id = lost.copy, lost.blob.organization_id
    async with runtime.database.work(organization_id) as session:
        key = (await keys_of_copies(session, runtime, organization_id, [(lost.view, copy.store)]))[0]
    source = replace(bytes_of(lost.blob, copy), version_id=version.version_id)
    # What went into an archive could not be read there; reconcile puts it into its class afterwards.
    storage_class = "" if copy.storage_class in COLD_CLASSES else copy.storage_class
    kept = False
    try:
        carried = await carry(runtime, source, copy.store, key, storage_class)
        kept = await _point_at(runtime, lost, key, storage_class, carried)
    except WrongBytes:
        return None
    except SourceFailed as failed:
        if isinstance(failed.error, StoreUnavailable):
            raise failed.error from failed
        return None
    finally:
        if not kept:
            await _remove(runtime, copy.store, key)
    if not kept:
        return Repair.NOT_NEEDED
    log.warning("a copy was brought back", blob_id=str(lost.blob.id), store=copy.store, key=key)
    await _remove(runtime, copy.store, copy.key)
    return Repair.BROUGHT_BACK


async def _point_at(runtime: Runtime, lost: _Lost, key: str, storage_class: str, carried: Carried) -> bool:
    """The row names the new key, if the copy is still the one that was lost and something needs it."""
    copy, organization_id = lost.copy, lost.blob.organization_id
    values = {
        "key": key,
        "state": CopyState.PRESENT,
        "size_bytes": carried.stored_bytes or lost.blob.size_bytes,
        "storage_class": storage_class,
        "verified_at": runtime.clock.now(),
        "restore_state": None,
        "restore_until": None,
    }
    known = await in_force(runtime)
    async with runtime.database.work(organization_id) as session:
        view = await _needed(session, runtime, known, organization_id, lost.blob.id, lock=True)
        if view is None or not await write_guarded(session, copy, values):
            return False
        append(
            session,
            organization_id,
            "copy.brought_back",
            recording_id=view.recording_id or view.blob.recording_id,
            blob_id=str(lost.blob.id),
            store=copy.store,
        )
        await enqueue_reconcile(session, organization_id, [lost.blob.id])
    return True


async def _remove(runtime: Runtime, store: str, key: str) -> None:
    """What nothing names any more; what cannot be removed now is an orphan that the check finds."""
    with suppress(StoreError):
        await delete_for_good(runtime.stores.get(store), key)
