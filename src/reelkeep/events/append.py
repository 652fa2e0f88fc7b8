"""Append a fact in the current unit of work."""

from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from reelkeep.events.models import Event


def append(
    session: AsyncSession,
    organization_id: UUID,
    kind: str,
    *,
    actor_user_id: UUID | None = None,
    recording_id: UUID | None = None,
    upload_id: UUID | None = None,
    **facts: Any,
) -> None:
    """Add one event; it commits, or not, with the change it tells of. Ids and codes only, never a name."""
    session.add(
        Event(
            organization_id=organization_id,
            kind=kind,
            actor_user_id=actor_user_id,
            recording_id=recording_id,
            upload_id=upload_id,
            facts=facts,
        )
    )
