"""A new ticket for the same upload: what has arrived is kept, and one that had expired is open again."""

from datetime import timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from reelkeep.blobs.usage import reserve_usage
from reelkeep.errors import Conflict, ErrorCode, ObjectNotFound
from reelkeep.events.append import append
from reelkeep.placement.choose import answers, choose_store
from reelkeep.recordings.advance import Standing, lock_recording, write_standing
from reelkeep.recordings.models import Recording, Status
from reelkeep.runtime import Runtime
from reelkeep.uploads.ending import SEALABLE
from reelkeep.uploads.find import Promised, load_promised, refused_before, upload_of
from reelkeep.uploads.initiate import FIRST_SWEEP, Given, bytes_to_hold, given_for, lasts_seconds
from reelkeep.uploads.limits import ONE_REQUEST
from reelkeep.uploads.models import Upload, UploadMethod, UploadState
from reelkeep.uploads.multipart import begin_parts_again
from reelkeep.uploads.parts import taking_parts
from reelkeep.uploads.unkept import not_kept, takes_new

#: A client has no ticket of these.
WITHOUT_TICKET = (UploadMethod.DIRECT, UploadMethod.PLAIN, UploadMethod.URL)


async def renew_upload(runtime: Runtime, organization_id: UUID, recording_id: UUID) -> Given:
    """The upload's ticket anew, under the same key, with its parts or its offset kept.

    An expired upload is opened again and its space held again: raises as giving a ticket does. Raises
    `RECORDING_STATE` when it is sealed, the refusal when it was refused, and `UPLOAD_METHOD` for an upload
    that has no ticket.
    """
    store = await choose_store(runtime)
    async with runtime.database.work(organization_id) as session:
        present = (await upload_of(session, organization_id, recording_id)).store
    reached = store == present or await answers(runtime, present)
    async with runtime.database.work(organization_id) as session:
        # Every move of an upload is made under this lock, so what is read after it stays so.
        recording = await lock_recording(session, organization_id, recording_id)
        promised = await load_promised(session, runtime, organization_id, recording_id)
        upload = promised.upload
        _check_has_ticket(upload)
        if not takes_new(runtime, upload.method):
            raise not_kept()
        if recording is not None and upload.state in SEALABLE:
            if upload.method in ONE_REQUEST and not reached and store != upload.store:
                upload.store = store  # the whole file goes by one request, so it can as well go elsewhere
            await _open_again(session, runtime, recording, promised)
    if upload.state == UploadState.SEALED:
        raise Conflict(
            "The recording is safe already; there is nothing to send.", recording_id=str(recording_id)
        )
    if upload.state == UploadState.REFUSED:
        raise await refused_before(runtime, upload)
    if upload.method == UploadMethod.MULTIPART and not await _has_parts_or_all(runtime, upload):
        upload = await begin_parts_again(runtime, upload)
    sha256 = promised.sha256_declared
    return given_for(runtime, upload, sha256.hex() if sha256 else None)


def _check_has_ticket(upload: Upload) -> None:
    if upload.method in WITHOUT_TICKET:
        raise Conflict(
            f"An upload of the method {upload.method} has no ticket to renew; begin a new one.",
            ErrorCode.UPLOAD_METHOD,
            recording_id=str(upload.recording_id),
            method=upload.method,
        )


async def _open_again(
    session: AsyncSession, runtime: Runtime, recording: Recording, promised: Promised
) -> None:
    upload, now = promised.upload, runtime.clock.now()
    method = UploadMethod(upload.method)
    had_expired = upload.state == UploadState.EXPIRED
    upload.state, upload.error_code = UploadState.OPEN, None
    upload.expires_at = now + timedelta(seconds=lasts_seconds(runtime.settings, method))
    upload.sweep_after = now + FIRST_SWEEP
    append(
        session,
        upload.organization_id,
        "upload.renewed",
        recording_id=upload.recording_id,
        upload_id=upload.id,
        had_expired=had_expired,
    )
    if not had_expired:
        return
    write_standing(session, recording, Standing(Status.UPLOADING), now)
    recording.processed_at = None
    upload.size_bytes_reserved = bytes_to_hold(
        upload.size_bytes_declared, upload.content_type, recording.duration_seconds, upload.size_bytes_max
    )
    await session.flush()
    ceiling = promised.limits.ceiling(method)
    reserve_usage(session, upload.organization_id, upload.size_bytes_reserved, ceiling)


async def _has_parts_or_all(runtime: Runtime, upload: Upload) -> bool:
    """Whether the store still knows the multipart upload, or has the whole object that was made of it."""
    if upload.multipart_id is None:
        return False
    store = runtime.stores.get(upload.store)
    try:
        async for _part in taking_parts(store).list_parts(upload.incoming_key, upload.multipart_id):
            break
        return True
    except ObjectNotFound:
        pass
    try:
        await store.head(upload.incoming_key)
        return True
    except ObjectNotFound:
        return False
