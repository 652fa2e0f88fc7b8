"""How much space is held where no size is declared."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelkeep.uploads.estimate import UNKNOWN_BYTES, estimate_bytes

LARGE = 10**15


@pytest.mark.parametrize(
    ("content_type", "bytes_a_second"),
    [
        ("audio/wav", 48_000 * 2 * 3),
        ("audio/flac", 48_000 * 2 * 2),
        ("audio/webm", 32_000),
        ("audio/mp4", 32_000),
        ("video/mp4", 1_000_000),
        ("application/octet-stream", 1_000_000),
    ],
)
def test_what_people_record_fits_in_what_is_held(content_type: str, bytes_a_second: int) -> None:
    assert estimate_bytes(content_type, 3600, LARGE) >= 3600 * bytes_a_second


@given(st.one_of(st.none(), st.floats(0, 1e9)), st.integers(1, LARGE))
def test_never_more_is_held_than_may_come_and_never_nothing(seconds: float | None, size_max: int) -> None:
    assert 0 < estimate_bytes("audio/wav", seconds, size_max) <= size_max


def test_without_any_word_a_stated_amount_is_held() -> None:
    assert estimate_bytes("audio/wav", None, LARGE) == estimate_bytes("video/mp4", 0, LARGE) == UNKNOWN_BYTES
