"""Signing in and out: a password is checked, a browser is remembered by a cookie."""

from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from sqlalchemy import delete, or_, update
from sqlalchemy.ext.asyncio import AsyncSession

from reelkeep.accounts.attempts import SignInAttempts
from reelkeep.accounts.credentials import hash_secret, new_secret
from reelkeep.accounts.models import SignIn, User
from reelkeep.accounts.passwords import hash_password, needs_rehash, verify_password
from reelkeep.accounts.queries import Standing, find_first_standing, find_user_by_email
from reelkeep.clock import Clock
from reelkeep.db.database import Database
from reelkeep.errors import ErrorCode, Forbidden, ReelkeepError, Unauthenticated
from reelkeep.logs import get_logger

log = get_logger(__name__)


@dataclass(frozen=True)
class StartedSignIn:
    """A new sign-in and the secret of its cookie, which is shown this once."""

    id: UUID
    secret: str = field(repr=False)


async def check_password(
    database: Database, clock: Clock, attempts: SignInAttempts, *, email: str, password: str, address: str
) -> UUID:
    """The id of the user with this e-mail and password.

    An unknown e-mail and a wrong password get the same `SIGN_IN_FAILED` after the same work; too many
    failures get `RATE_LIMITED`. `address` is the network address that the request came from.
    """
    attempts.begin(email, address, clock.now())
    async with database.directory() as session:
        user = await find_user_by_email(session, email)
    kept = user.password_hash if user else None
    try:
        correct = await verify_password(kept, password)
    except ReelkeepError:
        attempts.withdraw(email, address)
        raise
    if user is None or kept is None or not correct:
        log.info("sign-in failed", user_id=str(user.id) if user else None)
        raise Unauthenticated("E-mail address or password is wrong.", ErrorCode.SIGN_IN_FAILED)
    attempts.forgive(email, address)
    if user.disabled_at is not None:
        raise Forbidden("This account is disabled. Ask an administrator of your organization.")
    if needs_rehash(kept):
        await _rehash(database, user.id, kept, password)
    return user.id


async def choose_organization(session: AsyncSession, user_id: UUID) -> Standing:
    """The user's place in the organization that a new sign-in uses: the one joined first."""
    standing = await find_first_standing(session, user_id)
    if standing is None:
        raise Forbidden("You are not a member of any organization. Ask an administrator to add you.")
    return standing


async def start_sign_in(
    session: AsyncSession, clock: Clock, user_id: UUID, organization_id: UUID, lifetime: timedelta
) -> StartedSignIn:
    """Remember a browser for `lifetime`; the user's sign-ins that are over are forgotten."""
    now = clock.now()
    over = or_(SignIn.expires_at <= now, SignIn.ended_at.is_not(None))
    await session.execute(delete(SignIn).where(SignIn.user_id == user_id, over))
    secret = new_secret()
    sign_in = SignIn(
        user_id=user_id,
        organization_id=organization_id,
        secret_hash=hash_secret(secret),
        created_at=now,
        expires_at=now + lifetime,
    )
    session.add(sign_in)
    await session.flush()
    return StartedSignIn(sign_in.id, secret)


async def end_sign_in(session: AsyncSession, clock: Clock, sign_in_id: UUID) -> None:
    """Sign one browser out; doing it twice is harmless."""
    await session.execute(
        update(SignIn).where(SignIn.id == sign_in_id, SignIn.ended_at.is_(None)).values(ended_at=clock.now())
    )


async def end_sign_ins_of(session: AsyncSession, clock: Clock, user_id: UUID) -> None:
    """Sign a user out of every browser."""
    await session.execute(
        update(SignIn)
        .where(SignIn.user_id == user_id, SignIn.ended_at.is_(None))
        .values(ended_at=clock.now())
    )


async def _rehash(database: Database, user_id: UUID, kept: str, password: str) -> None:
    stronger = await hash_password(password)
    async with database.directory() as session:
        await session.execute(
            update(User).where(User.id == user_id, User.password_hash == kept).values(password_hash=stronger)
        )
