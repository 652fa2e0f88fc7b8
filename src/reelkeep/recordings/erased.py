"""Remember which recordings were erased for good, so that no import brings them back."""

from uuid import UUID

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from reelkeep.clock import new_id
from reelkeep.recordings.models import Erased


async def note_erased(session: AsyncSession, organization_id: UUID, recording_id: UUID) -> None:
    """Note it in the unit of work that removes the recording; noting it again changes nothing."""
    row = insert(Erased).values(organization_id=organization_id, id=new_id(), recording_id=recording_id)
    await session.execute(row.on_conflict_do_nothing())
