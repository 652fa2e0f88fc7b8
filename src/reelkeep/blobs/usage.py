"""What an organization keeps and has reserved: one row, changed in the unit of work that changes the truth."""

from uuid import UUID

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from reelkeep.blobs.models import Usage
from reelkeep.clock import new_id


async def count_usage(
    session: AsyncSession,
    organization_id: UUID,
    *,
    bytes_used: int = 0,
    bytes_reserved: int = 0,
    uploads_open: int = 0,
) -> None:
    """Add these differences. The row stays locked until the commit, so call it last."""
    more = {"bytes_used": bytes_used, "bytes_reserved": bytes_reserved, "uploads_open": uploads_open}
    row = insert(Usage).values(organization_id=organization_id, id=new_id(), **more)
    added = {name: getattr(Usage, name) + value for name, value in more.items()}
    await session.execute(row.on_conflict_do_update(index_elements=[Usage.organization_id], set_=added))
