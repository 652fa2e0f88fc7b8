"""Time and ids."""

import time
from datetime import UTC
from uuid import RFC_4122

from reelkeep.clock import SystemClock, new_id


def test_the_clock_tells_utc_with_its_zone() -> None:
    now = SystemClock().now()
    assert now.tzinfo is UTC
    assert abs(now.timestamp() - time.time()) < 5


def test_an_id_is_a_uuid_of_version_7() -> None:
    made = new_id()
    assert (made.version, made.variant) == (7, RFC_4122)


def test_an_id_carries_the_millisecond_it_was_made_in() -> None:
    before = time.time_ns() // 1_000_000
    made = new_id()
    after = time.time_ns() // 1_000_000
    assert before <= made.int >> 80 <= after


def test_ids_of_later_milliseconds_sort_later() -> None:
    first = new_id()
    deadline = time.monotonic() + 5
    while (second := new_id()).int >> 80 == first.int >> 80:
        assert time.monotonic() < deadline
    assert str(first) < str(second)


def test_ids_made_together_are_different() -> None:
    assert len({new_id() for _ in range(10_000)}) == 10_000
