"""Find an upload, and what its bytes have to be."""

from dataclasses import dataclass, field
from typing import TypeVarTuple
from uuid import UUID

from sqlalchemy import Select, Uuid, bindparam, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from reelkeep.blobs.key_templates import KeyTemplates
from reelkeep.blobs.models import OrganizationStorage
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
    #: How the organization's keys are laid out.
    templates: KeyTemplates = field(default_factory=KeyTemplates)
    #: Its bytes are kept unseen.
    client_encrypted: bool = False


def _newest(query: Select[*Columns]) -> Select[*Columns]:
    return (
        query.where(
            Upload.organization_id == bindparam("organization_id", type_=Uuid()),
            Upload.recording_id == bindparam("recording_id", type_=Uuid()),
        )
        .order_by(Upload.id.desc())
        .limit(1)
    )


# Built once: building them took a tenth of the time of every seal.
_NEWEST = _newest(select(Upload))
_FOR_ALL, _FOR_TYPE = aliased(UploadLimits), aliased(UploadLimits)
_PROMISED = _newest(
    select(
        Upload,
        Recording.sha256_declared,
        Recording.client_encrypted,
        OrganizationStorage.key_templates,
        OrganizationStorage.transcripts,
        _FOR_ALL,
        _FOR_TYPE,
    )
    .join(
        Recording,
        (Recording.organization_id == Upload.organization_id) & (Recording.id == Upload.recording_id),
    )
    .outerjoin(OrganizationStorage, OrganizationStorage.organization_id == Upload.organization_id)
    .outerjoin(
        _FOR_ALL,
        (_FOR_ALL.organization_id == Upload.organization_id) & (_FOR_ALL.recording_type == ALL_TYPES),
    )
    .outerjoin(
        _FOR_TYPE,
        (_FOR_TYPE.organization_id == Upload.organization_id)
        & (_FOR_TYPE.recording_type == Recording.recording_type),
    )
)


async def upload_of(session: AsyncSession, organization_id: UUID, recording_id: UUID) -> Upload:
    """The recording's newest upload, or `UPLOAD_NOT_FOUND`."""
    upload: Upload | None = await session.scalar(_NEWEST, _ids(organization_id, recording_id))
    if upload is None:
        raise _no_upload(recording_id)
    return upload


async def load_promised(
    session: AsyncSession, runtime: Runtime, organization_id: UUID, recording_id: UUID
) -> Promised:
    """The recording's newest upload and all that its bytes have to be, in one statement."""
    row = (await session.execute(_PROMISED, _ids(organization_id, recording_id))).first()
    if row is None:
        raise _no_upload(recording_id)
    settings = runtime.settings
    upload, sha256_declared, client_encrypted, own, transcripts, *limits = row
    return Promised(
        upload,
        sha256_declared,
        merge_limits(settings, limits),
        merge_limits(settings, ()),
        KeyTemplates(own or {}, transcripts),
        client_encrypted,
    )


def _ids(organization_id: UUID, recording_id: UUID) -> dict[str, UUID]:
    return {"organization_id": organization_id, "recording_id": recording_id}


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
