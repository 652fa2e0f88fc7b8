"""What an organization keeps in which store, and what that costs."""

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request

from reelkeep.accounts.identify import Caller
from reelkeep.blobs.copy_states import copy_states_of
from reelkeep.blobs.cost import currency_of
from reelkeep.blobs.store_usage import Holding
from reelkeep.http import storage_usage_schemas as shapes
from reelkeep.http.identity import requires, runtime_of
from reelkeep.placement.moves_told import moves_in_force
from reelkeep.uploads.show_storage import StorageStanding, show_storage

router = APIRouter(prefix="/api/v1/storage", tags=["storage"])

Reader = Annotated[Caller, Depends(requires("storage.read"))]


@router.get("/usage", response_model=shapes.StorageUsageOut)
async def usage(request: Request, caller: Reader) -> shapes.StorageUsageOut:
    """What the organization keeps in each store and class, what of its quota that is, and what it costs."""
    return usage_out(await show_storage(runtime_of(request), caller.organization_id))


@router.get("/copies", response_model=shapes.CopyStatesOut)
async def copies(request: Request, caller: Reader) -> shapes.CopyStatesOut:
    """How the organization's copies are: missing or damaged, on their way, and when they were verified."""
    runtime = runtime_of(request)
    found = await copy_states_of(runtime, caller.organization_id)
    moves = await moves_in_force(runtime)
    return shapes.CopyStatesOut.model_validate({**asdict(found), "moves": [asdict(move) for move in moves]})


def usage_out(standing: StorageStanding) -> shapes.StorageUsageOut:
    """An organization's usage as it is told."""
    return shapes.StorageUsageOut(
        **holding_facts(standing.holding),
        bytes_used=standing.used.bytes_used,
        bytes_reserved=standing.used.bytes_reserved,
        quota_bytes=standing.quota_bytes,
    )


def holding_facts(holding: Holding) -> dict[str, Any]:
    """What is told of any holding."""
    return {
        "stores": [shapes.StoredOut.model_validate(place, from_attributes=True) for place in holding.places],
        "bytes_stored": holding.bytes,
        "copies": holding.copies,
        "currency": currency_of(holding.prices),
        "cost_per_month": holding.cost_per_month,
        "stores_without_prices": holding.unpriced,
    }
