"""What a plan says that rules would cost: reading and leaving the store that bytes come from, too."""

from decimal import Decimal

from reelkeep.blobs.cost import cost_of_moves
from reelkeep.blobs.models import CopyState
from reelkeep.placement.plan import Have
from reelkeep.placement.preview import Preview, moves_of
from reelkeep.placement.rules import Place
from reelkeep.stores_prices import PriceTable

GB = 1_000_000_000
PRICES = {
    "aws": PriceTable.model_validate(
        {"currency": "USD", "storage": 0.02, "out": 0.09, "requests": {"read": 1000, "delete": 10}}
    ),
    "r2": PriceTable.model_validate({"currency": "USD", "storage": 0.015, "requests": {"write": 2000}}),
}


def test_a_move_costs_reading_leaving_writing_and_removing_once_and_the_difference_each_month() -> None:
    found = Preview()
    found.look("original", 100 * GB, (Place("r2"),), [Have("aws", CopyState.PRESENT)])
    cost = cost_of_moves(moves_of(found), PRICES)
    assert cost.once == Decimal(1) + Decimal(9) + Decimal(2) + Decimal("0.01")
    assert cost.per_month == Decimal("1.5") - Decimal(2)


def test_one_more_copy_is_carried_from_one_that_can_be_read() -> None:
    found = Preview()
    have = [Have("r2", CopyState.MISSING), Have("aws", CopyState.PRESENT)]
    found.look("original", GB, (Place("aws"), Place("r2")), have)
    assert list(found.carried) == [(("aws", ""), ("r2", ""))]
    assert cost_of_moves(moves_of(found), PRICES).per_month == Decimal("0.015")
