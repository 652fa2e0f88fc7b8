"""What is noted of bytes that grow on S3."""

import json

from hypothesis import given
from hypothesis import strategies as st

from reelkeep.stores.protocol import COUNTED, PART_BYTES_MIN, PART_NUMBER_MAX
from reelkeep.stores.s3_notes import S3Notes, growing_key, part_bytes

TIB = 1024**4
GIB = 1024**3


def test_ten_thousand_parts_hold_the_largest_object_of_s3() -> None:
    sizes = [part_bytes(number) for number in range(1, PART_NUMBER_MAX + 1)]
    reached = 0
    for size in sizes:
        if reached >= 5 * TIB:
            break
        assert PART_BYTES_MIN <= size <= 5 * GIB
        reached += size
    assert reached >= 5 * TIB
    assert sizes == sorted(sizes)
    assert sum(sizes[:900]) == 900 * PART_BYTES_MIN


def test_notes_survive_the_row() -> None:
    notes = S3Notes("id", "upload", [(10, "a"), (10, "b")], [("key", 3)], 10, "digest")
    assert S3Notes.read(json.loads(json.dumps(notes.write()))) == notes
    assert S3Notes.read({}).size_bytes == 0
    assert S3Notes.read({}).growth_id != S3Notes.read({}).growth_id


@given(
    parts=st.lists(st.integers(1, 9), max_size=4),
    tails=st.lists(st.integers(1, 9), max_size=4),
    counted=st.integers(0, 80),
)
def test_what_does_not_count_is_cut_off(parts: list[int], tails: list[int], counted: int) -> None:
    noted = S3Notes("id", "upload", [(n, "e") for n in parts], [("t", n) for n in tails], 0, "digest").write()
    found = S3Notes.read({**noted, COUNTED: counted})
    size = sum(parts) + sum(tails)
    if counted >= sum(parts):
        assert found.size_bytes == min(size, counted)
    else:  # half a part cannot be had
        assert found.size_bytes == max(sum(parts[:n]) for n in range(len(parts)) if sum(parts[:n]) <= counted)
    assert (found.sha256 is None) == (counted < size)


def test_a_tail_tells_whose_it_is() -> None:
    key = S3Notes.read({}).new_tail_key("incoming/a", 17)
    assert growing_key(key) == ("incoming/a", 17)
    assert growing_key("incoming/a") is None
    assert growing_key("incoming/a.growing/other") is None
