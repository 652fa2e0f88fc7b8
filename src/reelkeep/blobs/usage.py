"""What an organization keeps and has reserved: one row, changed in the unit of work that changes the truth.

The row stays locked until the commit and every ticket of the organization needs it: what a ticket and a seal
change of it is sent together with the commit, and the rest is the last statement of its unit of work. Whoever
adds or removes a blob counts it.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Row, func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from reelkeep.blobs.models import Usage
from reelkeep.clock import new_id
from reelkeep.db.last import Last, commit_with
from reelkeep.errors import ErrorCode, Forbidden, ReelkeepError

#: What bigint holds: no limit.
UNLIMITED = 2**63 - 1
#: When an upload of somebody else's may have ended.
OPEN_RETRY_SECONDS = 30

# The minute is the database's, so that servers whose clocks differ count together.
RESERVE = text("""
insert into usage as u (organization_id, id, bytes_reserved, uploads_open, minute, tickets)
select :organization_id, :id, cast(:wanted as bigint), 1, date_trunc('minute', now()),
       cast(:tickets as bigint)
 where cast(:wanted as bigint) <= cast(:quota as bigint)
on conflict (organization_id) do update set
  bytes_reserved = u.bytes_reserved + excluded.bytes_reserved,
  uploads_open = u.uploads_open + 1,
  tickets = case when u.minute >= excluded.minute then u.tickets else 0 end + excluded.tickets,
  minute = greatest(u.minute, excluded.minute)
where u.uploads_open < :uploads_open_max
  and (excluded.tickets = 0 or u.tickets < :per_minute or u.minute is null or u.minute < excluded.minute)
  and u.bytes_used + u.bytes_reserved + excluded.bytes_reserved <= cast(:quota as bigint)
returning u.id
""")

SETTLE = text("""
insert into usage as u (organization_id, id, bytes_used)
values (:organization_id, :id, cast(:used as bigint))
on conflict (organization_id) do update set
  bytes_used = u.bytes_used + excluded.bytes_used,
  bytes_reserved = u.bytes_reserved - cast(:reserved as bigint),
  uploads_open = u.uploads_open - cast(:ended as bigint)
where excluded.bytes_used <= cast(:reserved as bigint)
   or u.bytes_used + u.bytes_reserved + excluded.bytes_used - cast(:reserved as bigint)
      <= cast(:quota as bigint)
returning u.id
""")


@dataclass(frozen=True, slots=True)
class Ceiling:
    """What one organization may have at once."""

    quota_bytes: int | None
    uploads_open_max: int
    #: None: not counted.
    tickets_per_minute_max: int | None = None


@dataclass(frozen=True, slots=True)
class Used:
    """What one organization has now."""

    bytes_used: int = 0
    bytes_reserved: int = 0
    uploads_open: int = 0


async def count_usage(
    session: AsyncSession,
    organization_id: UUID,
    *,
    bytes_used: int = 0,
    bytes_reserved: int = 0,
    uploads_open: int = 0,
) -> None:
    """Add these differences."""
    more = {"bytes_used": bytes_used, "bytes_reserved": bytes_reserved, "uploads_open": uploads_open}
    row = insert(Usage).values(organization_id=organization_id, id=new_id(), **more)
    added = {name: getattr(Usage, name) + value for name, value in more.items()}
    await session.execute(row.on_conflict_do_update(index_elements=[Usage.organization_id], set_=added))


def reserve_usage(session: AsyncSession, organization_id: UUID, bytes_wanted: int, ceiling: Ceiling) -> None:
    """Hold space for one more open upload, in one guarded statement: those that ask at once never overshoot.

    On leaving the unit of work, `QUOTA_EXCEEDED` is raised, or `UPLOADS_OPEN_MAX` and `RATE_LIMITED` with the
    seconds to wait; nothing of the unit is kept then.
    """
    counted = ceiling.tickets_per_minute_max
    values = {
        "organization_id": organization_id,
        "id": new_id(),
        "wanted": bytes_wanted,
        "quota": _quota(ceiling.quota_bytes),
        "uploads_open_max": ceiling.uploads_open_max,
        "tickets": 0 if counted is None else 1,
        "per_minute": UNLIMITED if counted is None else counted,
    }

    async def refusal(session: AsyncSession) -> ReelkeepError:
        return await _why_not(session, organization_id, bytes_wanted, ceiling)

    commit_with(session, Last(RESERVE, values, refusal))


def settle_usage(
    session: AsyncSession,
    organization_id: UUID,
    *,
    bytes_used: int,
    bytes_reserved: int,
    uploads_ended: int,
    quota_bytes: int | None,
) -> None:
    """Count what has been sealed, and give back what was held for it.

    Bytes that were held for are always taken; where more than that overshoots, `QUOTA_EXCEEDED` is raised on
    leaving the unit of work, of which nothing is kept.
    """
    values = {
        "organization_id": organization_id,
        "id": new_id(),
        "used": bytes_used,
        "reserved": bytes_reserved,
        "ended": uploads_ended,
        "quota": _quota(quota_bytes),
    }

    async def refusal(session: AsyncSession) -> ReelkeepError:
        found = await read_usage(session, organization_id)
        return _over_quota(found, bytes_used - bytes_reserved, _quota(quota_bytes))

    commit_with(session, Last(SETTLE, values, refusal))


async def read_usage(session: AsyncSession, organization_id: UUID) -> Used:
    """What the organization has now."""
    row = await _row(session, organization_id)
    return Used(row.bytes_used, row.bytes_reserved, row.uploads_open) if row else Used()


async def _row(
    session: AsyncSession, organization_id: UUID
) -> Row[int, int, int, datetime | None, datetime] | None:
    query = select(
        Usage.bytes_used, Usage.bytes_reserved, Usage.uploads_open, Usage.minute, func.now().label("now")
    ).where(Usage.organization_id == organization_id)
    return (await session.execute(query)).first()


async def _why_not(
    session: AsyncSession, organization_id: UUID, wanted: int, ceiling: Ceiling
) -> ReelkeepError:
    """What refused it, as it is a moment later: where another has made room meanwhile, the rate is named."""
    row = await _row(session, organization_id)
    used = Used(row.bytes_used, row.bytes_reserved, row.uploads_open) if row else Used()
    quota = _quota(ceiling.quota_bytes)
    if used.bytes_used + used.bytes_reserved + wanted > quota:
        return _over_quota(used, wanted, quota)
    if used.uploads_open >= ceiling.uploads_open_max:
        return ReelkeepError(
            f"{used.uploads_open:,} uploads of this organization are open and at most "
            f"{ceiling.uploads_open_max:,} may be; complete or abort some, or wait.",
            ErrorCode.UPLOADS_OPEN_MAX,
            retry_after_seconds=OPEN_RETRY_SECONDS,
            uploads_open=used.uploads_open,
            uploads_open_max=ceiling.uploads_open_max,
        )
    return ReelkeepError(
        f"This organization may be given {ceiling.tickets_per_minute_max:,} upload tickets a minute; wait.",
        ErrorCode.RATE_LIMITED,
        retry_after_seconds=_to_next_minute(row.now if row else None),
        tickets_per_minute_max=ceiling.tickets_per_minute_max,
    )


def _over_quota(used: Used, wanted: int, quota: int) -> ReelkeepError:
    free = max(quota - used.bytes_used - used.bytes_reserved, 0)
    return Forbidden(
        f"The organization's quota is {quota:,} bytes, {free:,} of them are free and {wanted:,} are wanted. "
        "Ask the operator for a larger quota.",
        ErrorCode.QUOTA_EXCEEDED,
        used=used.bytes_used,
        reserved=used.bytes_reserved,
        quota=quota,
        wanted=wanted,
    )


def _quota(quota_bytes: int | None) -> int:
    return UNLIMITED if quota_bytes is None else quota_bytes


def _to_next_minute(now: datetime | None) -> int:
    return 60 - now.second if now else 60
