"""What a plan says that rules would cost: reading and leaving the store that bytes come from, too."""

from decimal import Decimal
from itertools import product

import pytest

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


@pytest.mark.parametrize("kind", ["original", "playback"])
def test_blobs_that_are_alike_count_together_as_they_do_one_by_one(kind: str) -> None:
    places = [(), (Place("aws"),), (Place("aws", "COLD"),), (Place("r2"), Place("aws"))]
    states = [CopyState.PRESENT, CopyState.MISSING, CopyState.DELETING]
    copies = [[], *[[Have("aws", state)] for state in states]]
    copies += [[Have("aws", state, "COLD"), Have("third", CopyState.PRESENT)] for state in states]
    together, singly = Preview(), Preview()
    for wanted, have in product(places, copies):
        together.look(kind, 3 * GB, wanted, have, {"aws": 7}.get, blobs=3)
        for _ in range(3):
            singly.look(kind, GB, wanted, have, {"aws": 7}.get)
    assert together == singly
    assert (together.blobs, together.lost > 0, together.settled > 0) == (84, True, True)
