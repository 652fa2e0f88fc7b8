"""Signing in over HTTP, and what each route learns of its caller."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.cookies import Morsel, SimpleCookie
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import httpx
import pytest
import structlog
from fastapi import Depends, FastAPI
from sqlalchemy import delete, update

from reelkeep.accounts.identify import Caller
from reelkeep.accounts.members import add_user, create_token, issue_set_password_link, set_password_of
from reelkeep.accounts.models import Membership, User
from reelkeep.accounts.setup import default_organization, issue_first_administrator_link
from reelkeep.db.database import Database
from reelkeep.http.auth_routes import router
from reelkeep.http.errors import install_errors
from reelkeep.http.identity import COOKIE, SignedIn, requires
from reelkeep.runtime import Runtime, Secrets, Stores
from reelkeep.settings import Settings

EMAIL, PASSWORD = "anna@clinic.local", "seven tall cedars"
SITE = "https://recordings.example.org"


@dataclass
class SetClock:
    """A clock that stands still until a test moves it."""

    moment: datetime = field(default_factory=lambda: datetime(2030, 5, 1, 12, 0, tzinfo=UTC))

    def now(self) -> datetime:
        return self.moment


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


def build_app(database: Database, clock: SetClock, scratch: Path, public_url: str = SITE) -> FastAPI:
    """The sign-in routes, and two routes that need permissions."""
    app = FastAPI()
    app.state.runtime = Runtime(
        settings=Settings(public_url=public_url),
        database=database,
        stores=Stores({}, "local"),
        engines=(),
        secrets=Secrets(b"the installation's secret"),
        clock=clock,
        scratch=scratch,
    )
    app.include_router(router)
    install_errors(app)

    @app.get("/things")
    async def read_things(caller: Annotated[Caller, Depends(requires("recordings.read"))]) -> dict[str, str]:
        return {"organization_id": str(caller.organization_id), "via": caller.via}

    @app.post("/things")
    async def write_things(
        caller: Annotated[Caller, Depends(requires("recordings.write"))],
    ) -> dict[str, str]:
        return {"organization_id": str(caller.organization_id), "via": caller.via}

    @app.get("/logged")
    async def log_facts(_caller: SignedIn) -> dict[str, Any]:
        return structlog.contextvars.get_contextvars()

    return app


def browser_at(app: FastAPI, site: str = SITE) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=site)


@pytest.fixture
def app(database: Database, clock: SetClock, tmp_path: Path) -> FastAPI:
    return build_app(database, clock, tmp_path)


@pytest.fixture
async def browser(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with browser_at(app) as client:
        yield client


async def add_member(
    database: Database, clock: SetClock, email: str = EMAIL, role: str = "member"
) -> tuple[UUID, UUID]:
    async with database.directory() as session:
        organization = await default_organization(session)
        user = await add_user(session, email, role, organization.id, "Anna Lee")
    await set_password_of(database, clock, user.id, PASSWORD)
    return user.id, organization.id


async def sign_in(browser: httpx.AsyncClient, email: str = EMAIL) -> dict[str, Any]:
    answer = await browser.post("/api/v1/auth/sign-in", json={"email": email, "password": PASSWORD})
    assert answer.status_code == 200, answer.text
    me: dict[str, Any] = answer.json()
    return me


async def bearer(browser: httpx.AsyncClient, email: str = EMAIL) -> dict[str, str]:
    answer = await browser.post("/api/v1/auth/login", json={"email": email, "password": PASSWORD})
    assert answer.status_code == 200, answer.text
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


def refused(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert (answer.status_code, answer.json()["error_code"]) == (status, code), answer.text
    assert set(answer.json()) == {"message", "error_code", "details"}
    body: dict[str, Any] = answer.json()
    return body


def cookie_of(answer: httpx.Response) -> "Morsel[str]":
    return SimpleCookie(answer.headers["set-cookie"])[COOKIE]


async def test_a_password_gives_a_bearer_token_that_opens_the_api(
    browser: httpx.AsyncClient, database: Database, clock: SetClock
) -> None:
    user_id, organization_id = await add_member(database, clock)
    answer = await browser.post("/api/v1/auth/login", json={"email": EMAIL, "password": PASSWORD})
    assert answer.headers["cache-control"] == "no-store"
    assert "set-cookie" not in answer.headers
    body = answer.json()
    assert body["token_type"] == "bearer"
    assert body["expires_in"] == 720 * 60
    assert body["user"] == {"id": str(user_id), "email": EMAIL, "name": "Anna Lee"}
    assert body["role"] == "member"
    headers = {"Authorization": f"bearer {body['access_token']}"}
    opened = await browser.post("/things", headers=headers)
    assert opened.json() == {"organization_id": str(organization_id), "via": "bearer"}


async def test_signing_in_sets_a_cookie_that_scripts_and_other_sites_cannot_use(
    browser: httpx.AsyncClient, database: Database, clock: SetClock
) -> None:
    await add_member(database, clock)
    answer = await browser.post("/api/v1/auth/sign-in", json={"email": EMAIL, "password": PASSWORD})
    assert answer.headers["cache-control"] == "no-store"
    cookie = cookie_of(answer)
    assert (cookie["httponly"], cookie["secure"], cookie["path"]) == (True, True, "/")
    assert cookie["samesite"].lower() == "lax"
    assert int(cookie["max-age"]) == 14 * 24 * 60 * 60
    assert cookie["domain"] == ""
    assert len(cookie.value) == 43
    assert cookie.value not in answer.text


async def test_without_https_the_cookie_is_sent_over_http(
    database: Database, clock: SetClock, tmp_path: Path
) -> None:
    await add_member(database, clock)
    site = "http://127.0.0.1:8000"
    async with browser_at(build_app(database, clock, tmp_path, site), site) as browser:
        answer = await browser.post("/api/v1/auth/sign-in", json={"email": EMAIL, "password": PASSWORD})
        assert cookie_of(answer)["secure"] == ""
        assert (await browser.get("/things")).json()["via"] == "cookie"


async def test_a_browser_learns_who_it_is_and_what_it_may(
    browser: httpx.AsyncClient, database: Database, clock: SetClock
) -> None:
    await add_member(database, clock)
    signed_in = await sign_in(browser)
    me = await browser.get("/api/v1/auth/me")
    assert me.headers["cache-control"] == "no-store"
    assert me.json() == signed_in
    assert signed_in["permissions"] == ["recordings.delete", "recordings.read", "recordings.write"]
    assert signed_in["csrf_token"]


async def test_a_bearer_has_no_csrf_token_and_needs_none(
    browser: httpx.AsyncClient, database: Database, clock: SetClock
) -> None:
    await add_member(database, clock)
    headers = await bearer(browser)
    me = await browser.get("/api/v1/auth/me", headers=headers)
    assert me.json()["csrf_token"] is None
    assert (await browser.post("/things", headers=headers)).status_code == 200


@pytest.mark.parametrize("sent", [None, "", "wrong", "é".encode("latin-1").decode("latin-1")])
async def test_a_change_by_cookie_without_the_right_csrf_token_is_refused(
    browser: httpx.AsyncClient, database: Database, clock: SetClock, sent: str | None
) -> None:
    await add_member(database, clock)
    await sign_in(browser)
    headers = {} if sent is None else {"X-CSRF-Token": sent.encode("latin-1")}
    refused(await browser.post("/things", headers=headers), 403, "CSRF_TOKEN_INVALID")
    refused(await browser.post("/api/v1/auth/sign-out", headers=headers), 403, "CSRF_TOKEN_INVALID")
    assert (await browser.get("/things")).status_code == 200


async def test_a_change_by_cookie_with_the_csrf_token_is_carried_out(
    browser: httpx.AsyncClient, database: Database, clock: SetClock
) -> None:
    await add_member(database, clock)
    csrf_token = (await sign_in(browser))["csrf_token"]
    answer = await browser.post("/things", headers={"X-CSRF-Token": csrf_token})
    assert answer.json()["via"] == "cookie"


async def test_the_csrf_token_of_another_sign_in_is_refused(
    app: FastAPI, browser: httpx.AsyncClient, database: Database, clock: SetClock
) -> None:
    await add_member(database, clock)
    await sign_in(browser)
    async with browser_at(app) as other:
        foreign = (await sign_in(other))["csrf_token"]
    refused(await browser.post("/things", headers={"X-CSRF-Token": foreign}), 403, "CSRF_TOKEN_INVALID")


async def test_another_sites_page_can_neither_change_nor_sign_in(
    browser: httpx.AsyncClient, database: Database, clock: SetClock
) -> None:
    await add_member(database, clock)
    csrf_token = (await sign_in(browser))["csrf_token"]
    there = {"Sec-Fetch-Site": "cross-site"}
    changed = await browser.post("/things", headers={**there, "X-CSRF-Token": csrf_token})
    refused(changed, 403, "CSRF_TOKEN_INVALID")
    body = {"email": EMAIL, "password": PASSWORD}
    refused(await browser.post("/api/v1/auth/sign-in", json=body, headers=there), 403, "CSRF_TOKEN_INVALID")
    here = {"Sec-Fetch-Site": "same-origin", "X-CSRF-Token": csrf_token}
    assert (await browser.post("/things", headers=here)).status_code == 200


async def test_signing_out_ends_the_cookie_for_good(
    browser: httpx.AsyncClient, database: Database, clock: SetClock
) -> None:
    await add_member(database, clock)
    csrf_token = (await sign_in(browser))["csrf_token"]
    kept = browser.cookies[COOKIE]
    answer = await browser.post("/api/v1/auth/sign-out", headers={"X-CSRF-Token": csrf_token})
    assert answer.status_code == 204
    assert COOKIE not in browser.cookies
    again = await browser.get("/things", headers={"Cookie": f"{COOKIE}={kept}"})
    refused(again, 401, "UNAUTHENTICATED")


async def test_an_authorization_header_decides_alone(
    browser: httpx.AsyncClient, database: Database, clock: SetClock
) -> None:
    await add_member(database, clock)
    await sign_in(browser)
    for header in ("Bearer wrong", "Bearer rk_wrong", "Bearer", "Bearer ", "Basic YTpi", ""):
        refused(await browser.get("/things", headers={"Authorization": header}), 401, "UNAUTHENTICATED")


async def test_nobody_gets_nothing(browser: httpx.AsyncClient) -> None:
    refused(await browser.get("/things"), 401, "UNAUTHENTICATED")
    refused(await browser.get("/api/v1/auth/me"), 401, "UNAUTHENTICATED")
    refused(await browser.get("/things", headers={"Cookie": f"{COOKIE}=wrong"}), 401, "UNAUTHENTICATED")


async def test_a_viewer_may_read_but_not_write_and_is_told_what_is_missing(
    browser: httpx.AsyncClient, database: Database, clock: SetClock
) -> None:
    await add_member(database, clock, role="viewer")
    headers = await bearer(browser)
    assert (await browser.get("/things", headers=headers)).status_code == 200
    answer = refused(await browser.post("/things", headers=headers), 403, "FORBIDDEN")
    assert answer["details"] == {"permission": "recordings.write", "role": "viewer"}
    assert "recordings.write" in answer["message"]


async def test_an_api_token_opens_its_own_organization(
    browser: httpx.AsyncClient, database: Database, clock: SetClock
) -> None:
    user_id, organization_id = await add_member(database, clock)
    async with database.directory() as session:
        _, secret = await create_token(session, user_id, organization_id, "phone")
    answer = await browser.post("/things", headers={"Authorization": f"Bearer {secret}"})
    assert answer.json() == {"organization_id": str(organization_id), "via": "token"}


async def test_a_live_bearer_is_out_when_its_membership_goes(
    browser: httpx.AsyncClient, database: Database, clock: SetClock
) -> None:
    await add_member(database, clock)
    headers = await bearer(browser)
    await sign_in(browser)
    async with database.directory() as session:
        await session.execute(delete(Membership))
    refused(await browser.get("/things", headers=headers), 401, "UNAUTHENTICATED")
    refused(await browser.get("/things"), 401, "UNAUTHENTICATED")
    body = {"email": EMAIL, "password": PASSWORD}
    refused(await browser.post("/api/v1/auth/login", json=body), 403, "FORBIDDEN")


async def test_a_disabled_user_is_out_and_cannot_come_back(
    browser: httpx.AsyncClient, database: Database, clock: SetClock
) -> None:
    await add_member(database, clock)
    headers = await bearer(browser)
    async with database.directory() as session:
        await session.execute(update(User).values(disabled_at=clock.now()))
    refused(await browser.get("/things", headers=headers), 401, "UNAUTHENTICATED")
    body = {"email": EMAIL, "password": PASSWORD}
    refused(await browser.post("/api/v1/auth/sign-in", json=body), 403, "FORBIDDEN")


async def test_a_bearer_ends_when_it_said(
    browser: httpx.AsyncClient, database: Database, clock: SetClock
) -> None:
    await add_member(database, clock)
    headers = await bearer(browser)
    clock.moment += timedelta(minutes=720)
    assert (await browser.get("/things", headers=headers)).status_code == 200, "within the leeway"
    clock.moment += timedelta(minutes=1)
    refused(await browser.get("/things", headers=headers), 401, "UNAUTHENTICATED")


async def test_an_unknown_user_and_a_wrong_password_get_the_same_answer(
    browser: httpx.AsyncClient, database: Database, clock: SetClock
) -> None:
    await add_member(database, clock)
    answers = [
        refused(await browser.post(f"/api/v1/auth/{route}", json=body), 401, "SIGN_IN_FAILED")
        for route in ("login", "sign-in")
        for body in (
            {"email": EMAIL, "password": "not the password"},
            {"email": "nobody@clinic.local", "password": PASSWORD},
        )
    ]
    assert all(answer == answers[0] for answer in answers)


async def test_too_many_failures_are_told_when_to_come_back(
    browser: httpx.AsyncClient, database: Database, clock: SetClock
) -> None:
    body = {"email": "nobody@clinic.local", "password": PASSWORD}
    for _ in range(10):
        refused(await browser.post("/api/v1/auth/login", json=body), 401, "SIGN_IN_FAILED")
    answer = await browser.post("/api/v1/auth/login", json=body)
    assert answer.json()["error_code"] == "RATE_LIMITED"
    assert answer.headers["retry-after"] == "900"


async def test_the_first_link_makes_an_administrator_who_is_signed_in(
    browser: httpx.AsyncClient, database: Database, clock: SetClock
) -> None:
    async with database.directory() as session:
        token = (await issue_first_administrator_link(session, clock)).token
    looked = await browser.post("/api/v1/auth/link", json={"token": token})
    assert looked.json() == {"purpose": "first_administrator", "email": None}
    person = {
        "organization_name": "Clinic",
        "name": "Anna",
        "email": "anna@example.org",
        "password": PASSWORD,
    }
    answer = await browser.post("/api/v1/auth/welcome", json={"token": token, **person})
    assert answer.status_code == 200, answer.text
    assert answer.json()["role"] == "admin"
    assert answer.json()["organization"]["name"] == "Clinic"
    assert (await browser.get("/api/v1/auth/me")).json() == answer.json()
    again = await browser.post("/api/v1/auth/welcome", json={"token": token, **person})
    refused(again, 409, "ALREADY_SET_UP")


async def test_a_set_password_link_signs_in_once_and_only_once(
    browser: httpx.AsyncClient, database: Database, clock: SetClock
) -> None:
    user_id, _ = await add_member(database, clock)
    async with database.directory() as session:
        token = (await issue_set_password_link(session, clock, user_id)).token
    looked = await browser.post("/api/v1/auth/link", json={"token": token})
    assert looked.json() == {"purpose": "set_password", "email": EMAIL}
    weak = await browser.post("/api/v1/auth/set-password", json={"token": token, "password": "short"})
    assert weak.json()["error_code"] == "PASSWORD_TOO_WEAK"
    body = {"token": token, "password": "another good one"}
    answer = await browser.post("/api/v1/auth/set-password", json=body)
    assert answer.json()["user"]["id"] == str(user_id)
    assert (await browser.get("/things")).status_code == 200
    again = await browser.post("/api/v1/auth/set-password", json=body)
    assert again.json()["error_code"] == "LINK_INVALID"


async def test_an_unknown_link_is_good_for_nothing(browser: httpx.AsyncClient) -> None:
    answer = await browser.post("/api/v1/auth/link", json={"token": "x" * 43})
    assert answer.json()["error_code"] == "LINK_INVALID"


async def test_log_lines_carry_who_and_where(
    browser: httpx.AsyncClient, database: Database, clock: SetClock
) -> None:
    user_id, organization_id = await add_member(database, clock)
    logged = await browser.get("/logged", headers=await bearer(browser))
    assert logged.json()["organization_id"] == str(organization_id)
    assert logged.json()["user_id"] == str(user_id)
