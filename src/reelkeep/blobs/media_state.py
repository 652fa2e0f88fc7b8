"""Whether a blob's bytes can be read now, in one word for clients and pages."""

from collections.abc import Collection
from enum import StrEnum
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from reelkeep.blobs.find import is_readable
from reelkeep.blobs.models import Copy, CopyState


class MediaState(StrEnum):
    """What can be had of a blob."""

    AVAILABLE = "available"
    #: Only in an archive class: it can be read hours after it was asked for.
    ARCHIVED = "archived"
    #: It was asked for.
    RESTORING = "restoring"
    #: No store has it.
    MISSING = "missing"


def media_state_of(copies: Collection[Copy]) -> MediaState:
    """The best that its copies allow."""
    present = [copy for copy in copies if copy.state == CopyState.PRESENT]
    if any(is_readable(copy) for copy in present):
        return MediaState.AVAILABLE
    if any(copy.restore_state is not None for copy in present):
        return MediaState.RESTORING
    return MediaState.ARCHIVED if present else MediaState.MISSING


async def media_states(
    session: AsyncSession, organization_id: UUID, blob_ids: Collection[UUID]
) -> dict[UUID, MediaState]:
    """The state of each of several blobs."""
    query = select(Copy).where(Copy.organization_id == organization_id, Copy.blob_id.in_(blob_ids))
    copies: dict[UUID, list[Copy]] = {blob_id: [] for blob_id in blob_ids}
    for copy in await session.scalars(query):
        copies[copy.blob_id].append(copy)
    return {blob_id: media_state_of(found) for blob_id, found in copies.items()}
