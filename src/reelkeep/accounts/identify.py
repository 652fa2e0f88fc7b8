"""Who makes a request: from an API token, a bearer token or a browser's cookie to a `Caller`."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from sqlalchemy import or_, update

from reelkeep.accounts.access_tokens import mark_password, read_access_token
from reelkeep.accounts.credentials import hash_secret
from reelkeep.accounts.models import ApiToken
from reelkeep.accounts.permissions import Permission, permissions_of
from reelkeep.accounts.queries import TokenFacts, find_sign_in, find_token, look_up_standing
from reelkeep.clock import Clock
from reelkeep.db.database import Database
from reelkeep.errors import Forbidden, Unauthenticated

Via = Literal["token", "bearer", "cookie"]
#: A token's last use is written at most this often.
LAST_USED_PRECISION = timedelta(minutes=1)


@dataclass(frozen=True)
class Caller:
    """Somebody known, in one organization, and what they may do there."""

    user_id: UUID
    organization_id: UUID
    role: str
    permissions: frozenset[Permission]
    via: Via
    sign_in_id: UUID | None = None

    def may(self, permission: Permission) -> bool:
        """Whether the caller's role allows it."""
        return permission in self.permissions

    def require(self, permission: Permission) -> None:
        """Raise `FORBIDDEN`, naming the permission, when the caller's role does not allow it."""
        if permission not in self.permissions:
            raise Forbidden(
                f"Your role here, {self.role}, does not include {permission.value}. "
                "An administrator of your organization can change it.",
                permission=permission.value,
                role=self.role,
            )


async def identify_by_api_token(database: Database, clock: Clock, secret: str) -> Caller:
    """The caller who holds this API token; `UNAUTHENTICATED` when it is unknown, revoked or expired."""
    now = clock.now()
    token = await find_token(database, hash_secret(secret))
    if token is None:
        raise Unauthenticated("This API token is not known here. Create one.", reason="unknown")
    if token.revoked_at is not None:
        raise Unauthenticated("This API token was revoked. Create a new one.", reason="revoked")
    if token.expires_at is not None and token.expires_at <= now:
        raise Unauthenticated("This API token has expired. Create a new one.", reason="expired")
    role = _role_in_force(token.role, token.disabled_at)
    await _note_use(database, token, now)
    return Caller(token.user_id, token.organization_id, role, permissions_of(role), "token")


async def identify_by_access_token(database: Database, clock: Clock, key: bytes, text: str) -> Caller:
    """The caller who holds this bearer token, if still a member and with the same password as then."""
    token = read_access_token(key, text, clock.now())
    standing = await look_up_standing(database, token.user_id, token.organization_id)
    if standing is None:
        raise _no_member()
    role = _role_in_force(standing.role, standing.disabled_at)
    if mark_password(key, standing.password_hash or "") != token.password_mark:
        raise Unauthenticated("Your password has changed. Sign in again.", reason="password_changed")
    return Caller(token.user_id, token.organization_id, role, permissions_of(role), "bearer")


async def identify_by_cookie(database: Database, clock: Clock, secret: str) -> Caller:
    """The caller whose browser holds this cookie; `UNAUTHENTICATED` when its sign-in has ended."""
    found = await find_sign_in(database, hash_secret(secret))
    if found is None or found.ended_at is not None or found.expires_at <= clock.now():
        raise Unauthenticated("You are signed out. Sign in again.", reason="signed_out")
    role = _role_in_force(found.role, found.disabled_at)
    return Caller(found.user_id, found.organization_id, role, permissions_of(role), "cookie", found.id)


def _role_in_force(role: str | None, disabled_at: datetime | None) -> str:
    if disabled_at is not None:
        raise Unauthenticated("This account is disabled. Ask an administrator.", reason="disabled")
    if role is None:
        raise _no_member()
    return role


def _no_member() -> Unauthenticated:
    message = "You are no longer a member of this organization. Ask an administrator."
    return Unauthenticated(message, reason="no_member")


async def _note_use(database: Database, token: TokenFacts, now: datetime) -> None:
    before = now - LAST_USED_PRECISION
    if token.last_used_at is not None and token.last_used_at > before:
        return
    stale = or_(ApiToken.last_used_at.is_(None), ApiToken.last_used_at <= before)
    async with database.directory() as session:
        await session.execute(update(ApiToken).where(ApiToken.id == token.id, stale).values(last_used_at=now))
