"""Holds: forbid removing a recording, and allow it again."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request

from reelkeep.accounts.identify import Caller
from reelkeep.http import schemas
from reelkeep.http.identity import requires, runtime_of
from reelkeep.http.recordings_routes import detail
from reelkeep.recordings.holds import place_hold, release_holds

router = APIRouter(prefix="/api/v1/recordings", tags=["recordings"])

Holder = Annotated[Caller, Depends(requires("recordings.hold"))]


@router.post("/{recording_id}/hold", response_model=schemas.RecordingDetailOut)
async def place(
    request: Request, caller: Holder, recording_id: UUID, body: schemas.HoldIn
) -> schemas.RecordingDetailOut:
    """Hold the recording: no rule and nobody removes anything of it for good until that is released."""
    runtime = runtime_of(request)
    async with runtime.database.work(caller.organization_id) as session:
        await place_hold(
            session,
            caller.organization_id,
            recording_id,
            body.reason,
            actor_user_id=caller.user_id,
            now=runtime.clock.now(),
        )
    return await detail(runtime, caller.organization_id, recording_id)


@router.delete("/{recording_id}/hold", response_model=schemas.RecordingDetailOut)
async def release(
    request: Request,
    caller: Holder,
    recording_id: UUID,
    hold_id: Annotated[UUID | None, Query(description="Only this one; else all that it has.")] = None,
) -> schemas.RecordingDetailOut:
    """Release the recording's holds; what a rule says of it counts again."""
    runtime = runtime_of(request)
    async with runtime.database.work(caller.organization_id) as session:
        await release_holds(
            session,
            caller.organization_id,
            recording_id,
            actor_user_id=caller.user_id,
            now=runtime.clock.now(),
            hold_id=hold_id,
        )
    return await detail(runtime, caller.organization_id, recording_id)
