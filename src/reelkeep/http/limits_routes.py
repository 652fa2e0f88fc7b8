"""What an organization may upload, and what it uses."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request

from reelkeep.accounts.identify import Caller
from reelkeep.http import uploads_schemas as shapes
from reelkeep.http.identity import requires, runtime_of
from reelkeep.uploads.set_limits import Standing, set_limits, show_limits

router = APIRouter(prefix="/api/v1/organization", tags=["organization"])

Manager = Annotated[Caller, Depends(requires("limits.manage"))]
Reader = Annotated[Caller, Depends(requires("recordings.read"))]


@router.get("/limits", response_model=shapes.LimitsOut)
async def show(request: Request, caller: Manager) -> shapes.LimitsOut:
    """The organization's limits, and what is used of them."""
    return limits_out(await show_limits(runtime_of(request), caller.organization_id))


@router.put("/limits", response_model=shapes.LimitsOut)
async def replace(request: Request, caller: Manager, body: shapes.LimitsIn) -> shapes.LimitsOut:
    """Set the limits of one recording type, or of all, whole; only stricter than the operator has them."""
    runtime = runtime_of(request)
    values = body.model_dump(exclude={"recording_type"})
    await set_limits(
        runtime, caller.organization_id, body.recording_type, values, actor_user_id=caller.user_id
    )
    return limits_out(await show_limits(runtime, caller.organization_id))


@router.get("/usage", response_model=shapes.UsageOut)
async def usage(request: Request, caller: Reader) -> shapes.UsageOut:
    """What the organization keeps, and has reserved for uploads that are open."""
    return limits_out(await show_limits(runtime_of(request), caller.organization_id)).usage


def limits_out(standing: Standing) -> shapes.LimitsOut:
    """Limits and usage as they are told."""
    in_force, used = standing.in_force, standing.used
    return shapes.LimitsOut.model_validate(
        {
            "limits": [
                {name: getattr(row, name) for name in shapes.LimitsRowOut.model_fields}
                for row in standing.rows
            ],
            "in_force": {name: getattr(in_force, name) for name in shapes.LimitsInForceOut.model_fields},
            "usage": {
                "bytes_used": used.bytes_used,
                "bytes_reserved": used.bytes_reserved,
                "uploads_open": used.uploads_open,
                "quota_bytes": in_force.quota_bytes,
            },
        }
    )
