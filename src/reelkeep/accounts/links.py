"""One-time links: whoever holds the link's token may do the one thing it is for, once."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NoReturn
from uuid import UUID

from sqlalchemy import delete, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from reelkeep.accounts.credentials import hash_secret, new_secret
from reelkeep.accounts.models import LinkPurpose, OneTimeLink, User
from reelkeep.clock import Clock
from reelkeep.errors import ErrorCode, Invalid

LIFETIME = timedelta(days=7)


@dataclass(frozen=True)
class IssuedLink:
    """A new link's token, which is shown this once, and when it ends."""

    token: str = field(repr=False)
    expires_at: datetime


@dataclass(frozen=True)
class LinkFacts:
    """What a link is good for, and for whom."""

    purpose: LinkPurpose
    user_id: UUID | None
    email: str | None


async def issue_link(
    session: AsyncSession, clock: Clock, purpose: LinkPurpose, user_id: UUID | None = None
) -> IssuedLink:
    """A link good for seven days; unused older ones for the same thing stop working."""
    now = clock.now()
    replaced = OneTimeLink.user_id.is_not_distinct_from(user_id) & OneTimeLink.used_at.is_(None)
    forgotten = OneTimeLink.expires_at < now - LIFETIME
    await session.execute(
        delete(OneTimeLink).where(OneTimeLink.purpose == purpose.value, or_(replaced, forgotten))
    )
    token = new_secret()
    link = OneTimeLink(
        purpose=purpose.value,
        user_id=user_id,
        secret_hash=hash_secret(token),
        created_at=now,
        expires_at=now + LIFETIME,
    )
    session.add(link)
    await session.flush()
    return IssuedLink(token, link.expires_at)


async def look_at_link(session: AsyncSession, clock: Clock, token: str) -> LinkFacts:
    """What the link is good for, without using it; `LINK_INVALID` when it is good for nothing."""
    found = (
        select(OneTimeLink, User.email)
        .outerjoin(User, User.id == OneTimeLink.user_id)
        .where(OneTimeLink.secret_hash == hash_secret(token))
    )
    row = (await session.execute(found)).one_or_none()
    if row is None:
        _refuse("was replaced by a newer one, or never existed", "unknown")
    link, email = row
    if link.used_at is not None:
        _refuse("was used already", "used")
    if link.expires_at <= clock.now():
        _refuse("has ended", "expired")
    return LinkFacts(LinkPurpose(link.purpose), link.user_id, email)


async def use_link(session: AsyncSession, clock: Clock, token: str, purpose: LinkPurpose) -> None:
    """Use the link up; of several who try at once exactly one succeeds, the others get `LINK_INVALID`."""
    now = clock.now()
    guarded = (
        update(OneTimeLink)
        .where(
            OneTimeLink.secret_hash == hash_secret(token),
            OneTimeLink.purpose == purpose.value,
            OneTimeLink.used_at.is_(None),
            OneTimeLink.expires_at > now,
        )
        .values(used_at=now)
        .returning(OneTimeLink.id)
    )
    if await session.scalar(guarded) is None:
        await look_at_link(session, clock, token)
        _refuse("is for something else", "wrong_purpose")


def _refuse(why: str, reason: str) -> NoReturn:
    message = f"This link {why}. Ask an administrator, or whoever runs this server, for a new one."
    raise Invalid(message, ErrorCode.LINK_INVALID, reason=reason)
