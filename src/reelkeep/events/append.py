"""Append a fact in the current unit of work."""

import json
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from reelkeep.clock import new_id
from reelkeep.events.models import Event

# Arrays: the statement stays the same however many there are, and is prepared once.
_APPENDED = text("""
insert into event (organization_id, id, kind, recording_id, facts)
select :organization_id, d.id, :kind, d.recording_id, d.facts
  from unnest(cast(:ids as uuid[]), cast(:recording_ids as uuid[]), cast(cast(:facts as text[]) as jsonb[]))
       as d (id, recording_id, facts)
""")


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


async def append_each(
    session: AsyncSession,
    organization_id: UUID,
    kind: str,
    events: Sequence[tuple[UUID | None, dict[str, Any]]],
) -> None:
    """Add many events of one kind in one statement: of each, its recording and its facts."""
    if not events:
        return
    values = {
        "organization_id": organization_id,
        "kind": kind,
        "ids": [new_id() for _ in events],
        "recording_ids": [recording_id for recording_id, _ in events],
        "facts": [json.dumps(facts) for _, facts in events],
    }
    await session.execute(_APPENDED, values)
