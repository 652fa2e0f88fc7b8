"""Erase the key of a recording's bytes: what was encrypted with it, anywhere, can be read by nobody."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from reelkeep.blobs.models import DataKeyRow
from reelkeep.clock import new_id


async def erase_recording_key(
    session: AsyncSession, organization_id: UUID, recording_id: UUID, now: datetime
) -> bool:
    """Erase it in the current unit of work; False when it had been erased before.

    The row stays without its key, also where there was none: nothing can be encrypted for this recording any
    more. Afterwards `KeyRing.forget` makes this process forget it; others do within `KEPT_SECONDS`. An older
    backup of the database has the key still: `backups.erasures` erases it again in what is restored.
    """
    values = {
        "organization_id": organization_id,
        "id": new_id(),
        "recording_id": recording_id,
        "master_key_id": None,
        "wrapped": None,
        "erased_at": now,
    }
    erased = (
        insert(DataKeyRow)
        .values(values)
        .on_conflict_do_update(
            index_elements=["organization_id", "recording_id"],
            set_={"master_key_id": None, "wrapped": None, "erased_at": now},
            where=DataKeyRow.erased_at.is_(None),
        )
        .returning(DataKeyRow.id)
    )
    return await session.scalar(erased) is not None
