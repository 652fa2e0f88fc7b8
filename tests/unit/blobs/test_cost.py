"""What keeping, moving and reaching bytes costs, by price tables as operators write them."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from reelkeep.blobs.cost import (
    Move,
    Requests,
    cost_of,
    cost_of_moves,
    cost_of_requests,
    currency_of,
    unpriced,
)
from reelkeep.stores.traffic import ActionClass
from reelkeep.stores_prices import PriceTable

GB = 1_000_000_000


def table(**prices: Any) -> PriceTable:
    return PriceTable.model_validate({"currency": "EUR", **prices})


AMAZON = table(
    bytes_per_gb=2**30,
    storage={"STANDARD": 0.023, "GLACIER_IR": 0.004},
    requests={
        "write": {"": 0.005, "GLACIER_IR": 0.02},
        "list": 0.005,
        "read": {"": 0.0004, "GLACIER_IR": 0.01},
    },
    out=0.09,
    retrieval={"GLACIER_IR": 0.03},
    minimum_days={"GLACIER_IR": 90},
)
FLAT = table(storage=0.006, requests={"write": 0.0045})
PRICES = {"aws": AMAZON, "flat": FLAT}


def test_storage_is_by_class_in_the_services_own_gigabytes() -> None:
    assert cost_of({("aws", ""): 100 * 2**30}, PRICES) == Decimal("2.3")
    assert cost_of({("aws", "STANDARD"): 100 * 2**30}, PRICES) == Decimal("2.3")
    assert cost_of({("aws", "GLACIER_IR"): 100 * 2**30}, PRICES) == Decimal("0.4")
    assert cost_of({("flat", ""): 500 * GB, ("flat", "cold"): 500 * GB}, PRICES) == Decimal(6)


def test_a_price_is_what_was_written_not_its_binary_neighbour() -> None:
    assert table(storage=0.1).storage[""] == Decimal("0.1")
    assert table(storage="0.0245").storage[""] == Decimal("0.0245")


def test_a_store_without_prices_costs_nothing_and_is_named() -> None:
    assert cost_of({("local", ""): 10**15}, PRICES) == 0
    assert unpriced(["local", "aws", "local"], PRICES) == ["local"]
    assert currency_of(PRICES) == "EUR"
    assert currency_of({}) is None


def test_requests_are_by_the_thousand_and_bytes_out_by_the_gigabyte() -> None:
    asked = [
        Requests("aws", ActionClass.WRITE, 2_000_000),
        Requests("aws", ActionClass.READ, 10_000, bytes_out=10 * 2**30),
        Requests("flat", ActionClass.DELETE, 5000),
        Requests("elsewhere", ActionClass.WRITE, 5000, bytes_out=10**12),
    ]
    assert cost_of_requests(asked, PRICES) == Decimal("10") + Decimal("0.004") + Decimal("0.9")


def test_moving_out_of_a_service_pays_reading_leaving_and_writing_once_and_saves_each_month() -> None:
    cost = cost_of_moves([Move(("aws", ""), ("flat", ""), 1000, 1000 * 2**30)], PRICES)
    assert cost.once == Decimal("0.0004") + Decimal(90) + Decimal("0.0045")
    kept_at_flat = Decimal("0.006") * 1000 * 2**30 / GB
    assert cost.per_month == kept_at_flat - Decimal(23)
    assert cost.saves_per_month == Decimal(23) - kept_at_flat
    assert cost.pays_back_months == cost.once / cost.saves_per_month


def test_another_class_of_the_same_store_pays_no_transfer_and_the_write_of_that_class() -> None:
    cost = cost_of_moves([Move(("aws", ""), ("aws", "GLACIER_IR"), 1000, 100 * 2**30)], PRICES)
    assert cost.once == Decimal("0.0004") + Decimal("0.02")
    assert cost.saves_per_month == Decimal("2.3") - Decimal("0.4")


def test_leaving_a_cold_class_pays_retrieval_and_the_days_it_charges_at_least() -> None:
    early = Move(("aws", "GLACIER_IR"), None, 10, 100 * 2**30, days_kept=30)
    assert cost_of_moves([early], PRICES).once == Decimal("0.4") * 60 / 30
    late = Move(("aws", "GLACIER_IR"), ("flat", ""), 10, 100 * 2**30, days_kept=90)
    read, back, out = Decimal("0.0001"), Decimal(3), Decimal(9)
    assert cost_of_moves([late], PRICES).once == read + back + out + Decimal("0.000045")


def test_one_more_copy_costs_each_month_and_never_pays_back() -> None:
    cost = cost_of_moves([Move(("aws", ""), ("flat", ""), 1, GB, keeps_source=True)], PRICES)
    assert cost.per_month == Decimal("0.006")
    assert cost.pays_back_months is None


@given(st.lists(st.integers(0, 10**15), min_size=1, max_size=5))
def test_a_sum_of_parts_costs_the_sum_to_the_last_digit(sizes: list[int]) -> None:
    whole = cost_of({("flat", ""): sum(sizes)}, PRICES)
    assert whole == sum(cost_of({("flat", ""): size}, PRICES) for size in sizes)


@given(st.integers(0, 10**15), st.integers(0, 10**6))
def test_there_and_back_changes_nothing_of_a_month(size: int, copies: int) -> None:
    there = Move(("aws", ""), ("flat", ""), copies, size)
    back = Move(("flat", ""), ("aws", ""), copies, size)
    assert cost_of_moves([there, back], PRICES).per_month == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"currency": "euro"},
        {"storage": -1},
        {"storage": {"COLD": "NaN"}},
        {"minimum_days": -1},
        {"bytes_per_gb": 0},
        {"egress": 0.09},
        {"requests": {"put": 0.005}},
    ],
)
def test_a_table_that_is_not_understood_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        table(**wrong)
