"""Two credentials that overlap while keys are rotated: which signs, and when the first is tried again."""

import pytest

from reelkeep.errors import StoreRefused, StoreUnavailable
from reelkeep.stores.credentials import SURE_SECONDS, TRIED_AGAIN_SECONDS, Overlapping
from reelkeep.stores.signer import Credentials

NEW, OLD = Credentials("new", "a"), Credentials("old", "b")


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def both(clock: Clock) -> Overlapping:
    return Overlapping(lambda: NEW, lambda: OLD, now=clock)


def order(overlapping: Overlapping) -> list[str]:
    return [find().access_key for _, find in overlapping.in_order()]


def test_the_first_signs_until_it_is_refused() -> None:
    overlapping = both(Clock())
    assert (overlapping().access_key, order(overlapping)) == ("new", ["new", "old"])
    overlapping.took(1)
    assert (overlapping().access_key, order(overlapping)) == ("old", ["old", "new"])


def test_a_request_tries_the_first_again_after_a_while_and_urls_wait_for_it() -> None:
    clock = Clock()
    overlapping = both(clock)
    overlapping.took(1)
    clock.now += TRIED_AGAIN_SECONDS
    assert (overlapping().access_key, order(overlapping)) == ("old", ["new", "old"])
    overlapping.took(1)
    assert order(overlapping) == ["old", "new"]
    clock.now += TRIED_AGAIN_SECONDS
    overlapping.took(0)
    assert overlapping().access_key == "new"


def test_one_pair_alone_is_always_sure() -> None:
    alone = Overlapping(lambda: NEW)
    assert alone.sure
    assert not alone.several


def test_what_was_taken_is_believed_for_a_moment() -> None:
    clock = Clock()
    overlapping = both(clock)
    assert not overlapping.sure
    overlapping.took(0)
    assert overlapping.sure
    clock.now += SURE_SECONDS
    assert not overlapping.sure


def test_a_refusal_of_credentials_may_be_tried_again_where_there_are_others() -> None:
    refused = StoreRefused("no", status=403, s3_code="InvalidAccessKeyId")
    overlapping = both(Clock())
    overlapping.took(0)
    with pytest.raises(StoreUnavailable), overlapping.doubted():
        raise refused
    assert not overlapping.sure
    with pytest.raises(StoreRefused), Overlapping(lambda: NEW).doubted():
        raise refused
    with pytest.raises(StoreRefused), overlapping.doubted():
        raise StoreRefused("no", status=403, s3_code="AccessDenied")
