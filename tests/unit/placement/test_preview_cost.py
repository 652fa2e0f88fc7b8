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


def test_what_leaves_a_class_early_pays_for_the_rest_of_its_days() -> None:
    prices = {
        "aws": PriceTable.model_validate(
            {"currency": "USD", "storage": {"": 0.03, "COLD": 0.003}, "minimum_days": {"COLD": 90}}
        )
    }
    kept = {"early": 30, "late": 90}
    once = {}
    for name, days in kept.items():
        for wanted in ((), (Place("aws", ""),)):
            found = Preview()
            have = [Have("aws", CopyState.PRESENT, storage_class="COLD")]
            found.look("original", 100 * GB, wanted, have, lambda _, days=days: days)
            once[name, bool(wanted)] = cost_of_moves(moves_of(found), prices).once
    sixty_of_thirty_days = Decimal(100) * Decimal("0.003") * 60 / 30
    assert once["early", False] == once["early", True] == sixty_of_thirty_days
    assert once["late", False] == once["late", True] == 0
