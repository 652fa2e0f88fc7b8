"""How a body is cut into parts: several are in memory at once, and a service takes only so many."""

import pytest

from reelkeep.stores.protocol import PART_BYTES_MIN
from reelkeep.stores.s3_put import part_bytes_of

PARTS_A_SERVICE_TAKES = 10_000


@pytest.mark.parametrize("size_bytes", [0, 1, PART_BYTES_MIN, 200_000_000, 52_428_800_000, 5 * 1024**4])
def test_parts_are_no_longer_than_a_service_with_ten_thousand_of_them_needs(size_bytes: int) -> None:
    part_bytes = part_bytes_of(size_bytes)
    assert size_bytes <= part_bytes * PARTS_A_SERVICE_TAKES
    assert part_bytes == PART_BYTES_MIN or size_bytes > part_bytes * 9_000


def test_a_body_of_unknown_length_may_be_a_hundred_gigabytes() -> None:
    assert part_bytes_of(None) * PARTS_A_SERVICE_TAKES > 100_000_000_000
