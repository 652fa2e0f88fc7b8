"""`/api/v1/auth`: signing in and out, one-time links, and who one is."""

from datetime import timedelta
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response

from reelkeep.accounts.access_tokens import create_access_token
from reelkeep.accounts.attempts import SignInAttempts
from reelkeep.accounts.links import look_at_link
from reelkeep.accounts.members import set_password
from reelkeep.accounts.permissions import permissions_of
from reelkeep.accounts.queries import Standing, find_standing
from reelkeep.accounts.recorder_secrets import RECORDER_SECRET, recorder_secret
from reelkeep.accounts.setup import create_first_administrator
from reelkeep.accounts.sign_in import check_password, choose_organization, end_sign_in, start_sign_in
from reelkeep.errors import Unauthenticated
from reelkeep.http.identity import (
    ACCESS_TOKEN_KEY,
    SignedIn,
    clear_cookie,
    csrf_token_of,
    refuse_cross_site,
    runtime_of,
    set_cookie,
)
from reelkeep.http.schemas import (
    LinkIn,
    LinkOut,
    LoginIn,
    MeOut,
    OrganizationOut,
    PoliciesOut,
    SetPasswordIn,
    TokenOut,
    UserOut,
    WelcomeIn,
)
from reelkeep.runtime import Runtime


def _never_stored(response: Response) -> None:
    response.headers["Cache-Control"] = "no-store"


router = APIRouter(prefix="/api/v1/auth", tags=["Sign-in"], dependencies=[Depends(_never_stored)])


@router.post("/login")
async def login(body: LoginIn, request: Request) -> TokenOut:
    """A bearer token for the API, for an e-mail address and a password."""
    runtime = runtime_of(request)
    user_id = await _check(request, body)
    async with runtime.database.directory() as session:
        standing = await choose_organization(session, user_id)
    assert standing.password_hash is not None
    lifetime = timedelta(minutes=runtime.settings.access_token_minutes)
    token = create_access_token(
        runtime.secrets.derive(ACCESS_TOKEN_KEY),
        user_id=standing.user_id,
        organization_id=standing.organization_id,
        password_hash=standing.password_hash,
        now=runtime.clock.now(),
        lifetime=lifetime,
    )
    return TokenOut(
        access_token=token,
        expires_in=int(lifetime.total_seconds()),
        user=_user_out(standing),
        organization=_organization_out(standing),
        role=standing.role,
    )


@router.post("/sign-in", dependencies=[Depends(refuse_cross_site)])
async def sign_in(body: LoginIn, request: Request, response: Response) -> MeOut:
    """A browser's sign-in: the answer sets a cookie, and tells the token that changes must carry."""
    return await _remember_browser(request, response, await _check(request, body))


@router.post("/sign-out", status_code=204)
async def sign_out(caller: SignedIn, request: Request, response: Response) -> None:
    """End this browser's sign-in; tokens are not touched."""
    runtime = runtime_of(request)
    if caller.sign_in_id is not None:
        async with runtime.database.directory() as session:
            await end_sign_in(session, runtime.clock, caller.sign_in_id)
    clear_cookie(response, runtime.settings)


@router.get("/me")
async def me(caller: SignedIn, request: Request) -> MeOut:
    """Who the caller is, in which organization, and what they may do there."""
    runtime = runtime_of(request)
    async with runtime.database.directory() as session:
        standing = await find_standing(session, caller.user_id, caller.organization_id)
    if standing is None:
        raise Unauthenticated("You are no longer a member of this organization. Ask an administrator.")
    csrf_token = csrf_token_of(runtime, caller.sign_in_id) if caller.sign_in_id else None
    return _me_out(runtime, standing, csrf_token)


@router.post("/link")
async def link(body: LinkIn, request: Request) -> LinkOut:
    """What a one-time link is good for, without using it."""
    runtime = runtime_of(request)
    async with runtime.database.directory() as session:
        facts = await look_at_link(session, runtime.clock, body.token)
    return LinkOut(purpose=facts.purpose.value, email=facts.email)


@router.post("/welcome", dependencies=[Depends(refuse_cross_site)])
async def welcome(body: WelcomeIn, request: Request, response: Response) -> MeOut:
    """Make the first administrator, by the link that the first start prints, and sign them in."""
    runtime = runtime_of(request)
    made = await create_first_administrator(
        runtime.database,
        runtime.clock,
        body.token,
        organization_name=body.organization_name,
        name=body.name,
        email=body.email,
        password=body.password,
    )
    return await _remember_browser(request, response, made.user_id)


@router.post("/set-password", dependencies=[Depends(refuse_cross_site)])
async def set_new_password(body: SetPasswordIn, request: Request, response: Response) -> MeOut:
    """Set a password by a one-time link; this browser is signed in, all others of this person are out."""
    runtime = runtime_of(request)
    user_id = await set_password(runtime.database, runtime.clock, body.token, body.password)
    return await _remember_browser(request, response, user_id)


async def _check(request: Request, body: LoginIn) -> UUID:
    runtime = runtime_of(request)
    return await check_password(
        runtime.database,
        runtime.clock,
        _attempts_of(request),
        email=body.email,
        password=body.password,
        address=request.client.host if request.client else "unknown",
    )


def _attempts_of(request: Request) -> SignInAttempts:
    """The failures that this application has counted."""
    state = request.app.state
    if not hasattr(state, "sign_in_attempts"):
        state.sign_in_attempts = SignInAttempts()
    attempts: SignInAttempts = state.sign_in_attempts
    return attempts


async def _remember_browser(request: Request, response: Response, user_id: UUID) -> MeOut:
    runtime = runtime_of(request)
    lifetime = timedelta(days=runtime.settings.sign_in_days)
    async with runtime.database.directory() as session:
        standing = await choose_organization(session, user_id)
        started = await start_sign_in(session, runtime.clock, user_id, standing.organization_id, lifetime)
    set_cookie(response, runtime.settings, started.secret)
    return _me_out(runtime, standing, csrf_token_of(runtime, started.id))


def _user_out(standing: Standing) -> UserOut:
    return UserOut(id=standing.user_id, email=standing.email, name=standing.name)


def _organization_out(standing: Standing) -> OrganizationOut:
    return OrganizationOut(id=standing.organization_id, name=standing.organization_name)


def _me_out(runtime: Runtime, standing: Standing, csrf_token: str | None) -> MeOut:
    return MeOut(
        user=_user_out(standing),
        organization=_organization_out(standing),
        role=standing.role,
        permissions=sorted(permissions_of(standing.role)),
        policies=PoliciesOut(shared_computers=standing.shared_computers),
        recorder_secret=recorder_secret(
            runtime.secrets.derive(RECORDER_SECRET), standing.user_id, standing.organization_id
        ),
        csrf_token=csrf_token,
    )
