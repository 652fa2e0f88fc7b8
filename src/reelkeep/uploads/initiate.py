"""Give a ticket: a recording in `uploading`, an upload, and what the client needs to send the bytes."""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from reelkeep.blobs.keys import incoming_key
from reelkeep.blobs.usage import reserve_usage
from reelkeep.clock import new_id
from reelkeep.errors import Conflict, ErrorCode
from reelkeep.placement.choose import choose_store
from reelkeep.recordings.create import NewRecording, create_recording
from reelkeep.recordings.models import Recording
from reelkeep.recordings.steps import FETCH, enqueue_for_recording
from reelkeep.runtime import Runtime
from reelkeep.settings import POST_BYTES_MAX, Settings
from reelkeep.stores.protocol import SignsUrls, TakesParts, Ticket, TicketLimits
from reelkeep.uploads.estimate import estimate_bytes
from reelkeep.uploads.limits import ONE_REQUEST, Limits, check_declared, load_limits, plain_type
from reelkeep.uploads.models import DIGEST_WANTED, GROWING, Upload, UploadMethod
from reelkeep.uploads.parts import part_size_of
from reelkeep.uploads.through_us import ticket_through_us
from reelkeep.uploads.unkept import not_kept, takes_new

# An upload is looked at for the first time this long after its ticket was given.
FIRST_SWEEP = timedelta(minutes=2)
#: Those that a client may go on with after a long break.
SEVERAL_GOES = (*GROWING, UploadMethod.MULTIPART, UploadMethod.URL)


@dataclass(frozen=True, slots=True)
class Given:
    """A ticket and what it belongs to."""

    recording_id: UUID
    upload_id: UUID
    method: UploadMethod
    #: None where the bytes come in several goes, to an address of ours.
    ticket: Ticket | None
    incoming_key: str
    bucket: str
    expires_in_seconds: int
    size_bytes_max: int
    #: Of a multipart upload.
    part_size_bytes: int | None = None
    multipart_id: str | None = None
    #: The bytes go through this server: clients cannot reach the store.
    through_us: bool = False


async def initiate_upload(
    runtime: Runtime, organization_id: UUID, actor_user_id: UUID, new: NewRecording, method: UploadMethod
) -> Given:
    """Give a ticket for one new recording in the store that takes new bytes; raises as `begin_upload`.

    Where the store takes no forms, it is a presigned PUT: the method of what is given says so.
    """
    return given_for(
        runtime, await begin_upload(runtime, organization_id, actor_user_id, new, method), new.sha256
    )


async def begin_upload(
    runtime: Runtime,
    organization_id: UUID,
    actor_user_id: UUID | None,
    new: NewRecording,
    method: UploadMethod,
    *,
    source_url: str | None = None,
    fetch: dict[str, Any] | None = None,
    tus_metadata: str | None = None,
    client_key: str | None = None,
) -> Upload:
    """Begin an upload of a new recording, within the organization's limits: the way in for every method.

    `client_key` is the client's own name of it: asked for again by the same person, whose client never heard
    the answer, it is the upload that was begun then, in whatever state it is now.
    Raises `UNSUPPORTED_TYPE`, `UPLOAD_TOO_LARGE`, `MEDIA_TOO_LONG`, `QUOTA_EXCEEDED`, `UPLOADS_OPEN_MAX`,
    `RATE_LIMITED`, `UPLOAD_METHOD` for parts where the store takes none, and `STORAGE_DISABLED`; then nothing
    is written.
    """
    if not takes_new(runtime, method):
        raise not_kept()
    new = replace(new, media_kept=new.media_kept and not runtime.settings.storage_disabled)
    store = await choose_store(runtime)
    if method == UploadMethod.POST and not runtime.stores.get(store).abilities.post_policy:
        method = UploadMethod.PUT  # of the store that takes the bytes now, which need not be the primary one
    if method == UploadMethod.MULTIPART and not isinstance(runtime.stores.get(store), TakesParts):
        raise Conflict(
            "Bytes come through this server here, and not in parts: ask for a ticket with the method tus, "
            "which goes on after a break too.",
            ErrorCode.UPLOAD_METHOD,
            method=method,
        )
    key = None if client_key is None else f"{actor_user_id}/{client_key}"
    async with runtime.database.work(organization_id) as session:
        if key is not None and (begun := await _begun_before(session, organization_id, key)) is not None:
            return begun
        limits = await load_limits(session, runtime.settings, organization_id, new.recording_type)
        check_declared(limits, new, method)
        recording = await create_recording(session, organization_id, actor_user_id, new)
        await session.flush()
        upload = _upload(runtime, recording, new, method, limits, store=store)
        upload.source_url, upload.fetch = source_url, fetch or {}
        upload.tus_metadata, upload.client_key = tus_metadata, key
        session.add(upload)
        await session.flush()
        if source_url is not None:
            await enqueue_for_recording(session, FETCH, organization_id, recording.id)
        reserve_usage(session, organization_id, upload.size_bytes_reserved, limits.ceiling(method))
    return upload


async def _begun_before(session: AsyncSession, organization_id: UUID, key: str) -> Upload | None:
    """The upload that was begun under this key; of two that ask at once, the second waits for the first."""
    await session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(key, 0))))
    query = select(Upload).where(Upload.organization_id == organization_id, Upload.client_key == key)
    return await session.scalar(query)


def given_for(runtime: Runtime, upload: Upload, sha256: str | None) -> Given:
    """A ticket for an upload that is open, whether it is its first or not."""
    method = UploadMethod(upload.method)
    return Given(
        recording_id=upload.recording_id,
        upload_id=upload.id,
        method=method,
        ticket=_ticket(runtime, upload, sha256) if method in ONE_REQUEST else None,
        incoming_key=upload.incoming_key,
        bucket=runtime.stores.get(upload.store).bucket,
        expires_in_seconds=lasts_seconds(runtime.settings, method),
        size_bytes_max=upload.size_bytes_max,
        part_size_bytes=part_size_of(upload) if method == UploadMethod.MULTIPART else None,
        multipart_id=upload.multipart_id,
        through_us=method in GROWING or not isinstance(runtime.stores.get(upload.store), SignsUrls),
    )


def lasts_seconds(settings: Settings, method: UploadMethod) -> int:
    """How long an upload of this method stays open with nothing happening."""
    if method in SEVERAL_GOES:
        return settings.upload_resumable_expires_in_seconds
    return settings.upload_expires_in_seconds


def bytes_to_hold(
    size_bytes: int | None, content_type: str, duration_seconds: float | None, size_bytes_max: int
) -> int:
    """Space to hold for an upload: as declared, else as estimated."""
    return size_bytes or estimate_bytes(plain_type(content_type), duration_seconds, size_bytes_max)


def _upload(
    runtime: Runtime,
    recording: Recording,
    new: NewRecording,
    method: UploadMethod,
    limits: Limits,
    *,
    store: str,
) -> Upload:
    now = runtime.clock.now()
    organization_id, upload_id = recording.organization_id, new_id()
    wanted = bytes_to_hold(new.size_bytes, new.content_type, new.duration_seconds, limits.size_bytes_max)
    return Upload(
        organization_id=organization_id,
        id=upload_id,
        recording_id=recording.id,
        method=method,
        store=store,
        incoming_key=incoming_key(organization_id, upload_id),
        content_type=new.content_type,
        size_bytes_max=limits.size_bytes_max,
        size_bytes_declared=new.size_bytes,
        size_bytes_reserved=wanted,
        growth={DIGEST_WANTED: True} if new.sha256 and method in GROWING else {},
        expires_at=now + timedelta(seconds=lasts_seconds(runtime.settings, method)),
        sweep_after=now + FIRST_SWEEP,
    )


def _ticket(runtime: Runtime, upload: Upload, sha256: str | None) -> Ticket:
    limits = TicketLimits(
        key=upload.incoming_key,
        content_type=upload.content_type,
        expires_in_seconds=runtime.settings.upload_expires_in_seconds,
        size_bytes_max=upload.size_bytes_declared or min(upload.size_bytes_max, POST_BYTES_MAX),
        size_bytes_min=upload.size_bytes_declared or 1,
        sha256=sha256,
    )
    store = runtime.stores.get(upload.store)
    if not isinstance(store, SignsUrls):
        return ticket_through_us(runtime, upload)
    return store.ticket_put(limits) if upload.method == UploadMethod.PUT else store.ticket_post(limits)
