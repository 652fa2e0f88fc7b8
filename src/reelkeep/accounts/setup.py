"""The first administrator: made once, by the one-time link that the first start prints."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import exists, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from reelkeep.accounts.emails import read_email
from reelkeep.accounts.links import IssuedLink, issue_link, look_at_link, use_link
from reelkeep.accounts.models import LinkPurpose, Membership, Organization, Role, User
from reelkeep.accounts.passwords import hash_password, refuse_weak_password
from reelkeep.accounts.queries import find_user_by_email
from reelkeep.clock import Clock
from reelkeep.db.database import Database
from reelkeep.errors import Conflict, ErrorCode
from reelkeep.logs import get_logger

DEFAULT_ORGANIZATION_NAME = "Default organization"
#: Names the advisory lock that makes set-up happen once; any number that nothing else uses.
_SET_UP_LOCK = 0x5265656C_73657475

log = get_logger(__name__)


@dataclass(frozen=True)
class FirstAdministrator:
    """Who the first administrator is, and of which organization."""

    user_id: UUID
    organization_id: UUID


async def needs_first_administrator(session: AsyncSession) -> bool:
    """Whether no organization has an administrator yet."""
    administrators = exists().where(Membership.role == Role.ADMIN.value)
    return not await session.scalar(select(administrators))


async def issue_first_administrator_link(session: AsyncSession, clock: Clock) -> IssuedLink:
    """A link good for seven days; unused older ones stop working. `ALREADY_SET_UP` once there is one."""
    await _lock_set_up(session)
    await _refuse_when_set_up(session)
    return await issue_link(session, clock, LinkPurpose.FIRST_ADMINISTRATOR)


async def create_first_administrator(
    database: Database,
    clock: Clock,
    token: str,
    *,
    organization_name: str,
    name: str | None,
    email: str,
    password: str,
) -> FirstAdministrator:
    """Make the first administrator, who takes over the organization that is there already, or a new one.

    Of several who try at once exactly one succeeds; the others get `ALREADY_SET_UP`.
    """
    address = read_email(email)
    async with database.directory() as session:
        await _refuse_when_set_up(session)
        await look_at_link(session, clock, token)
    refuse_weak_password(password, address)
    password_hash = await hash_password(password)
    async with database.directory() as session:
        await _lock_set_up(session)
        await _refuse_when_set_up(session)
        await use_link(session, clock, token, LinkPurpose.FIRST_ADMINISTRATOR)
        organization = await _first_organization(session, organization_name)
        organization.name = organization_name
        user = await _user_with_password(session, address, name, password_hash)
        await _make_administrator(session, organization.id, user.id)
        made = FirstAdministrator(user.id, organization.id)
    log.info(
        "first administrator created", user_id=str(made.user_id), organization_id=str(made.organization_id)
    )
    return made


async def default_organization(session: AsyncSession) -> Organization:
    """The oldest organization; one is made when there is none, also when several ask at once."""
    found = await _oldest_organization(session)
    if found is None:
        await _lock_set_up(session)
        found = await _first_organization(session, DEFAULT_ORGANIZATION_NAME)
    return found


async def _lock_set_up(session: AsyncSession) -> None:
    await session.execute(select(func.pg_advisory_xact_lock(_SET_UP_LOCK)))


async def _refuse_when_set_up(session: AsyncSession) -> None:
    if not await needs_first_administrator(session):
        raise Conflict("Reelkeep is set up already: sign in instead.", ErrorCode.ALREADY_SET_UP)


async def _oldest_organization(session: AsyncSession) -> Organization | None:
    oldest = select(Organization).order_by(Organization.created_at, Organization.id).limit(1)
    return await session.scalar(oldest)


async def _first_organization(session: AsyncSession, name: str) -> Organization:
    organization = await _oldest_organization(session)
    if organization is None:
        organization = Organization(name=name)
        session.add(organization)
        await session.flush()
    return organization


async def _user_with_password(
    session: AsyncSession, email: str, name: str | None, password_hash: str
) -> User:
    # Whoever reads the server's own log runs it, so an account added before is theirs to take.
    user = await find_user_by_email(session, email)
    if user is None:
        user = User(email=email)
        session.add(user)
    user.password_hash = password_hash
    user.name = name or user.name
    user.disabled_at = None
    await session.flush()
    return user


async def _make_administrator(session: AsyncSession, organization_id: UUID, user_id: UUID) -> None:
    role = Role.ADMIN.value
    await session.execute(
        insert(Membership)
        .values(organization_id=organization_id, user_id=user_id, role=role)
        .on_conflict_do_update(index_elements=["organization_id", "user_id"], set_={"role": role})
    )
