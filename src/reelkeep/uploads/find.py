"""Find an upload, and what its bytes have to be."""

from dataclasses import dataclass
from typing import Any, TypeVarTuple
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from reelkeep.errors import Conflict, ErrorCode, NotFound, ReelkeepError
from reelkeep.recordings.models import Recording
from reelkeep.runtime import Runtime
from reelkeep.uploads.limits import ALL_TYPES, Limits, merge_limits
from reelkeep.uploads.models import Upload, UploadLimits

Columns = TypeVarTuple("Columns")


@dataclass(frozen=True, slots=True)
class Promised:
    """An upload, and what its bytes have to be."""

    upload: Upload
    sha256_declared: bytes | None
    limits: Limits
    limits_of_settings: Limits


async def upload_of(session: AsyncSession, organization_id: UUID, recording_id: UUID) -> Upload:
    """The recording's newest upload, or `UPLOAD_NOT_FOUND`."""
    query = _newest(select(Upload), organization_id, recording_id)
    upload: Upload | None = await session.scalar(query)
    if upload is None:
        raise _no_upload(recording_id)
    return upload


async def load_promised(
    session: AsyncSession, runtime: Runtime, organization_id: UUID, recording_id: UUID
) -> Promised:
    """The recording's newest upload and all that its bytes have to be, in one statement."""
    for_all, for_type = aliased(UploadLimits), aliased(UploadLimits)
    query = (
        select(Upload, Recording.sha256_declared, for_all, for_type)
        .join(
            Recording,
            (Recording.organization_id == Upload.organization_id) & (Recording.id == Upload.recording_id),
        )
        .outerjoin(for_all, _limits_of(for_all, ALL_TYPES))
        .outerjoin(for_type, _limits_of(for_type, Recording.recording_type))
    )
    row = (await session.execute(_newest(query, organization_id, recording_id))).first()
    if row is None:
        raise _no_upload(recording_id)
    settings = runtime.settings
    return Promised(row[0], row[1], merge_limits(settings, row[2:]), merge_limits(settings, ()))


def _limits_of(limits: type[UploadLimits], recording_type: Any) -> ColumnElement[bool]:
    return and_(limits.organization_id == Upload.organization_id, limits.recording_type == recording_type)


def _newest(query: Select[*Columns], organization_id: UUID, recording_id: UUID) -> Select[*Columns]:
    return (
        query.where(Upload.organization_id == organization_id, Upload.recording_id == recording_id)
        .order_by(Upload.id.desc())
        .limit(1)
    )


def _no_upload(recording_id: UUID) -> NotFound:
    return NotFound(
        "No upload belongs to this recording, or it is not yours to see.",
        ErrorCode.UPLOAD_NOT_FOUND,
        recording_id=str(recording_id),
    )


async def refused_before(runtime: Runtime, upload: Upload) -> ReelkeepError:
    """What the upload was refused for, told again."""
    async with runtime.database.work(upload.organization_id) as session:
        recording = await session.get(Recording, (upload.organization_id, upload.recording_id))
    message = recording.failure_message if recording else None
    return Conflict(
        message or "This upload was refused; start a new one.",
        ErrorCode(upload.error_code or ErrorCode.RECORDING_STATE),
        recording_id=str(upload.recording_id),
    )
