"""Find recordings. Every query names the organization; row-level security is the second wall."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, func, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from reelkeep.errors import ErrorCode, NotFound
from reelkeep.recordings.cursors import escape_like, read_cursor, write_cursor
from reelkeep.recordings.models import Recording, Session, Step, StepKind
from reelkeep.recordings.session_queries import named


@dataclass(frozen=True, slots=True)
class Filter:
    """Which recordings of the organization; None and False mean any and not."""

    status: str | None = None
    appointment_id: str | None = None
    visit_id: str | None = None
    recording_type: str | None = None
    words: str | None = None
    created_from: datetime | None = None
    created_to: datetime | None = None
    deleted: bool = False
    recorded_by_user_id: UUID | None = None
    #: The session's id, ours or the host application's.
    session: str | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """One page of recordings, newest first."""

    items: Sequence[Recording]
    total: int
    next_cursor: str | None


async def get_recording(
    session: AsyncSession, organization_id: UUID, recording_id: UUID, *, deleted: bool = False
) -> Recording:
    """One recording; `RECORDING_NOT_FOUND` when it is not there, not this organization's, or in the trash.

    With `deleted`, one in the trash is found too.
    """
    recording = await session.get(Recording, (organization_id, recording_id))
    if recording is None or (recording.deleted_at is not None and not deleted):
        raise NotFound(
            "This recording is not here, or not yours to see.",
            ErrorCode.RECORDING_NOT_FOUND,
            recording_id=str(recording_id),
        )
    return recording


async def steps_of_recordings(
    session: AsyncSession, organization_id: UUID, recording_ids: Sequence[UUID]
) -> dict[UUID, list[Step]]:
    """The steps of several recordings, each list in the order in which they are done."""
    query = select(Step).where(Step.organization_id == organization_id, Step.recording_id.in_(recording_ids))
    steps: dict[UUID, list[Step]] = {recording_id: [] for recording_id in recording_ids}
    order = list(StepKind)
    for step in sorted(await session.scalars(query), key=lambda step: order.index(StepKind(step.kind))):
        steps[step.recording_id].append(step)
    return steps


async def list_recordings(
    session: AsyncSession,
    organization_id: UUID,
    chosen: Filter,
    *,
    limit: int,
    offset: int = 0,
    cursor: str | None = None,
) -> Page:
    """One page, newest first; a cursor goes on exactly where the last page ended, whatever came since."""
    conditions = _conditions(organization_id, chosen)
    query = select(Recording).where(*conditions)
    if cursor:
        query = query.where(tuple_(Recording.created_at, Recording.id) < read_cursor(cursor))
    ordered = query.order_by(Recording.created_at.desc(), Recording.id.desc()).limit(limit + 1)
    found = (await session.scalars(ordered.offset(0 if cursor else offset))).all()
    total = await session.scalar(select(func.count()).select_from(Recording).where(*conditions))
    more = len(found) > limit
    items = found[:limit]
    return Page(
        items, total or 0, write_cursor(items[-1].created_at, items[-1].id) if more and items else None
    )


def _conditions(organization_id: UUID, chosen: Filter) -> list[ColumnElement[bool]]:
    equal = {
        Recording.status: chosen.status,
        Recording.appointment_id: chosen.appointment_id,
        Recording.visit_id: chosen.visit_id,
        Recording.recording_type: chosen.recording_type,
        Recording.recorded_by_user_id: chosen.recorded_by_user_id,
    }
    conditions: list[ColumnElement[bool]] = [Recording.organization_id == organization_id]
    conditions += [column == value for column, value in equal.items() if value is not None]
    trash = Recording.deleted_at
    conditions.append(trash.is_not(None) if chosen.deleted else trash.is_(None))
    if chosen.words:
        pattern = f"%{escape_like(chosen.words)}%"
        conditions.append(or_(Recording.title.ilike(pattern), Recording.original_filename.ilike(pattern)))
    if chosen.session:
        conditions.append(
            Recording.session_id.in_(select(Session.id).where(*named(organization_id, chosen.session)))
        )
    if chosen.created_from:
        conditions.append(Recording.created_at >= chosen.created_from)
    if chosen.created_to:
        conditions.append(Recording.created_at < chosen.created_to)
    return conditions
