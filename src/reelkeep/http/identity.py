"""Who makes a request, for every route: a bearer credential or a browser's cookie becomes a `Caller`."""

import base64
import hashlib
import hmac
from collections.abc import Awaitable, Callable
from typing import Annotated
from uuid import UUID

import structlog
from fastapi import Depends, Request, Response, Security
from fastapi.security import APIKeyCookie, HTTPBearer

from reelkeep.accounts.credentials import is_api_token
from reelkeep.accounts.identify import (
    Caller,
    identify_by_access_token,
    identify_by_api_token,
    identify_by_cookie,
)
from reelkeep.accounts.permissions import Permission
from reelkeep.errors import ErrorCode, Forbidden, Unauthenticated
from reelkeep.runtime import Runtime
from reelkeep.settings import Settings

COOKIE = "reelkeep_sign_in"
CSRF_HEADER = "X-CSRF-Token"
ACCESS_TOKEN_KEY = "access token"
CSRF_KEY = "csrf token"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

# These two only describe the ways to identify in the OpenAPI document.
_bearer = HTTPBearer(
    auto_error=False, description="An access token from `login`, or an API token that begins with `rk_`."
)
_cookie = APIKeyCookie(
    name=COOKIE, auto_error=False, description=f"A browser's sign-in; changes also carry `{CSRF_HEADER}`."
)


def runtime_of(request: Request) -> Runtime:
    """The runtime that this application was built with."""
    runtime: Runtime = request.app.state.runtime
    return runtime


async def caller(
    request: Request, _by_bearer: object = Security(_bearer), _by_cookie: object = Security(_cookie)
) -> Caller:
    """Whoever makes the request; `UNAUTHENTICATED` when nobody known does.

    An `Authorization` header decides alone; the cookie is looked at only without one, and then a change
    must prove that our own page asked for it.
    """
    runtime = runtime_of(request)
    authorization = request.headers.get("authorization")
    if authorization is not None:
        known = await _identify_by_header(runtime, authorization)
    else:
        known = await _identify_by_cookie(runtime, request)
    # Not taken back: each request runs in a context of its own, and its last log line wants them too.
    structlog.contextvars.bind_contextvars(
        organization_id=str(known.organization_id), user_id=str(known.user_id)
    )
    return known


SignedIn = Annotated[Caller, Depends(caller)]


def requires(permission: str) -> Callable[[Caller], Awaitable[Caller]]:
    """A dependency that is the caller when their role includes `permission`, and `FORBIDDEN` otherwise."""
    needed = Permission(permission)

    async def permitted_caller(known: SignedIn) -> Caller:
        known.require(needed)
        return known

    return permitted_caller


def csrf_token_of(runtime: Runtime, sign_in_id: UUID) -> str:
    """What our page sends back with every change: an HMAC over the sign-in, which other sites cannot know."""
    digest = hmac.digest(runtime.secrets.derive(CSRF_KEY), sign_in_id.bytes, hashlib.sha256)
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def refuse_cross_site(request: Request) -> None:
    """Raise `CSRF_TOKEN_INVALID` when the browser says that another site's page sent this."""
    if request.headers.get("sec-fetch-site") == "cross-site":
        message = "This request came from a page of another site and was not carried out."
        raise Forbidden(message, ErrorCode.CSRF_TOKEN_INVALID)


def set_cookie(response: Response, settings: Settings, secret: str) -> None:
    """Give the browser the secret of its sign-in, out of reach of scripts and of other sites' forms."""
    response.set_cookie(
        COOKIE,
        secret,
        max_age=settings.sign_in_days * 24 * 60 * 60,
        path="/",
        httponly=True,
        samesite="lax",
        secure=_is_secure(settings),
    )


def clear_cookie(response: Response, settings: Settings) -> None:
    """Take the secret away from the browser."""
    response.delete_cookie(COOKIE, path="/", httponly=True, samesite="lax", secure=_is_secure(settings))


def _is_secure(settings: Settings) -> bool:
    return settings.base_url.startswith("https://")


async def _identify_by_header(runtime: Runtime, authorization: str) -> Caller:
    scheme, _, credential = authorization.partition(" ")
    credential = credential.strip()
    if scheme.lower() != "bearer" or not credential:
        raise Unauthenticated("The Authorization header must be: Bearer, a space, and a token.")
    if is_api_token(credential):
        return await identify_by_api_token(runtime.database, runtime.clock, credential)
    key = runtime.secrets.derive(ACCESS_TOKEN_KEY)
    return await identify_by_access_token(runtime.database, runtime.clock, key, credential)


async def _identify_by_cookie(runtime: Runtime, request: Request) -> Caller:
    secret = request.cookies.get(COOKIE)
    if not secret:
        raise Unauthenticated("Sign in, or send a token in the Authorization header.")
    known = await identify_by_cookie(runtime.database, runtime.clock, secret)
    if request.method not in SAFE_METHODS:
        refuse_cross_site(request)
        _check_csrf_token(runtime, request, known)
    return known


def _check_csrf_token(runtime: Runtime, request: Request, known: Caller) -> None:
    assert known.sign_in_id is not None
    expected = csrf_token_of(runtime, known.sign_in_id).encode()
    sent = request.headers.get(CSRF_HEADER, "").encode()
    if not hmac.compare_digest(sent, expected):
        message = f"The {CSRF_HEADER} header is missing or does not belong to this sign-in. Reload the page."
        raise Forbidden(message, ErrorCode.CSRF_TOKEN_INVALID)
