"""Removing for good: a recording with all that was made of it, or only its original.

One unit of work takes the rows, lets the copies go and asks for their bytes to be removed; the bytes go by
reconcile afterwards, from every store, however often that is cut off. Usage goes down with a blob's last
copy.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import delete, or_, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from reelkeep.blobs.erase_key import erase_recording_key
from reelkeep.blobs.find import is_readable
from reelkeep.blobs.models import Blob, Copy, CopyState
from reelkeep.blobs.usage import count_usage
from reelkeep.errors import Conflict, ErrorCode
from reelkeep.events.append import append
from reelkeep.logs import get_logger
from reelkeep.placement.copies import let_go, verify_copy
from reelkeep.placement.purge_files import enqueue_removal, is_being_written
from reelkeep.placement.queue import enqueue_reconcile
from reelkeep.placement.view import OWNED_KINDS, owners_of
from reelkeep.recordings.advance import lock_recording
from reelkeep.recordings.erased import note_erased
from reelkeep.recordings.holds import refuse_held
from reelkeep.recordings.models import Recording, Step
from reelkeep.recordings.sweep import UNFINISHED
from reelkeep.runtime import Runtime

log = get_logger(__name__)

# By table and column: the rooms that own these stand above this one.
_UPLOAD_UNDERWAY = text(
    "select exists (select from upload where organization_id = :organization_id"
    " and recording_id = :recording_id and (state = 'open' or seal_attempts <> '[]'))"
)
_RENDITIONS = text(
    "select blob_id, kind from rendition where organization_id = :organization_id"
    " and recording_id = :recording_id"
)
PLAYBACK = "playback"

Still = Callable[[Recording], bool]


@dataclass(frozen=True, slots=True)
class Purged:
    """What was let go."""

    recording_id: UUID
    blobs: int
    #: Of the blobs, each counted once however many copies it had.
    bytes: int


def in_trash(recording: Recording) -> bool:
    """Whether it is in the trash."""
    return recording.deleted_at is not None


async def purge_recording(
    runtime: Runtime,
    organization_id: UUID,
    recording_id: UUID,
    *,
    still: Still,
    reason: str,
    actor_user_id: UUID | None = None,
) -> Purged | None:
    """Remove a recording for good, if it `still` is what it was chosen for; None when it is gone already.

    Its words, steps and uploads go at once, its bytes as soon as links that were given out have ended; a key
    of encrypted stores is erased now. Raises `RECORDING_HELD`, and `RECORDING_STATE` when it is not `still`
    so, or while its upload is underway.
    """
    async with runtime.database.work(organization_id) as session:
        recording = await lock_recording(session, organization_id, recording_id)
        if recording is None:
            return None
        await refuse_held(session, organization_id, recording_id)
        if not still(recording):
            raise _not_due(recording_id)
        await _refuse_underway(session, organization_id, recording_id)
        blobs = await _blobs_of(session, recording)
        await session.execute(_rows_of(recording))
        found = await _let_blobs_go(runtime, session, organization_id, blobs)
        await note_erased(session, organization_id, recording_id)
        if runtime.key_ring is not None:
            await erase_recording_key(session, organization_id, recording_id, runtime.clock.now())
        done = Purged(recording_id, len(found), sum(blob.size_bytes for blob in found))
        append(
            session,
            organization_id,
            "recording.purged",
            recording_id=recording_id,
            actor_user_id=actor_user_id,
            reason=reason,
            blobs=done.blobs,
            bytes=done.bytes,
        )
    if runtime.key_ring is not None:
        runtime.key_ring.forget()
    log.info("recording purged", recording_id=str(recording_id), reason=reason, bytes=done.bytes)
    return done


async def purge_original(
    runtime: Runtime, organization_id: UUID, recording_id: UUID, *, still: Still, reason: str
) -> Purged | None:
    """Remove only the original; None where it has to stay, or has gone already.

    It stays until the recording can be played without it: a playback file that was read and found good. Nor
    does it go while a step waits for it. Raises `RECORDING_HELD`, and `RECORDING_STATE` when it is not due.
    """
    if not await _prove_playback(runtime, organization_id, recording_id):
        return None
    async with runtime.database.work(organization_id) as session:
        recording = await lock_recording(session, organization_id, recording_id)
        if recording is None or recording.original_blob_id is None:
            return None
        await refuse_held(session, organization_id, recording_id)
        if not still(recording):
            raise _not_due(recording_id)
        if await _works(session, recording) or await _playback(session, recording) is None:
            return None
        blob = await _lock_blobs(session, organization_id, [recording.original_blob_id])
        recording.original_blob_id = None
        await session.flush()
        found = await _let_blobs_go(runtime, session, organization_id, blob)
        done = Purged(recording_id, len(found), sum(one.size_bytes for one in found))
        append(
            session,
            organization_id,
            "recording.original_purged",
            recording_id=recording_id,
            reason=reason,
            bytes=done.bytes,
        )
    log.info("original purged", recording_id=str(recording_id), reason=reason, bytes=done.bytes)
    return done


def _not_due(recording_id: UUID) -> Conflict:
    return Conflict(
        "Only a recording in the trash can be purged; delete it first.",
        ErrorCode.RECORDING_STATE,
        recording_id=str(recording_id),
    )


async def _refuse_underway(session: AsyncSession, organization_id: UUID, recording_id: UUID) -> None:
    """What an upload holds, in quota and in the store, is given back by its own end."""
    values = {"organization_id": organization_id, "recording_id": recording_id}
    if await session.scalar(_UPLOAD_UNDERWAY, values):
        raise Conflict(
            "The recording's upload is underway, or what it left is being tidied; abort it, or purge later.",
            ErrorCode.RECORDING_STATE,
            recording_id=str(recording_id),
        )


def _rows_of(recording: Recording) -> Any:
    """With the recording go its words, steps, uploads and renditions, by the database's own rule."""
    gone = delete(Recording).where(
        Recording.organization_id == recording.organization_id, Recording.id == recording.id
    )
    return gone.execution_options(synchronize_session=False)


async def _blobs_of(session: AsyncSession, recording: Recording) -> Sequence[Blob]:
    values = {"organization_id": recording.organization_id, "recording_id": recording.id}
    ids = [row[0] for row in await session.execute(_RENDITIONS, values)]
    if recording.original_blob_id is not None:
        ids.append(recording.original_blob_id)
    query = select(Blob.id).where(
        Blob.organization_id == recording.organization_id,
        or_(Blob.recording_id == recording.id, Blob.id.in_(ids)),
    )
    found = (await session.scalars(query)).all()
    return await _lock_blobs(session, recording.organization_id, found)


async def _lock_blobs(
    session: AsyncSession, organization_id: UUID, blob_ids: Collection[UUID]
) -> Sequence[Blob]:
    """In the order in which reconcile locks them."""
    query = select(Blob).where(Blob.organization_id == organization_id, Blob.id.in_(blob_ids))
    locked = query.order_by(Blob.id).with_for_update().execution_options(populate_existing=True)
    return (await session.scalars(locked)).all()


async def _let_blobs_go(
    runtime: Runtime, session: AsyncSession, organization_id: UUID, blobs: Sequence[Blob]
) -> list[Blob]:
    """Let every copy of the blobs go that nothing needs now, and ask for their removal; those blobs."""
    owners = await owners_of(session, organization_id, [blob.id for blob in blobs])
    unneeded = [blob for blob in blobs if blob.id not in owners]
    ids = [blob.id for blob in unneeded]
    query = select(Copy).where(Copy.organization_id == organization_id, Copy.blob_id.in_(ids))
    copies = (await session.scalars(query.execution_options(populate_existing=True))).all()
    now = runtime.clock.now()
    for copy in copies:
        # Whoever writes one now is waited for: its bytes would come after their removal.
        if copy.state != CopyState.DELETING and not is_being_written(copy, now):
            let_go(runtime, copy)
    with_copies = {copy.blob_id for copy in copies}
    for blob in unneeded:
        if blob.id not in with_copies:
            await session.delete(blob)
            await session.flush()
            await count_usage(session, organization_id, bytes_used=-blob.size_bytes)
    held = [blob for blob in unneeded if blob.id in with_copies]
    await enqueue_reconcile(session, organization_id, [b.id for b in held if b.kind in OWNED_KINDS])
    await enqueue_removal(session, organization_id, [b.id for b in held if b.kind not in OWNED_KINDS])
    return unneeded


async def _works(session: AsyncSession, recording: Recording) -> bool:
    """Whether a step waits for the original, or works on it."""
    query = select(Step.id).where(
        Step.organization_id == recording.organization_id,
        Step.recording_id == recording.id,
        Step.state.in_(UNFINISHED),
    )
    return await session.scalar(query.limit(1)) is not None


async def _playback(session: AsyncSession, recording: Recording) -> tuple[Blob, Copy] | None:
    """The playback file's copy that can be read now, the verified one first."""
    values = {"organization_id": recording.organization_id, "recording_id": recording.id}
    rows = await session.execute(_RENDITIONS, values)
    ids = [row[0] for row in rows if row[1] == PLAYBACK and row[0] != recording.original_blob_id]
    query = (
        select(Blob, Copy)
        .join(Copy, (Copy.organization_id == Blob.organization_id) & (Copy.blob_id == Blob.id))
        .where(
            Blob.organization_id == recording.organization_id,
            Blob.id.in_(ids),
            Copy.state == CopyState.PRESENT,
        )
        .order_by(Copy.verified_at.nulls_last(), Copy.id)
    )
    found = (await session.execute(query)).all()
    return next(((blob, copy) for blob, copy in found if is_readable(copy)), None)


async def _prove_playback(runtime: Runtime, organization_id: UUID, recording_id: UUID) -> bool:
    """Whether the playback file, read whole now, is what was made: soon there is nothing else to play."""
    async with runtime.database.work(organization_id) as session:
        recording = await session.get(Recording, (organization_id, recording_id))
        found = None if recording is None else await _playback(session, recording)
    if found is None:
        return False
    return await verify_copy(runtime, *found) == CopyState.PRESENT
