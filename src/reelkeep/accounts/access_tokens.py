"""Bearer tokens from a sign-in: a JWT (RFC 7519) that says who, in which organization, and until when.

It says nothing of what they may do: membership and role are looked up at each request, so that a person
who was removed is out at once.
"""

import hashlib
import hmac
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import jwt
from jwt.types import Options

from reelkeep.errors import Unauthenticated

ISSUER = "reelkeep"
TYPE = "access"
ALGORITHM = "HS256"
#: How far the clocks of two of our servers may differ.
LEEWAY = timedelta(seconds=30)
# PyJWT knows only the system's clock; the times are checked here against the clock that is given.
_OPTIONS: Options = {
    "require": ["iss", "typ", "sub", "org", "iat", "exp", "pwd"],
    "verify_exp": False,
    "verify_iat": False,
}


@dataclass(frozen=True)
class AccessToken:
    """What a bearer token says, once its signature and times are checked."""

    user_id: UUID
    organization_id: UUID
    password_mark: str  # of the password that was used; a new password ends the token


def create_access_token(
    key: bytes,
    *,
    user_id: UUID,
    organization_id: UUID,
    password_hash: str,
    now: datetime,
    lifetime: timedelta,
) -> str:
    """A token signed with `key` (32 bytes), good from `now` for `lifetime`."""
    claims = {
        "iss": ISSUER,
        "typ": TYPE,
        "sub": str(user_id),
        "org": str(organization_id),
        "iat": int(now.timestamp()),
        "exp": int((now + lifetime).timestamp()),
        "pwd": mark_password(key, password_hash),
    }
    return jwt.encode(claims, key, algorithm=ALGORITHM)


def read_access_token(key: bytes, token: str, now: datetime) -> AccessToken:
    """What the token says; `UNAUTHENTICATED` when it is not ours, was changed, or has ended."""
    claims = _checked_claims(key, token)
    try:
        issued_at = datetime.fromtimestamp(claims["iat"], UTC)
        expires_at = datetime.fromtimestamp(claims["exp"], UTC)
        read = AccessToken(UUID(claims["sub"]), UUID(claims["org"]), str(claims["pwd"]))
    except (TypeError, ValueError, AttributeError, OverflowError, OSError) as error:
        raise _not_valid() from error
    if claims["typ"] != TYPE or issued_at > now + LEEWAY:
        raise _not_valid()
    if expires_at + LEEWAY <= now:
        raise Unauthenticated("This access token has ended. Sign in again.", reason="expired")
    return read


def mark_password(key: bytes, password_hash: str) -> str:
    """A short mark that changes with the password and tells nothing about it."""
    digest = hmac.digest(key, b"password " + password_hash.encode(), hashlib.sha256)
    return digest[:12].hex()


def _checked_claims(key: bytes, token: str) -> dict[str, Any]:
    try:
        return jwt.decode(token, key, algorithms=[ALGORITHM], issuer=ISSUER, options=_OPTIONS)
    except (jwt.PyJWTError, UnicodeError) as error:
        raise _not_valid() from error


def _not_valid() -> Unauthenticated:
    return Unauthenticated("This access token is not valid here. Sign in again.", reason="invalid")
