"""Ask for the media of a recording that lies in an archive."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field

from reelkeep.accounts.identify import Caller
from reelkeep.http import schemas
from reelkeep.http.identity import requires, runtime_of
from reelkeep.http.recordings_routes import detail
from reelkeep.placement.restore_media import DAYS, DAYS_MAX, Tier, restore_media

router = APIRouter(prefix="/api/v1/recordings", tags=["recordings"])

Writer = Annotated[Caller, Depends(requires("recordings.write"))]


class RestoreMediaIn(BaseModel):
    """For how long, and how soon."""

    days: int = Field(default=DAYS, ge=1, le=DAYS_MAX, description="Days for which it can be read.")
    tier: Tier = Field(default=Tier.STANDARD, description="How soon; what that costs is the service's.")


@router.post("/{recording_id}/restore-media", response_model=schemas.RecordingDetailOut)
async def ask(
    request: Request, caller: Writer, recording_id: UUID, body: RestoreMediaIn | None = None
) -> schemas.RecordingDetailOut:
    """Ask for what of the recording lies in an archive class alone; `media_state` tells how far it is.

    Takes hours. Asked again meanwhile, or where nothing is archived, it changes nothing.
    """
    runtime, wanted = runtime_of(request), body or RestoreMediaIn()
    await restore_media(
        runtime,
        caller.organization_id,
        recording_id,
        days=wanted.days,
        tier=wanted.tier,
        actor_user_id=caller.user_id,
    )
    return await detail(runtime, caller.organization_id, recording_id)
