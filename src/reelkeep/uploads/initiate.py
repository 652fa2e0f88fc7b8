"""Give a ticket: a recording in `uploading`, an upload, and what the client needs to send the bytes."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from reelkeep.blobs.keys import incoming_key
from reelkeep.clock import new_id
from reelkeep.recordings.create import NewRecording, create_recording
from reelkeep.recordings.models import Recording
from reelkeep.runtime import Runtime
from reelkeep.stores.protocol import Ticket, TicketLimits
from reelkeep.uploads.limits import check_size, check_type
from reelkeep.uploads.models import Upload, UploadMethod

# An upload is looked at for the first time this long after its ticket was given.
FIRST_SWEEP = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class Given:
    """A ticket and what it belongs to."""

    recording_id: UUID
    upload_id: UUID
    ticket: Ticket
    incoming_key: str
    bucket: str
    expires_in_seconds: int
    size_bytes_max: int


async def initiate_upload(
    runtime: Runtime, organization_id: UUID, actor_user_id: UUID, new: NewRecording, method: UploadMethod
) -> Given:
    """Give a ticket for one new recording in the store that takes new bytes.

    Raises `UNSUPPORTED_TYPE` and `UPLOAD_TOO_LARGE` before anything is written.
    """
    settings = runtime.settings
    check_type(settings, new.content_type)
    check_size(new.size_bytes, settings.upload_size_bytes_max)
    store_name = runtime.stores.primary_name
    async with runtime.database.work(organization_id) as session:
        recording = create_recording(session, organization_id, actor_user_id, new)
        await session.flush()
        upload = open_upload(session, runtime, recording, new, method)
    return Given(
        recording_id=recording.id,
        upload_id=upload.id,
        ticket=_ticket(runtime, upload, new.sha256),
        incoming_key=upload.incoming_key,
        bucket=runtime.stores.get(store_name).bucket,
        expires_in_seconds=settings.upload_expires_in_seconds,
        size_bytes_max=upload.size_bytes_max,
    )


def open_upload(
    session: AsyncSession, runtime: Runtime, recording: Recording, new: NewRecording, method: UploadMethod
) -> Upload:
    """Add an upload to the current unit of work."""
    now = runtime.clock.now()
    organization_id, upload_id = recording.organization_id, new_id()
    upload = Upload(
        organization_id=organization_id,
        id=upload_id,
        recording_id=recording.id,
        method=method,
        store=runtime.stores.primary_name,
        incoming_key=incoming_key(organization_id, upload_id),
        content_type=new.content_type,
        size_bytes_max=runtime.settings.upload_size_bytes_max,
        size_bytes_declared=new.size_bytes,
        expires_at=now + timedelta(seconds=runtime.settings.upload_expires_in_seconds),
        sweep_after=now + FIRST_SWEEP,
    )
    session.add(upload)
    return upload


def _ticket(runtime: Runtime, upload: Upload, sha256: str | None) -> Ticket:
    limits = TicketLimits(
        key=upload.incoming_key,
        content_type=upload.content_type,
        expires_in_seconds=runtime.settings.upload_expires_in_seconds,
        size_bytes_max=upload.size_bytes_declared or upload.size_bytes_max,
        size_bytes_min=upload.size_bytes_declared or 1,
        sha256=sha256,
    )
    store = runtime.stores.signing(upload.store)
    return store.ticket_put(limits) if upload.method == UploadMethod.PUT else store.ticket_post(limits)
