"""Sessions: find or make the event that was recorded, and give a recording its place in it.

Parts may arrive out of order, from several devices at once. The session's row is locked while a place is
given, so that two that ask for the next number never get the same.
"""

from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from reelkeep.clock import new_id
from reelkeep.errors import Conflict, ErrorCode, Invalid
from reelkeep.recordings.models import Recording, Session, Status
from reelkeep.recordings.session_queries import named, own_id_first

PART_NUMBER_MAX = 10_000


async def find_or_make_session(
    session: AsyncSession, organization_id: UUID, external_id: str, *, title: str | None = None
) -> Session:
    """The organization's session by the host's own id or by ours, made when it is new; its row is locked.

    A title is kept where there is none yet.
    """
    found = await _locked(session, organization_id, external_id)
    if found is None:
        row = insert(Session).values(
            organization_id=organization_id, id=new_id(), external_id=external_id, title=title
        )
        await session.execute(row.on_conflict_do_nothing())
        found = await _locked(session, organization_id, external_id)
    assert found is not None
    if title and not found.title:
        found.title = title
    return found


async def _locked(session: AsyncSession, organization_id: UUID, external_id: str) -> Session | None:
    query = select(Session).where(*named(organization_id, external_id))
    locked = query.with_for_update(key_share=True).execution_options(populate_existing=True)
    found = (await session.scalars(locked)).all()
    return own_id_first(found, external_id)


async def place_in_session(
    session: AsyncSession, recording: Recording, found: Session, part_number: int | None
) -> None:
    """Make a new recording a part of this locked session: under its number, else the next.

    Raises `PART_NUMBER_TAKEN`. A part whose bytes never came gives its place to the one that brings them.
    """
    if part_number is None:
        part_number = await _next_number(session, found)
    elif not 1 <= part_number <= PART_NUMBER_MAX:
        raise Invalid(
            f"A part's number is from 1 to {PART_NUMBER_MAX:,}.",
            part_number=part_number,
            session_external_id=found.external_id,
        )
    else:
        await _vacate(session, found, part_number)
    recording.session_id, recording.part_number = found.id, part_number


async def _next_number(session: AsyncSession, found: Session) -> int:
    highest = await session.scalar(
        select(func.max(Recording.part_number)).where(
            Recording.organization_id == found.organization_id, Recording.session_id == found.id
        )
    )
    return (highest or 0) + 1


async def _vacate(session: AsyncSession, found: Session, part_number: int) -> None:
    query = select(Recording).where(
        Recording.organization_id == found.organization_id,
        Recording.session_id == found.id,
        Recording.part_number == part_number,
    )
    # Locked: a seal may be bringing the bytes of this very part to an end.
    holder = await session.scalar(query.with_for_update(key_share=True))
    if holder is None:
        return
    if holder.status == Status.FAILED and holder.original_blob_id is None:
        holder.session_id = holder.part_number = None
        await session.flush()
        return
    raise Conflict(
        f"Part {part_number} of this session is there already"
        + (", in the trash; restore it" if holder.deleted_at else "")
        + ". Send this one under another number, or without one: then it comes last.",
        ErrorCode.PART_NUMBER_TAKEN,
        recording_id=str(holder.id),
        part_number=part_number,
        session_external_id=found.external_id,
    )
