"""Reading the directory: who a person is, where they are a member, and what proves it."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, and_, bindparam, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from reelkeep.accounts.models import ApiToken, Membership, Organization, SignIn, User
from reelkeep.db.database import Database


@dataclass(frozen=True)
class Standing:
    """A person's place in one organization."""

    user_id: UUID
    email: str
    name: str | None
    disabled_at: datetime | None
    password_hash: str | None
    organization_id: UUID
    organization_name: str
    role: str
    #: A policy of the organization; see `policies.py`.
    shared_computers: bool


@dataclass(frozen=True)
class TokenFacts:
    """An API token and the standing of its user; `role` is None when they are no member any more."""

    id: UUID
    user_id: UUID
    organization_id: UUID
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None
    disabled_at: datetime | None
    role: str | None


@dataclass(frozen=True)
class SignInFacts:
    """A browser's sign-in and the standing of its user; `role` is None when they are no member any more."""

    id: UUID
    user_id: UUID
    organization_id: UUID
    expires_at: datetime
    ended_at: datetime | None
    disabled_at: datetime | None
    role: str | None


async def find_user_by_email(session: AsyncSession, email: str) -> User | None:
    """The person with this e-mail address, in whatever case it is written."""
    # Postgres takes no NUL in text; nobody has such an address.
    if "\x00" in email:
        return None
    found = select(User).where(func.lower(User.email) == func.lower(email.strip()))
    return await session.scalar(found)


async def find_standing(session: AsyncSession, user_id: UUID, organization_id: UUID) -> Standing | None:
    """A person's place in an organization; None when they are no member of it."""
    found = _standings().where(User.id == user_id, Organization.id == organization_id)
    return _as_standing((await session.execute(found)).one_or_none())


async def find_first_standing(session: AsyncSession, user_id: UUID) -> Standing | None:
    """A person's place in the organization they joined first; None when they are in none."""
    oldest = (Membership.created_at, Membership.organization_id)
    found = _standings().where(User.id == user_id).order_by(*oldest).limit(1)
    return _as_standing((await session.execute(found)).one_or_none())


async def list_members(session: AsyncSession, organization_id: UUID) -> list[Standing]:
    """Everybody in an organization, by e-mail address."""
    found = _standings().where(Organization.id == organization_id).order_by(func.lower(User.email))
    return [Standing(*row) for row in await session.execute(found)]


async def find_token(database: Database, token_hash: bytes) -> TokenFacts | None:
    """The API token with this SHA-256."""
    row = await database.look_up(TOKEN, {"token_hash": token_hash})
    return None if row is None else TokenFacts(*row)


async def find_sign_in(database: Database, secret_hash: bytes) -> SignInFacts | None:
    """The browser's sign-in whose cookie has this SHA-256."""
    row = await database.look_up(SIGN_IN, {"secret_hash": secret_hash})
    return None if row is None else SignInFacts(*row)


async def look_up_standing(database: Database, user_id: UUID, organization_id: UUID) -> Standing | None:
    """As `find_standing`, in one round trip of its own."""
    row = await database.look_up(STANDING, {"user_id": user_id, "organization_id": organization_id})
    return None if row is None else Standing(*row)


def _standings() -> Select[UUID, str, str | None, datetime | None, str | None, UUID, str, str, bool]:
    return (
        select(
            User.id,
            User.email,
            User.name,
            User.disabled_at,
            User.password_hash,
            Organization.id,
            Organization.name,
            Membership.role,
            Organization.shared_computers,
        )
        .join(Membership, Membership.user_id == User.id)
        .join(Organization, Organization.id == Membership.organization_id)
    )


def _as_standing(
    row: Row[UUID, str, str | None, datetime | None, str | None, UUID, str, str, bool] | None,
) -> Standing | None:
    return None if row is None else Standing(*row)


def _member_of(
    user_id: InstrumentedAttribute[UUID], organization_id: InstrumentedAttribute[UUID]
) -> ColumnElement[bool]:
    return and_(Membership.user_id == user_id, Membership.organization_id == organization_id)


TOKEN = (
    select(
        ApiToken.id,
        ApiToken.user_id,
        ApiToken.organization_id,
        ApiToken.expires_at,
        ApiToken.revoked_at,
        ApiToken.last_used_at,
        User.disabled_at,
        Membership.role,
    )
    .join(User, User.id == ApiToken.user_id)
    .outerjoin(Membership, _member_of(ApiToken.user_id, ApiToken.organization_id))
    .where(ApiToken.token_hash == bindparam("token_hash"))
)
SIGN_IN = (
    select(
        SignIn.id,
        SignIn.user_id,
        SignIn.organization_id,
        SignIn.expires_at,
        SignIn.ended_at,
        User.disabled_at,
        Membership.role,
    )
    .join(User, User.id == SignIn.user_id)
    .outerjoin(Membership, _member_of(SignIn.user_id, SignIn.organization_id))
    .where(SignIn.secret_hash == bindparam("secret_hash"))
)
STANDING = _standings().where(
    User.id == bindparam("user_id"), Organization.id == bindparam("organization_id")
)
