from datetime import UTC, datetime, timedelta

import pytest

from reelkeep.accounts.attempts import WINDOW, SignInAttempts
from reelkeep.errors import ErrorCode, ReelkeepError

NOW = datetime(2030, 5, 1, 12, 0, tzinfo=UTC)
ANNA = "anna@example.org"


def begin(attempts: SignInAttempts, email: str, address: str, times: int = 1, now: datetime = NOW) -> None:
    for _ in range(times):
        attempts.begin(email, address, now)


def is_refused(attempts: SignInAttempts, email: str, address: str, now: datetime = NOW) -> bool:
    try:
        attempts.begin(email, address, now)
    except ReelkeepError as refused:
        assert refused.code == ErrorCode.RATE_LIMITED
        return True
    attempts.withdraw(email, address)
    return False


def test_too_many_failures_for_one_email_are_refused_from_everywhere_and_in_any_spelling() -> None:
    attempts = SignInAttempts(per_email_max=3)
    begin(attempts, ANNA, "10.0.0.1", times=3)
    assert is_refused(attempts, ANNA, "10.0.0.2")
    assert is_refused(attempts, " ANNA@example.ORG", "10.0.0.2")
    assert not is_refused(attempts, "ben@example.org", "10.0.0.1")


def test_too_many_failures_from_one_address_are_refused_for_everybody() -> None:
    attempts = SignInAttempts(per_address_max=3)
    for person in range(3):
        begin(attempts, f"{person}@example.org", "10.0.0.1")
    assert is_refused(attempts, ANNA, "10.0.0.1")
    assert not is_refused(attempts, ANNA, "10.0.0.2")


def test_one_ipv6_network_counts_as_one_address() -> None:
    attempts = SignInAttempts(per_address_max=1)
    begin(attempts, "ben@example.org", "2001:db8:0:1::1")
    assert is_refused(attempts, ANNA, "2001:db8:0:1:ffff::2")
    assert not is_refused(attempts, ANNA, "2001:db8:0:2::1")


@pytest.mark.parametrize("address", ["::1", "::ffff:10.0.0.1", "unknown", "", "\udc80"])
def test_any_address_can_be_counted(address: str) -> None:
    attempts = SignInAttempts(per_address_max=1)
    begin(attempts, "ben@example.org", address)
    assert is_refused(attempts, ANNA, address)


def test_the_time_to_wait_is_told_and_is_enough() -> None:
    attempts = SignInAttempts(per_email_max=1)
    begin(attempts, ANNA, "10.0.0.1")
    later = NOW + timedelta(minutes=5)
    with pytest.raises(ReelkeepError) as refused:
        attempts.begin(ANNA, "10.0.0.1", later)
    seconds = refused.value.retry_after_seconds
    assert seconds == (WINDOW - timedelta(minutes=5)).total_seconds()
    assert not is_refused(attempts, ANNA, "10.0.0.1", later + timedelta(seconds=seconds))


def test_being_refused_does_not_lengthen_the_wait() -> None:
    attempts = SignInAttempts(per_email_max=1)
    begin(attempts, ANNA, "10.0.0.1")
    for minute in range(15):
        assert is_refused(attempts, ANNA, "10.0.0.1", NOW + timedelta(minutes=minute))
    assert not is_refused(attempts, ANNA, "10.0.0.1", NOW + WINDOW)


def test_success_forgets_the_failures_of_the_email_but_not_those_of_the_address() -> None:
    attempts = SignInAttempts(per_email_max=3, per_address_max=3)
    begin(attempts, "ben@example.org", "10.0.0.1", times=2)
    begin(attempts, ANNA, "10.0.0.1")
    attempts.forgive(ANNA, "10.0.0.1")
    begin(attempts, "ben@example.org", "10.0.0.1")
    assert is_refused(attempts, ANNA, "10.0.0.1")


def test_what_is_remembered_has_a_limit_and_the_most_recent_stays() -> None:
    attempts = SignInAttempts(per_email_max=2, counts_max=100)
    for person in range(500):
        begin(attempts, f"{person}@example.org", f"10.1.{person // 250}.{person % 250}")
        if person == 480:
            begin(attempts, ANNA, "10.0.0.1", times=2)
    assert len(attempts) == 100
    assert is_refused(attempts, ANNA, "10.0.0.2")
