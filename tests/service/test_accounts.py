"""Accounts on the real database: set-up, one-time links, passwords, tokens, sign-ins."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from time import perf_counter
from uuid import UUID

import pytest
from argon2 import PasswordHasher
from sqlalchemy import delete, func, select, update

from reelkeep.accounts.access_tokens import create_access_token
from reelkeep.accounts.attempts import SignInAttempts
from reelkeep.accounts.identify import (
    Caller,
    identify_by_access_token,
    identify_by_api_token,
    identify_by_cookie,
)
from reelkeep.accounts.links import look_at_link, use_link
from reelkeep.accounts.members import (
    add_user,
    create_token,
    issue_set_password_link,
    revoke_token,
    set_password,
    set_password_of,
)
from reelkeep.accounts.models import ApiToken, LinkPurpose, Membership, Organization, SignIn, User
from reelkeep.accounts.permissions import Permission
from reelkeep.accounts.queries import find_standing, find_user_by_email, list_members
from reelkeep.accounts.setup import (
    create_first_administrator,
    default_organization,
    issue_first_administrator_link,
    needs_first_administrator,
)
from reelkeep.accounts.sign_in import check_password, end_sign_in, start_sign_in
from reelkeep.clock import new_id
from reelkeep.db.database import Database
from reelkeep.errors import Conflict, ErrorCode, Forbidden, Invalid, NotFound, ReelkeepError, Unauthenticated

KEY = bytes(range(32))
EMAIL, PASSWORD = "anna@clinic.local", "seven tall cedars"
HERE = "10.0.0.1"


@dataclass
class SetClock:
    """A clock that stands still until a test moves it."""

    moment: datetime = datetime(2030, 5, 1, 12, 0, tzinfo=UTC)

    def now(self) -> datetime:
        return self.moment

    def pass_time(self, **units: float) -> None:
        self.moment += timedelta(**units)


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@dataclass(frozen=True)
class Anna:
    user_id: UUID
    organization_id: UUID


@pytest.fixture
async def anna(database: Database, clock: SetClock) -> Anna:
    """A member with a password."""
    async with database.directory() as session:
        organization = await default_organization(session)
        user = await add_user(session, EMAIL, "member", organization.id, "Anna Lee")
    await set_password_of(database, clock, user.id, PASSWORD)
    return Anna(user.id, organization.id)


async def first_link(database: Database, clock: SetClock) -> str:
    async with database.directory() as session:
        return (await issue_first_administrator_link(session, clock)).token


async def become_first(
    database: Database, clock: SetClock, token: str, email: str = EMAIL, password: str = PASSWORD
) -> UUID:
    made = await create_first_administrator(
        database, clock, token, organization_name="Clinic", name="Anna", email=email, password=password
    )
    return made.user_id


async def count_rows(database: Database, table: type) -> int:
    async with database.directory() as session:
        return await session.scalar(select(func.count()).select_from(table)) or 0


# The first administrator


async def test_the_first_administrator_can_sign_in_and_set_up_is_over(
    database: Database, clock: SetClock
) -> None:
    user_id = await become_first(database, clock, await first_link(database, clock))
    async with database.directory() as session:
        assert not await needs_first_administrator(session)
        [organization] = await session.scalars(select(Organization))
        standing = await find_standing(session, user_id, organization.id)
    assert standing is not None
    assert (standing.role, standing.organization_name, standing.email) == ("admin", "Clinic", EMAIL)
    attempts = SignInAttempts()
    found = await check_password(database, clock, attempts, email=EMAIL, password=PASSWORD, address=HERE)
    assert found == user_id


async def test_of_two_first_administrators_at_once_exactly_one_wins(
    database: Database, clock: SetClock
) -> None:
    token = await first_link(database, clock)
    tries = [become_first(database, clock, token, f"{n}@clinic.local") for n in range(4)]
    results = await asyncio.gather(*tries, return_exceptions=True)
    losers = [result for result in results if isinstance(result, BaseException)]
    assert len(losers) == 3
    assert all(isinstance(e, ReelkeepError) and e.code == ErrorCode.ALREADY_SET_UP for e in losers), losers
    assert await count_rows(database, User) == 1
    assert await count_rows(database, Organization) == 1
    assert await count_rows(database, Membership) == 1


async def test_after_set_up_a_used_link_and_a_new_one_are_both_refused(
    database: Database, clock: SetClock
) -> None:
    token = await first_link(database, clock)
    await become_first(database, clock, token)
    with pytest.raises(Conflict) as again:
        await become_first(database, clock, token, "mallory@clinic.local")
    assert again.value.code == ErrorCode.ALREADY_SET_UP
    with pytest.raises(Conflict) as another:
        await first_link(database, clock)
    assert another.value.code == ErrorCode.ALREADY_SET_UP


async def test_the_first_administrator_adopts_what_was_added_before(
    database: Database, clock: SetClock
) -> None:
    async with database.directory() as session:
        made = await default_organization(session)
    token = await first_link(database, clock)
    result = await create_first_administrator(
        database, clock, token, organization_name="Clinic", name=None, email=EMAIL, password=PASSWORD
    )
    assert result.organization_id == made.id
    async with database.directory() as session:
        assert (await default_organization(session)).name == "Clinic"


async def test_somebody_added_without_a_password_can_become_the_first_administrator(
    database: Database, clock: SetClock
) -> None:
    async with database.directory() as session:
        organization = await default_organization(session)
        added = await add_user(session, "Anna@clinic.local", "member", organization.id, "Anna Lee")
    assert await become_first(database, clock, await first_link(database, clock)) == added.id
    async with database.directory() as session:
        standing = await find_standing(session, added.id, organization.id)
    assert standing is not None
    assert standing.role == "admin"


async def test_several_asking_for_the_default_organization_at_once_get_the_same(database: Database) -> None:
    async def ask() -> UUID:
        async with database.directory() as session:
            return (await default_organization(session)).id

    assert len(set(await asyncio.gather(*(ask() for _ in range(5))))) == 1


async def test_a_weak_password_leaves_the_first_link_usable(database: Database, clock: SetClock) -> None:
    token = await first_link(database, clock)
    with pytest.raises(Invalid) as refused:
        await become_first(database, clock, token, password="short")
    assert refused.value.code == ErrorCode.PASSWORD_TOO_WEAK
    await become_first(database, clock, token)


# One-time links


async def link_is_refused(database: Database, clock: SetClock, token: str) -> str:
    with pytest.raises(Invalid) as refused:
        async with database.directory() as session:
            await look_at_link(session, clock, token)
    assert refused.value.code == ErrorCode.LINK_INVALID
    return str(refused.value.details["reason"])


async def test_a_link_works_for_seven_days_and_not_a_second_longer(
    database: Database, clock: SetClock
) -> None:
    token = await first_link(database, clock)
    clock.pass_time(days=7, seconds=-1)
    async with database.directory() as session:
        assert (await look_at_link(session, clock, token)).purpose == "first_administrator"
    clock.pass_time(seconds=1)
    assert await link_is_refused(database, clock, token) == "expired"
    with pytest.raises(Invalid):
        await become_first(database, clock, token)
    assert await count_rows(database, User) == 0


async def test_a_link_that_ends_between_looking_and_using_is_not_used(
    database: Database, clock: SetClock
) -> None:
    token = await first_link(database, clock)
    async with database.directory() as session:
        await look_at_link(session, clock, token)
    clock.pass_time(days=7)
    with pytest.raises(Invalid) as refused:
        async with database.directory() as session:
            await use_link(session, clock, token, LinkPurpose.FIRST_ADMINISTRATOR)
    assert refused.value.details["reason"] == "expired"


async def test_a_newer_first_link_replaces_the_older(database: Database, clock: SetClock) -> None:
    older = await first_link(database, clock)
    newer = await first_link(database, clock)
    assert await link_is_refused(database, clock, older) == "unknown"
    await become_first(database, clock, newer)


async def test_a_set_password_link_works_once(database: Database, clock: SetClock, anna: Anna) -> None:
    async with database.directory() as session:
        issued = await issue_set_password_link(session, clock, anna.user_id)
        assert (await look_at_link(session, clock, issued.token)).email == EMAIL
    await set_password(database, clock, issued.token, "another good one")
    assert await link_is_refused(database, clock, issued.token) == "used"
    with pytest.raises(Invalid):
        await set_password(database, clock, issued.token, "a third good one")
    attempts = SignInAttempts()
    await check_password(database, clock, attempts, email=EMAIL, password="another good one", address=HERE)


async def test_a_link_used_twice_at_once_sets_one_password(
    database: Database, clock: SetClock, anna: Anna
) -> None:
    async with database.directory() as session:
        token = (await issue_set_password_link(session, clock, anna.user_id)).token
    tries = [set_password(database, clock, token, f"good password {n}") for n in range(3)]
    results = await asyncio.gather(*tries, return_exceptions=True)
    assert [result for result in results if not isinstance(result, BaseException)] == [anna.user_id]


async def test_a_set_password_link_makes_nobody_administrator(
    database: Database, clock: SetClock, anna: Anna
) -> None:
    async with database.directory() as session:
        token = (await issue_set_password_link(session, clock, anna.user_id)).token
    with pytest.raises(Invalid) as refused:
        await become_first(database, clock, token, "mallory@clinic.local")
    assert refused.value.code == ErrorCode.LINK_INVALID
    assert await count_rows(database, User) == 1


async def test_the_first_link_sets_nobodys_password(database: Database, clock: SetClock) -> None:
    token = await first_link(database, clock)
    with pytest.raises(Invalid) as refused:
        await set_password(database, clock, token, PASSWORD)
    assert refused.value.code == ErrorCode.LINK_INVALID


async def test_a_new_password_ends_sign_ins_bearer_tokens_and_open_links(
    database: Database, clock: SetClock, anna: Anna
) -> None:
    bearer = await bearer_of(database, clock, anna)
    async with database.directory() as session:
        started = await start_sign_in(session, clock, anna.user_id, anna.organization_id, timedelta(days=14))
        link = await issue_set_password_link(session, clock, anna.user_id)
    await set_password_of(database, clock, anna.user_id, "another good one")
    with pytest.raises(Unauthenticated):
        await identify_by_cookie(database, clock, started.secret)
    with pytest.raises(Unauthenticated, match="password has changed"):
        await identify_by_access_token(database, clock, KEY, bearer)
    assert await link_is_refused(database, clock, link.token) == "unknown"


# Passwords


async def sign_in_fails(database: Database, clock: SetClock, email: str, password: str) -> ReelkeepError:
    attempts = SignInAttempts()
    with pytest.raises(Unauthenticated) as refused:
        await check_password(database, clock, attempts, email=email, password=password, address=HERE)
    assert refused.value.code == ErrorCode.SIGN_IN_FAILED
    return refused.value


async def test_unknown_user_and_wrong_password_are_told_alike(
    database: Database, clock: SetClock, anna: Anna
) -> None:
    wrong = await sign_in_fails(database, clock, EMAIL, "not the password")
    unknown = await sign_in_fails(database, clock, "nobody@clinic.local", PASSWORD)
    odd = await sign_in_fails(database, clock, "\x00", PASSWORD)
    assert wrong.message == unknown.message == odd.message
    assert wrong.details == unknown.details == odd.details == {}


async def test_an_unknown_user_costs_as_much_work_as_a_wrong_password(
    database: Database, clock: SetClock, anna: Anna
) -> None:
    async def quickest(email: str) -> float:
        seconds = []
        for _ in range(4):
            began = perf_counter()
            await sign_in_fails(database, clock, email, "not the password")
            seconds.append(perf_counter() - began)
        return min(seconds)

    # Without the work an unknown user would be answered in a tenth of the time.
    assert await quickest("nobody@clinic.local") > 0.5 * await quickest(EMAIL)


async def test_a_user_without_a_password_cannot_sign_in(database: Database, clock: SetClock) -> None:
    async with database.directory() as session:
        organization = await default_organization(session)
        await add_user(session, EMAIL, "member", organization.id)
    await sign_in_fails(database, clock, EMAIL, PASSWORD)


async def test_the_email_may_be_written_in_any_case(database: Database, clock: SetClock, anna: Anna) -> None:
    found = await check_password(
        database, clock, SignInAttempts(), email=" ANNA@Clinic.local ", password=PASSWORD, address=HERE
    )
    assert found == anna.user_id


async def test_too_many_wrong_passwords_shut_even_the_right_one_out_for_a_while(
    database: Database, clock: SetClock, anna: Anna
) -> None:
    attempts = SignInAttempts(per_email_max=2)

    async def attempt(password: str) -> UUID:
        return await check_password(database, clock, attempts, email=EMAIL, password=password, address=HERE)

    for _ in range(2):
        with pytest.raises(Unauthenticated):
            await attempt("not the password")
    with pytest.raises(ReelkeepError) as refused:
        await attempt(PASSWORD)
    assert refused.value.code == ErrorCode.RATE_LIMITED
    assert refused.value.retry_after_seconds == 900
    clock.pass_time(minutes=15)
    assert await attempt(PASSWORD) == anna.user_id


async def test_guesses_sent_all_at_once_are_limited_too(
    database: Database, clock: SetClock, anna: Anna
) -> None:
    attempts = SignInAttempts(per_email_max=3)
    tries = [
        check_password(database, clock, attempts, email=EMAIL, password=f"guess {n}", address=HERE)
        for n in range(10)
    ]
    results = await asyncio.gather(*tries, return_exceptions=True)
    codes = [result.code for result in results if isinstance(result, ReelkeepError)]
    assert sorted(codes) == sorted([ErrorCode.SIGN_IN_FAILED] * 3 + [ErrorCode.RATE_LIMITED] * 7)


async def test_a_disabled_user_is_told_so_only_with_the_right_password(
    database: Database, clock: SetClock, anna: Anna
) -> None:
    await disable(database, clock, anna)
    await sign_in_fails(database, clock, EMAIL, "not the password")
    with pytest.raises(Forbidden, match="disabled"):
        await check_password(database, clock, SignInAttempts(), email=EMAIL, password=PASSWORD, address=HERE)


async def test_signing_in_renews_a_hash_that_was_made_with_lower_parameters(
    database: Database, clock: SetClock, anna: Anna
) -> None:
    weak = PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1).hash(PASSWORD)
    async with database.directory() as session:
        await session.execute(update(User).values(password_hash=weak))
    for _ in range(2):
        await check_password(database, clock, SignInAttempts(), email=EMAIL, password=PASSWORD, address=HERE)
    async with database.directory() as session:
        kept = await session.scalar(select(User.password_hash))
    assert kept is not None
    assert kept.startswith("$argon2id$v=19$m=65536,t=3,p=4$")


# Members


async def test_a_member_of_one_organization_can_join_another_but_not_the_same_twice(
    database: Database, anna: Anna
) -> None:
    async with database.directory() as session:
        other = Organization(name="School")
        session.add(other)
        await session.flush()
        joined = await add_user(session, EMAIL.upper(), "viewer", other.id)
    assert joined.id == anna.user_id
    with pytest.raises(Conflict) as taken:
        async with database.directory() as session:
            await add_user(session, "ANNA@clinic.local", "viewer", other.id)
    assert taken.value.code == ErrorCode.EMAIL_TAKEN
    async with database.directory() as session:
        [member] = await list_members(session, other.id)
    assert (member.email, member.role, member.name) == (EMAIL, "viewer", "Anna Lee")


async def test_the_same_new_person_added_twice_at_once_becomes_one_member(database: Database) -> None:
    async with database.directory() as session:
        organization = await default_organization(session)

    async def add() -> UUID:
        async with database.directory() as session:
            return (await add_user(session, EMAIL, "member", organization.id)).id

    results = await asyncio.gather(*(add() for _ in range(4)), return_exceptions=True)
    losers = [result for result in results if isinstance(result, BaseException)]
    assert [e.code for e in losers if isinstance(e, ReelkeepError)] == [ErrorCode.EMAIL_TAKEN] * 3
    assert await count_rows(database, User) == 1


@pytest.mark.parametrize(("email", "role"), [("anna", "member"), (EMAIL, "owner"), (EMAIL, "")])
async def test_a_wrong_address_or_role_adds_nobody(database: Database, email: str, role: str) -> None:
    with pytest.raises(Invalid):
        async with database.directory() as session:
            organization = await default_organization(session)
            await add_user(session, email, role, organization.id)
    assert await count_rows(database, User) == 0


# Who a caller is


async def bearer_of(database: Database, clock: SetClock, anna: Anna) -> str:
    async with database.directory() as session:
        user = await session.get_one(User, anna.user_id)
    assert user.password_hash is not None
    return create_access_token(
        KEY,
        user_id=anna.user_id,
        organization_id=anna.organization_id,
        password_hash=user.password_hash,
        now=clock.now(),
        lifetime=timedelta(hours=12),
    )


async def disable(database: Database, clock: SetClock, anna: Anna) -> None:
    async with database.directory() as session:
        await session.execute(update(User).where(User.id == anna.user_id).values(disabled_at=clock.now()))


async def remove(database: Database, anna: Anna) -> None:
    async with database.directory() as session:
        await session.execute(delete(Membership).where(Membership.user_id == anna.user_id))


async def token_of(
    database: Database, anna: Anna, expires_at: datetime | None = None
) -> tuple[ApiToken, str]:
    async with database.directory() as session:
        return await create_token(session, anna.user_id, anna.organization_id, "phone", expires_at)


@dataclass(frozen=True)
class Proofs:
    """The three ways in which Anna can prove who she is."""

    bearer: str
    token: str
    cookie: str

    async def identify(self, database: Database, clock: SetClock) -> list[Caller]:
        return [
            await identify_by_access_token(database, clock, KEY, self.bearer),
            await identify_by_api_token(database, clock, self.token),
            await identify_by_cookie(database, clock, self.cookie),
        ]

    async def refusals(self, database: Database, clock: SetClock) -> list[str]:
        reasons = []
        for way in (
            identify_by_access_token(database, clock, KEY, self.bearer),
            identify_by_api_token(database, clock, self.token),
            identify_by_cookie(database, clock, self.cookie),
        ):
            with pytest.raises(Unauthenticated) as refused:
                await way
            reasons.append(str(refused.value.details["reason"]))
        return reasons


@pytest.fixture
async def proofs(database: Database, clock: SetClock, anna: Anna) -> Proofs:
    _, secret = await token_of(database, anna)
    async with database.directory() as session:
        started = await start_sign_in(session, clock, anna.user_id, anna.organization_id, timedelta(days=14))
    return Proofs(await bearer_of(database, clock, anna), secret, started.secret)


async def test_each_proof_leads_to_the_same_person_and_role(
    database: Database, clock: SetClock, anna: Anna, proofs: Proofs
) -> None:
    callers = await proofs.identify(database, clock)
    assert [caller.via for caller in callers] == ["bearer", "token", "cookie"]
    assert {(caller.user_id, caller.organization_id, caller.role) for caller in callers} == {
        (anna.user_id, anna.organization_id, "member")
    }


async def test_a_disabled_user_is_out_at_once(
    database: Database, clock: SetClock, anna: Anna, proofs: Proofs
) -> None:
    await disable(database, clock, anna)
    assert await proofs.refusals(database, clock) == ["disabled"] * 3


async def test_a_removed_member_is_out_at_once(
    database: Database, clock: SetClock, anna: Anna, proofs: Proofs
) -> None:
    await remove(database, anna)
    assert await proofs.refusals(database, clock) == ["no_member"] * 3


async def test_a_changed_role_counts_at_once(
    database: Database, clock: SetClock, anna: Anna, proofs: Proofs
) -> None:
    async with database.directory() as session:
        await session.execute(update(Membership).values(role="viewer"))
    for caller in await proofs.identify(database, clock):
        with pytest.raises(Forbidden) as refused:
            caller.require(Permission.RECORDINGS_WRITE)
        assert refused.value.details == {"permission": "recordings.write", "role": "viewer"}


async def test_a_token_says_nothing_in_another_organization(
    database: Database, clock: SetClock, anna: Anna
) -> None:
    async with database.directory() as session:
        other = Organization(name="School")
        session.add(other)
        await session.flush()
        await add_user(session, EMAIL, "admin", other.id)
    token, secret = await token_of(database, anna)
    caller = await identify_by_api_token(database, clock, secret)
    assert (caller.organization_id, caller.role) == (anna.organization_id, "member")
    with pytest.raises(NotFound):
        async with database.directory() as session:
            await revoke_token(session, clock, token.id, other.id)
    forged = create_access_token(
        KEY,
        user_id=anna.user_id,
        organization_id=new_id(),
        password_hash="",
        now=clock.now(),
        lifetime=timedelta(hours=1),
    )
    with pytest.raises(Unauthenticated):
        await identify_by_access_token(database, clock, KEY, forged)


async def test_a_token_is_made_only_for_a_member(database: Database, anna: Anna) -> None:
    with pytest.raises(NotFound):
        async with database.directory() as session:
            await create_token(session, anna.user_id, new_id(), "phone")


async def test_a_token_and_a_cookie_are_kept_as_digests_only(
    database: Database, clock: SetClock, proofs: Proofs
) -> None:
    async with database.directory() as session:
        token_hash = await session.scalar(select(ApiToken.token_hash))
        secret_hash = await session.scalar(select(SignIn.secret_hash))
    assert token_hash is not None
    assert secret_hash is not None
    assert (len(token_hash), len(secret_hash)) == (32, 32)
    assert proofs.token.encode() not in token_hash


async def test_a_revoked_token_is_refused_at_once(database: Database, clock: SetClock, anna: Anna) -> None:
    token, secret = await token_of(database, anna)
    for _ in range(2):
        async with database.directory() as session:
            await revoke_token(session, clock, token.id, anna.organization_id)
    with pytest.raises(Unauthenticated, match="revoked"):
        await identify_by_api_token(database, clock, secret)


async def test_a_token_ends_when_it_was_said_to(database: Database, clock: SetClock, anna: Anna) -> None:
    _, secret = await token_of(database, anna, clock.now() + timedelta(days=1))
    clock.pass_time(days=1, seconds=-1)
    await identify_by_api_token(database, clock, secret)
    clock.pass_time(seconds=1)
    with pytest.raises(Unauthenticated, match="expired"):
        await identify_by_api_token(database, clock, secret)


async def test_a_tokens_last_use_is_written_at_most_once_a_minute(
    database: Database, clock: SetClock, anna: Anna
) -> None:
    token, secret = await token_of(database, anna)

    async def use() -> datetime | None:
        await identify_by_api_token(database, clock, secret)
        async with database.directory() as session:
            return await session.scalar(select(ApiToken.last_used_at).where(ApiToken.id == token.id))

    first = clock.now()
    assert await use() == first
    clock.pass_time(seconds=59)
    assert await use() == first
    clock.pass_time(seconds=1)
    assert await use() == clock.now()


async def test_a_sign_in_ends_by_itself_and_by_signing_out(
    database: Database, clock: SetClock, anna: Anna, proofs: Proofs
) -> None:
    async with database.directory() as session:
        second = await start_sign_in(session, clock, anna.user_id, anna.organization_id, timedelta(days=14))
        await end_sign_in(session, clock, second.id)
    with pytest.raises(Unauthenticated):
        await identify_by_cookie(database, clock, second.secret)
    await identify_by_cookie(database, clock, proofs.cookie)
    clock.pass_time(days=14)
    with pytest.raises(Unauthenticated):
        await identify_by_cookie(database, clock, proofs.cookie)


async def test_sign_ins_that_are_over_are_forgotten(
    database: Database, clock: SetClock, anna: Anna, proofs: Proofs
) -> None:
    clock.pass_time(days=20)
    async with database.directory() as session:
        await start_sign_in(session, clock, anna.user_id, anna.organization_id, timedelta(days=14))
    assert await count_rows(database, SignIn) == 1


async def test_nobody_is_found_by_an_address_that_cannot_be(database: Database) -> None:
    async with database.directory() as session:
        assert await find_user_by_email(session, "a\x00@b.org") is None
