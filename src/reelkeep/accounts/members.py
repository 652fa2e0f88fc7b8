"""People in organizations: added, given a password, given tokens."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, func, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from reelkeep.accounts.credentials import hash_secret, new_api_token
from reelkeep.accounts.emails import read_email
from reelkeep.accounts.links import IssuedLink, issue_link, look_at_link, use_link
from reelkeep.accounts.models import ApiToken, LinkPurpose, Membership, OneTimeLink, Role, User
from reelkeep.accounts.passwords import hash_password, refuse_weak_password
from reelkeep.accounts.queries import find_standing, find_user_by_email
from reelkeep.accounts.sign_in import end_sign_ins_of
from reelkeep.clock import Clock
from reelkeep.db.database import Database
from reelkeep.errors import Conflict, ErrorCode, Forbidden, Invalid, NotFound

TOKEN_NAME_LENGTH_MAX = 200


async def add_user(
    session: AsyncSession, email: str, role: str, organization_id: UUID, name: str | None = None
) -> User:
    """Make somebody a member; a person who is known already joins this organization too.

    `EMAIL_TAKEN` when they are a member already, `INVALID_REQUEST` for a role or address that is none.
    """
    address, known_role = read_email(email), read_role(role)
    await session.execute(
        insert(User)
        .values(email=address, name=name)
        .on_conflict_do_nothing(index_elements=[func.lower(User.email)])
    )
    user = await find_user_by_email(session, address)
    assert user is not None
    joined = await session.scalar(
        insert(Membership)
        .values(organization_id=organization_id, user_id=user.id, role=known_role.value)
        .on_conflict_do_nothing()
        .returning(Membership.user_id)
    )
    if joined is None:
        raise Conflict(f"{address} is a member of this organization already.", ErrorCode.EMAIL_TAKEN)
    return user


def read_role(text: str) -> Role:
    """The role of this name; `INVALID_REQUEST` naming all roles when there is none."""
    try:
        return Role(text)
    except ValueError as error:
        roles = [role.value for role in Role]
        raise Invalid(f"There is no role {text!r}; use one of {', '.join(roles)}.", roles=roles) from error


async def issue_set_password_link(session: AsyncSession, clock: Clock, user_id: UUID) -> IssuedLink:
    """A link good for seven days with which this user sets a password; older ones stop working."""
    return await issue_link(session, clock, LinkPurpose.SET_PASSWORD, user_id)


async def set_password(database: Database, clock: Clock, token: str, password: str) -> UUID:
    """Set the password of the link's user, once; what was signed in before is signed out."""
    async with database.directory() as session:
        facts = await look_at_link(session, clock, token)
        user = await session.get(User, facts.user_id) if facts.user_id else None
    if user is None:
        raise Invalid("This link is not for setting a password.", ErrorCode.LINK_INVALID)
    if user.disabled_at is not None:
        raise Forbidden("This account is disabled. Ask an administrator of your organization.")
    refuse_weak_password(password, user.email)
    password_hash = await hash_password(password)
    async with database.directory() as session:
        await use_link(session, clock, token, LinkPurpose.SET_PASSWORD)
        await _put_password(session, clock, user.id, password_hash)
    return user.id


async def set_password_of(database: Database, clock: Clock, user_id: UUID, password: str) -> None:
    """Set a user's password on the word of whoever runs this server."""
    async with database.directory() as session:
        user = await session.get(User, user_id)
    if user is None:
        raise NotFound("There is no such user.")
    refuse_weak_password(password, user.email)
    password_hash = await hash_password(password)
    async with database.directory() as session:
        await _put_password(session, clock, user_id, password_hash)


async def create_token(
    session: AsyncSession,
    user_id: UUID,
    organization_id: UUID,
    name: str,
    expires_at: datetime | None = None,
) -> tuple[ApiToken, str]:
    """A token with which a program acts as this member, and its secret, which is shown this once."""
    if await find_standing(session, user_id, organization_id) is None:
        raise NotFound("This user is not a member of the organization.")
    if not 1 <= len(name) <= TOKEN_NAME_LENGTH_MAX:
        raise Invalid(f"A token's name has 1 to {TOKEN_NAME_LENGTH_MAX} characters.", field="name")
    secret = new_api_token()
    token = ApiToken(
        organization_id=organization_id,
        user_id=user_id,
        name=name,
        token_hash=hash_secret(secret),
        expires_at=expires_at,
    )
    session.add(token)
    await session.flush()
    return token, secret


async def revoke_token(session: AsyncSession, clock: Clock, token_id: UUID, organization_id: UUID) -> None:
    """End a token of this organization at once; doing it twice is harmless."""
    found = await session.scalar(
        update(ApiToken)
        .where(ApiToken.id == token_id, ApiToken.organization_id == organization_id)
        .values(revoked_at=func.coalesce(ApiToken.revoked_at, clock.now()))
        .returning(ApiToken.id)
    )
    if found is None:
        raise NotFound("There is no such token in this organization.")


async def _put_password(session: AsyncSession, clock: Clock, user_id: UUID, password_hash: str) -> None:
    await session.execute(update(User).where(User.id == user_id).values(password_hash=password_hash))
    # Links that lie in old messages must not open the account again.
    unused = (OneTimeLink.user_id == user_id) & OneTimeLink.used_at.is_(None)
    await session.execute(delete(OneTimeLink).where(unused))
    await end_sign_ins_of(session, clock, user_id)
