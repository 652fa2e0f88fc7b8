"""The catalogue of errors."""

import inspect
import pickle

import pytest

from reelkeep import errors
from reelkeep.errors import ErrorCode, ReelkeepError, StoreError, StoreFull

KINDS = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, ReelkeepError)]


def test_a_code_is_its_own_name() -> None:
    assert {code.name for code in ErrorCode} == {code.value for code in ErrorCode}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_a_code_of_the_catalogue_and_a_sentence(kind: type[ReelkeepError]) -> None:
    assert kind.default_code in ErrorCode
    assert kind.__doc__


@pytest.mark.parametrize("kind", KINDS)
def test_the_tree_in_the_module_names_every_kind(kind: type[ReelkeepError]) -> None:
    assert f"{kind.__name__} " in (errors.__doc__ or "")


def test_an_error_carries_its_sentence_its_code_and_its_facts() -> None:
    error = StoreFull("The disk is full.", retry_after_seconds=30, store="local", free_bytes=0)
    assert str(error) == error.message == "The disk is full."
    assert error.code == ErrorCode.STORE_FULL
    assert (error.retry_after_seconds, error.details) == (30, {"store": "local", "free_bytes": 0})
    assert isinstance(error, StoreError)


def test_a_code_of_its_own_beats_the_code_of_the_kind() -> None:
    assert StoreError("Gone.", ErrorCode.STORE_UNKNOWN).code == ErrorCode.STORE_UNKNOWN


def test_an_error_survives_the_way_between_processes() -> None:
    sent = StoreFull("The disk is full.", retry_after_seconds=30, store="local")
    received = pickle.loads(pickle.dumps(sent))
    assert (type(received), received.code, received.details) == (StoreFull, sent.code, sent.details)
    assert received.retry_after_seconds == 30
