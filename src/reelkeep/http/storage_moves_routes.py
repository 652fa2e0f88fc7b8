"""What leaving a store would mean for an organization; beginning it is the operator's, since it moves all."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, Field

from reelkeep.accounts.identify import Caller
from reelkeep.errors import ErrorCode, Invalid
from reelkeep.http.identity import requires, runtime_of
from reelkeep.http.storage_usage_schemas import Money
from reelkeep.placement.preview import Shelf, Sum
from reelkeep.placement.preview_move import MovePreview, preview_move

router = APIRouter(prefix="/api/v1/storage/moves", tags=["storage"])

Reader = Annotated[Caller, Depends(requires("storage.read"))]

#: A request looks at so many blobs, which takes seconds; the command line looks at all.
BLOBS_MAX = 200_000


class PlannedOut(BaseModel):
    """Copies in one class of one store."""

    store: str
    storage_class: str
    copies: int
    bytes: int


class MovePreviewOut(BaseModel):
    """What leaving a store would do with the organization's copies, together with what rules want besides."""

    source: str
    target: str | None
    make: list[PlannedOut]
    remove: list[PlannedOut] = Field(description="Each after its new copy is proved and links to it ended.")
    lost: int = Field(description="Blobs of which no store has a good copy; they cannot be moved.")
    all_looked_at: bool = Field(description="False: there are more blobs than a request looks at.")
    currency: str | None
    cost_once: Money | None = Field(description="By the price tables; null where there are none.")
    cost_per_month_more: Money | None = Field(description="Of storage, from then on; below zero: less.")
    stores_without_prices: list[str] = Field(description="They take part, and are not in the cost.")


@router.get("/preview", response_model=MovePreviewOut)
async def preview(
    request: Request,
    caller: Reader,
    source: Annotated[str, Query(description="The store to leave.")],
    target: Annotated[
        str | None, Query(description="What takes its place; none: where the rules want copies besides.")
    ] = None,
) -> MovePreviewOut:
    """A dry run: what a move would copy, remove and cost, of the organization's own. Nothing is moved."""
    runtime = runtime_of(request)
    for name in (source, target):
        if name is not None and name not in runtime.stores.by_name:
            raise Invalid(f"No store is called {name!r}.", ErrorCode.RELOCATION_INVALID, store=name)
    found = await preview_move(
        runtime, source, target, organization_id=caller.organization_id, blobs_max=BLOBS_MAX
    )
    return preview_out(found)


def preview_out(found: MovePreview) -> MovePreviewOut:
    """A dry run as it is told."""
    return MovePreviewOut(
        source=found.source,
        target=found.target,
        make=[_planned(place) for place in found.made],
        remove=[_planned(place) for place in found.removed],
        lost=found.found.lost,
        all_looked_at=found.found.all_looked_at,
        currency=found.currency,
        cost_once=found.cost_once,
        cost_per_month_more=found.cost_per_month,
        stores_without_prices=list(found.unpriced),
    )


def _planned(place: tuple[Shelf, Sum]) -> PlannedOut:
    (store, storage_class), found = place
    return PlannedOut(store=store, storage_class=storage_class, copies=found.copies, bytes=found.bytes)
