"""Find sessions and their parts. Every query names the organization."""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import ColumnElement, func, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from reelkeep.errors import ErrorCode, NotFound
from reelkeep.recordings.cursors import escape_like, read_cursor, write_cursor
from reelkeep.recordings.models import Recording, Session, Status

UNDERWAY = (Status.UPLOADED, Status.PROCESSING)


@dataclass(frozen=True, slots=True)
class Part:
    """One recording of a session, and where it begins on the session's one timeline."""

    recording: Recording
    #: The sum of what is known of the durations of the parts before it.
    start_seconds: float

    @property
    def number(self) -> int:
        """Its place in the session, from 1."""
        return self.recording.part_number or 0

    @property
    def duration_seconds(self) -> float:
        """How long it is; 0 until that is known."""
        return self.recording.duration_seconds or 0.0


@dataclass(frozen=True, slots=True)
class Whole:
    """A session with its parts in order, those in the trash left out."""

    session: Session
    parts: Sequence[Part]

    @property
    def duration_seconds(self) -> float:
        """What is known of the duration of all parts together."""
        return self.parts[-1].start_seconds + self.parts[-1].duration_seconds if self.parts else 0.0

    @property
    def duration_is_known(self) -> bool:
        """Whether every part's duration is known, so that no start can move any more."""
        return all(part.recording.duration_seconds is not None for part in self.parts)

    @property
    def missing_part_numbers(self) -> list[int]:
        """Numbers below the highest that no part has."""
        there = {part.number for part in self.parts}
        return [number for number in range(1, max(there, default=0)) if number not in there]

    @property
    def status(self) -> str:
        """The least finished of its parts; `failed` when one has failed and none is underway."""
        found = {part.recording.status for part in self.parts}
        if not found:
            return "empty"
        if Status.UPLOADING in found:
            return "uploading"
        if found & set(UNDERWAY):
            return "processing"
        return "failed" if Status.FAILED in found else "ready"


@dataclass(frozen=True, slots=True)
class SessionPage:
    """One page of sessions, newest first."""

    items: Sequence[Whole]
    total: int
    next_cursor: str | None


def named(organization_id: UUID, id_or_external_id: str) -> list[ColumnElement[bool]]:
    """The condition for the session of this id: ours, or the host application's own."""
    either: ColumnElement[bool] = Session.external_id == id_or_external_id
    with contextlib.suppress(ValueError):
        either = or_(either, Session.id == UUID(id_or_external_id))
    return [Session.organization_id == organization_id, either]


def own_id_first(found: Sequence[Session], id_or_external_id: str) -> Session | None:
    """Of the sessions that an id names, at most two: the one whose own id it is."""
    return min(found, key=lambda one: str(one.id) != id_or_external_id.lower(), default=None)


async def get_session(session: AsyncSession, organization_id: UUID, id_or_external_id: str) -> Whole:
    """A session with its parts, or `SESSION_NOT_FOUND`."""
    found = (await session.scalars(select(Session).where(*named(organization_id, id_or_external_id)))).all()
    chosen = own_id_first(found, id_or_external_id)
    if chosen is None:
        raise NotFound("This session is not here, or not yours to see.", ErrorCode.SESSION_NOT_FOUND)
    return (await _wholes(session, organization_id, [chosen]))[0]


async def list_sessions(
    session: AsyncSession,
    organization_id: UUID,
    *,
    limit: int,
    words: str | None = None,
    external_id: str | None = None,
    cursor: str | None = None,
) -> SessionPage:
    """One page, newest first, those with `words` in their title or external id."""
    conditions: list[ColumnElement[bool]] = [Session.organization_id == organization_id]
    if words:
        pattern = f"%{escape_like(words)}%"
        conditions.append(or_(Session.title.ilike(pattern), Session.external_id.ilike(pattern)))
    if external_id:
        conditions.append(Session.external_id == external_id)
    total = await session.scalar(select(func.count()).select_from(Session).where(*conditions))
    query = select(Session).where(*conditions)
    if cursor:
        query = query.where(tuple_(Session.created_at, Session.id) < read_cursor(cursor))
    ordered = query.order_by(Session.created_at.desc(), Session.id.desc()).limit(limit + 1)
    found = (await session.scalars(ordered)).all()
    items = await _wholes(session, organization_id, found[:limit])
    last = found[limit - 1] if len(found) > limit else None
    return SessionPage(items, total or 0, write_cursor(last.created_at, last.id) if last else None)


async def _wholes(session: AsyncSession, organization_id: UUID, sessions: Sequence[Session]) -> list[Whole]:
    query = (
        select(Recording)
        .where(
            Recording.organization_id == organization_id,
            Recording.session_id.in_([one.id for one in sessions]),
            Recording.deleted_at.is_(None),
        )
        .order_by(Recording.part_number)
    )
    by_session: dict[UUID, list[Part]] = {one.id: [] for one in sessions}
    for recording in await session.scalars(query):
        assert recording.session_id is not None
        parts = by_session[recording.session_id]
        start = parts[-1].start_seconds + parts[-1].duration_seconds if parts else 0.0
        parts.append(Part(recording, start))
    return [Whole(one, by_session[one.id]) for one in sessions]
