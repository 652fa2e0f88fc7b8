import asyncio
import threading

import pytest
from argon2 import PasswordHasher

from reelkeep.accounts.passwords import (
    HashingThreads,
    hash_password,
    needs_rehash,
    refuse_weak_password,
    verify_password,
)
from reelkeep.errors import ErrorCode, Invalid, ReelkeepError
from reelkeep.transactions import IoInsideUnitOfWork, unit_of_work_open

GOOD = "seven tall cedars"


async def test_a_password_matches_its_own_hash_and_no_other() -> None:
    kept = await hash_password(GOOD)
    assert kept.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert await verify_password(kept, GOOD)
    assert not await verify_password(kept, GOOD + " ")
    assert not await verify_password(kept, "")


async def test_the_same_letters_in_another_unicode_spelling_match() -> None:
    kept = await hash_password("caf\u00e9 au lait tous les jours")
    assert await verify_password(kept, "cafe\u0301 au lait tous les jours")


async def test_without_a_hash_no_password_matches() -> None:
    assert not await verify_password(None, GOOD)
    assert not await verify_password(None, "")


def test_a_hash_with_lower_parameters_asks_to_be_made_again() -> None:
    weaker = PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1).hash(GOOD)
    assert needs_rehash(weaker)


async def test_a_hash_of_today_is_kept() -> None:
    assert not needs_rehash(await hash_password(GOOD))


@pytest.mark.parametrize(
    "password",
    [
        "",
        "nine char",
        "Password123",
        "QWERTYUIOP",
        "aaaaaaaaaaaaaaaa",
        "121212121212",
        "anna.lee@example.org",
        "ANNA.LEE@example.org",
        "x" * 1025,
    ],
)
def test_weak_passwords_are_refused(password: str) -> None:
    with pytest.raises(Invalid) as refused:
        refuse_weak_password(password, "anna.lee@example.org")
    assert refused.value.code == ErrorCode.PASSWORD_TOO_WEAK
    assert not password or password not in refused.value.message


def test_the_part_before_the_at_sign_is_no_password_either() -> None:
    with pytest.raises(Invalid, match="e-mail"):
        refuse_weak_password("annabelle.lee", "annabelle.lee@example.org")


@pytest.mark.parametrize("password", [GOOD, "πέντε ψηλά δέντρα", "ten chars!"])
def test_other_passwords_are_taken(password: str) -> None:
    refuse_weak_password(password, "anna@example.org")


async def test_more_hashing_than_the_queue_holds_is_refused_with_a_time_to_wait() -> None:
    go_on = threading.Event()
    threads = HashingThreads(at_once=1, waiting_max=1)
    under_way = [asyncio.ensure_future(threads.run(go_on.wait)) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(ReelkeepError) as refused:
        await threads.run(go_on.wait)
    assert refused.value.code == ErrorCode.RATE_LIMITED
    assert refused.value.retry_after_seconds
    go_on.set()
    assert await asyncio.gather(*under_way) == [True, True]
    assert await threads.run(go_on.wait)


async def test_a_caller_who_goes_away_gives_the_place_in_the_queue_back() -> None:
    go_on = threading.Event()
    threads = HashingThreads(at_once=1, waiting_max=1)
    running = asyncio.ensure_future(threads.run(go_on.wait))
    gone = asyncio.ensure_future(threads.run(go_on.wait))
    await asyncio.sleep(0)
    gone.cancel()
    await asyncio.wait([gone])
    next_one = asyncio.ensure_future(threads.run(go_on.wait))
    await asyncio.sleep(0)
    assert not next_one.done()
    go_on.set()
    assert await asyncio.gather(running, next_one) == [True, True]


async def test_hashing_inside_a_unit_of_work_is_a_programming_error() -> None:
    with unit_of_work_open(), pytest.raises(IoInsideUnitOfWork):
        await hash_password(GOOD)
