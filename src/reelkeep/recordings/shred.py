"""Make a recording's bytes unreadable for good, wherever copies of them lie: erase the key they need."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from reelkeep.blobs.erase_key import erase_recording_key
from reelkeep.blobs.models import Blob, Copy, CopyState
from reelkeep.clock import new_id
from reelkeep.errors import Conflict
from reelkeep.events.append import append
from reelkeep.logs import get_logger
from reelkeep.recordings.advance import lock_recording
from reelkeep.recordings.holds import refuse_held
from reelkeep.recordings.models import Erased
from reelkeep.recordings.queries import get_recording
from reelkeep.runtime import Runtime

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Shredded:
    """What became of a recording's bytes."""

    recording_id: UUID
    #: Stores that we encrypt, whose copies nobody can read any more.
    unreadable_in: list[str]
    #: Stores that we do not encrypt: what lies there has to be removed as well.
    readable_in: list[str]


async def shred_recording(
    runtime: Runtime, organization_id: UUID, recording_id: UUID, actor_user_id: UUID | None
) -> Shredded:
    """Erase the recording's key, note that it was erased, and move it to the trash. Twice is once.

    Other processes may use the key for `blobs.data_keys.KEPT_SECONDS` more. Raises `RECORDING_HELD`, and
    `RECORDING_STATE` where no store is encrypted by us; then nothing is changed.
    """
    if runtime.key_ring is None:
        raise Conflict(
            "No store here is encrypted by Reelkeep, so there is no key to erase; delete the recording.",
            recording_id=str(recording_id),
        )
    now = runtime.clock.now()
    async with runtime.database.work(organization_id) as session:
        await lock_recording(session, organization_id, recording_id)
        recording = await get_recording(session, organization_id, recording_id, deleted=True)
        await refuse_held(session, organization_id, recording_id)
        was_there = await erase_recording_key(session, organization_id, recording_id, now)
        await session.execute(
            insert(Erased)
            .values(organization_id=organization_id, id=new_id(), recording_id=recording_id, erased_at=now)
            .on_conflict_do_nothing()
        )
        if recording.deleted_at is None:
            recording.deleted_at, recording.deleted_by_user_id = now, actor_user_id
        if was_there:
            append(
                session,
                organization_id,
                "recording.shredded",
                recording_id=recording_id,
                actor_user_id=actor_user_id,
            )
        stores = await _stores_with(session, organization_id, recording_id)
    runtime.key_ring.forget()
    encrypted = {name for name, spec in runtime.stores.specs.items() if spec.encrypted}
    log.info("the key of a recording was erased", recording_id=str(recording_id))
    return Shredded(
        recording_id,
        [name for name in stores if name in encrypted],
        [name for name in stores if name not in encrypted],
    )


async def _stores_with(session: AsyncSession, organization_id: UUID, recording_id: UUID) -> list[str]:
    query = (
        select(Copy.store)
        .distinct()
        .join(Blob, (Blob.organization_id == Copy.organization_id) & (Blob.id == Copy.blob_id))
        .where(
            Copy.organization_id == organization_id,
            Blob.recording_id == recording_id,
            Copy.state != CopyState.MISSING,
        )
        .order_by(Copy.store)
    )
    return list(await session.scalars(query))
