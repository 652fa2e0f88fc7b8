"""What leaving a store would move, remove and cost, before it begins; nothing is changed."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from uuid import UUID

from reelkeep.blobs.cost import CostOfMoves, cost_of_moves, currency_of, unpriced
from reelkeep.blobs.store_usage import prices_of
from reelkeep.placement.load import in_force
from reelkeep.placement.preview import Preview, Shelf, Sum, moves_of, preview
from reelkeep.placement.relocate import check_move
from reelkeep.runtime import Runtime


@dataclass(frozen=True, slots=True)
class MovePreview:
    """What would be done, by store and class."""

    source: str
    target: str | None
    found: Preview
    #: None where no store that takes part has prices.
    cost: CostOfMoves | None
    currency: str | None
    #: Stores that take part, and of which no cost is known.
    unpriced: Sequence[str]

    @property
    def made(self) -> list[tuple[Shelf, Sum]]:
        """Copies that would be made, by place."""
        return sorted(self.found.made.items())

    @property
    def removed(self) -> list[tuple[Shelf, Sum]]:
        """Copies that would be let go, by place."""
        return sorted(self.found.let_go.items())

    @property
    def cost_once(self) -> Decimal | None:
        """Of reading, carrying, writing and removing."""
        return None if self.cost is None else self.cost.once

    @property
    def cost_per_month(self) -> Decimal | None:
        """What storage costs more from then on; below zero: less."""
        return None if self.cost is None else self.cost.per_month


async def preview_move(
    runtime: Runtime,
    source: str,
    target: str | None,
    *,
    organization_id: UUID | None = None,
    blobs_max: int | None = None,
) -> MovePreview:
    """What `begin_relocation` would lead to; of one organization's blobs, or of all.

    Raises what beginning it would raise. With `blobs_max`, a walk over more blobs ends early and says so.
    """
    await check_move(runtime, source, target)
    known = await in_force(runtime, fresh=True)
    # As when it begins: a move the other way is given up for it.
    moves = {store: to for store, to in known.moves.items() if store != target} | {source: target}
    wanted = replace(known, moves=moves)
    found = await preview(runtime, wanted, organization_id=organization_id, blobs_max=blobs_max)
    prices = prices_of(runtime.stores)
    stores = {store for store, _ in (*found.made, *found.let_go)}
    cost = cost_of_moves(moves_of(found), prices) if stores & prices.keys() else None
    return MovePreview(source, target, found, cost, currency_of(prices), unpriced(stores, prices))
