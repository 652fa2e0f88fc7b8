"""How the backups of the installation stand; making and restoring them is the command line's."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field

from reelkeep.accounts.identify import Caller
from reelkeep.backups.standing import look_at_backups, newest_rows
from reelkeep.http.identity import requires, runtime_of

router = APIRouter(prefix="/api/v1/backups", tags=["server"])

Reader = Annotated[Caller, Depends(requires("storage.read"))]


class BackupOut(BaseModel):
    """One backup."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    state: str = Field(description="`running`, `whole`, `failed`, or `removed` by the rule.")
    with_blobs: bool = Field(description="It has the bytes of recordings too.")
    started_at: datetime
    finished_at: datetime | None
    size_bytes: int | None
    blobs: int | None = Field(description="Blobs that must exist at that point.")
    blobs_missing: int | None = Field(description="Blobs that no store could give.")
    error_code: str | None
    error_message: str | None
    drilled_at: datetime | None = Field(description="When it was last restored and found good.")
    drill: dict[str, Any] | None


class BackupsOut(BaseModel):
    """How the backups stand."""

    is_scheduled: bool
    problem: str | None = Field(description="What somebody should know; null: all is well.")
    fix: str | None
    last_whole_at: datetime | None
    last_drilled_at: datetime | None
    #: The newest first.
    items: list[BackupOut]


@router.get("", response_model=BackupsOut)
async def show(request: Request, _caller: Reader) -> BackupsOut:
    """How the backups stand, and the newest of them."""
    runtime = runtime_of(request)
    standing = await look_at_backups(runtime)
    return BackupsOut(
        is_scheduled=standing.is_scheduled,
        problem=standing.problem,
        fix=standing.fix,
        last_whole_at=standing.last_whole.started_at if standing.last_whole else None,
        last_drilled_at=standing.last_drilled.drilled_at if standing.last_drilled else None,
        items=[BackupOut.model_validate(row) for row in await newest_rows(runtime)],
    )
