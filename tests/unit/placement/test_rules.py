"""Placement rules: what they mean, and what is said of wrong ones."""

from datetime import timedelta

import pytest

from reelkeep.errors import Invalid
from reelkeep.placement.rules import Kept, Known, Place, parse_rules

KNOWN = Known({"local": frozenset(), "s3-eu": frozenset({"STANDARD_IA", "GLACIER"}), "r2": frozenset()})
WRITTEN = """
# the practice's rules
original: s3-eu, r2; after 90 days: s3-eu GLACIER
renditions: s3-eu; after 30 days: none
*: local
keep recordings: 365 days
keep trash: 30 days
"""


def days(number: int) -> timedelta:
    return timedelta(days=number)


def test_the_step_of_a_blobs_age_and_kind_says_where_it_is_wanted() -> None:
    rules = parse_rules(WRITTEN, KNOWN, "local")
    assert rules.wanted("original", days(0)) == (Place("s3-eu"), Place("r2"))
    assert rules.wanted("original", days(89)) == (Place("s3-eu"), Place("r2"))
    assert rules.wanted("original", days(90)) == (Place("s3-eu", "GLACIER"),)
    assert rules.wanted("playback", days(29)) == (Place("s3-eu"),)
    assert rules.wanted("peaks", days(31)) == ()
    assert rules.wanted("transcript", days(5)) == (Place("local"),)
    assert rules.kept == {Kept.RECORDINGS: days(365), Kept.TRASH: days(30)}


def test_the_line_of_a_kind_goes_before_that_of_renditions() -> None:
    rules = parse_rules("renditions: local\npeaks: r2", KNOWN, "local")
    assert rules.wanted("peaks", days(0)) == (Place("r2"),)
    assert rules.wanted("playback", days(0)) == (Place("local"),)


def test_what_no_line_is_about_is_kept_in_the_primary_store() -> None:
    assert parse_rules("original: r2", KNOWN, "s3-eu").wanted("peaks", days(9)) == (Place("s3-eu"),)


def test_a_clock_that_was_set_back_makes_nothing_older_than_it_is() -> None:
    rules = parse_rules("original: local; after 1 day: r2", KNOWN, "local")
    assert rules.wanted("original", days(-3)) == (Place("local"),)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("original local", "colon"),
        ("originale: local", 'no kind "originale"'),
        ("original: s3-us", 'no store "s3-us"; the stores are local, r2, s3-eu'),
        ("original: s3-eu DEEP", "s3-eu has no storage class DEEP"),
        ("original: local GLACIER", "its classes are none"),
        ("original: none", "only renditions"),
        ("original: ", "a place is a store"),
        ("original: local, local", "named once"),
        ("original: local; r2", "after N days"),
        ("original: local; after 30 days: r2; after 30 days: local", "must grow"),
        ("original: local; after 99999999 days: r2", "after N days"),
        ("original: local\noriginal: r2", "has a line already"),
        ("keep everything: 5 days", "keep originals"),
        ("keep trash: 0 days", "how long"),
        ("keep trash: soon", "how long"),
        ("x" * 20_000, "characters"),
    ],
)
def test_a_wrong_line_is_refused_with_its_number_and_what_to_write(text: str, words: str) -> None:
    with pytest.raises(Invalid) as refused:
        parse_rules(text, KNOWN, "local")
    assert words in refused.value.message
    assert refused.value.code == "PLACEMENT_INVALID"
    if len(text) < 1_000:
        assert f"Line {len(text.splitlines())}" in refused.value.message
