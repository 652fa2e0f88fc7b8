"""Seal: an upload's bytes become an immutable blob, by one guarded commit.

    read the rows → look at incoming → copy to a key of this attempt → look at the copy → commit → tidy up

The process may die between any two of these. Before the commit nothing has changed but an orphan at a key
that no ticket can write; sealing again makes another. After it the upload is sealed, and what is left under
`incoming/` is the sweep's to remove. Of two that seal at once, the guarded update lets one win.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from sqlalchemy import CursorResult, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from reelkeep.blobs.find import Located, located
from reelkeep.blobs.keep import KeptBytes, insert_blob
from reelkeep.blobs.keys import blob_key
from reelkeep.blobs.models import BlobKind
from reelkeep.clock import new_id
from reelkeep.errors import (
    Conflict,
    ErrorCode,
    Invalid,
    NotFound,
    ObjectNotFound,
    ReelkeepError,
    StoreError,
    StoreUnavailable,
)
from reelkeep.events.append import append
from reelkeep.logs import get_logger
from reelkeep.media.sniff import sniff, types_agree
from reelkeep.recordings.advance import Standing, lock_recording, write_standing
from reelkeep.recordings.models import Recording, Status, Step
from reelkeep.recordings.steps import (
    MEDIA,
    SEAL,
    enqueue_for_recording,
    enqueue_once_for_recording,
    steps_of,
)
from reelkeep.runtime import Runtime
from reelkeep.stores.protocol import ObjectFacts, Store
from reelkeep.uploads.limits import check_size, plain_type
from reelkeep.uploads.models import Upload, UploadState

log = get_logger(__name__)

SNIFF_BYTES = 64 * 1024
PENDING_RETRY_SECONDS = 5

#: An expired upload whose bytes did come is sealed all the same: nothing that arrived is lost.
SEALABLE = (UploadState.OPEN, UploadState.EXPIRED)

#: Refusals that no waiting or sending again under the same ticket can mend.
FINAL = frozenset({ErrorCode.UPLOAD_TOO_LARGE, ErrorCode.TYPE_MISMATCH, ErrorCode.UNSUPPORTED_TYPE})


@dataclass(frozen=True, slots=True)
class Claims:
    """What the client says of the bytes it sent; checked where it can be, else kept as declared."""

    size_bytes: int | None = None
    duration_seconds: float | None = None
    recording_metadata: dict[str, object] | None = None


@dataclass(frozen=True, slots=True)
class Sealed:
    """What a seal has just committed, as it was then."""

    recording: Recording
    steps: Sequence[Step]
    original: Located


async def complete_upload(
    runtime: Runtime, organization_id: UUID, recording_id: UUID, claims: Claims | None = None
) -> Sealed | None:
    """Seal the recording's upload, or raise what is wrong with it; None when it was sealed already.

    Raises `UPLOAD_INCOMPLETE` (no bytes yet), `UPLOAD_SIZE_MISMATCH` and `UPLOAD_DIGEST_MISMATCH` (send
    again under the same ticket), `UPLOAD_TOO_LARGE`, `UNSUPPORTED_TYPE` and `TYPE_MISMATCH` (final: the
    recording fails with the reason), and `SEAL_PENDING` when the copy outlasts the request: a job goes on.
    """
    try:
        async with asyncio.timeout(runtime.settings.seal_seconds_max):
            return await seal(runtime, organization_id, recording_id, claims or Claims())
    except (TimeoutError, StoreUnavailable) as error:
        log.info("seal handed to a job", recording_id=str(recording_id), exc_info=error)
        async with runtime.database.work(organization_id) as session:
            await enqueue_once_for_recording(session, SEAL, organization_id, recording_id)
        raise StoreUnavailable(
            "The store needs longer to make the bytes durable; keep your copy and ask again shortly.",
            ErrorCode.SEAL_PENDING,
            retry_after_seconds=PENDING_RETRY_SECONDS,
            recording_id=str(recording_id),
        ) from error


async def seal(runtime: Runtime, organization_id: UUID, recording_id: UUID, claims: Claims) -> Sealed | None:
    """Seal without a limit on time; see `complete_upload`."""
    async with runtime.database.work(organization_id) as session:
        upload, sha256_declared = await _promised(session, organization_id, recording_id)
    if upload.state == UploadState.SEALED:
        await _take_late_claims(runtime, upload, claims)
        return None
    if upload.state not in SEALABLE:
        raise await _refused_before(runtime, upload)
    try:
        kept = await _put_in_place(runtime, upload, sha256_declared, claims)
    except ReelkeepError as error:
        if error.code in FINAL:
            await refuse(runtime, upload, error)
        raise
    store = runtime.stores.get(upload.store)
    if sealed := await _commit(runtime, upload, kept, claims):
        await _tidy(store, upload.incoming_key)
        return sealed
    await _tidy(store, kept.key)
    await _agree_with_winner(runtime, upload, claims)
    return None


async def upload_of(session: AsyncSession, organization_id: UUID, recording_id: UUID) -> Upload:
    """The recording's newest upload, or `UPLOAD_NOT_FOUND`."""
    upload, _ = await _promised(session, organization_id, recording_id)
    return upload


async def _promised(
    session: AsyncSession, organization_id: UUID, recording_id: UUID
) -> tuple[Upload, bytes | None]:
    """The recording's newest upload and the SHA-256 that was declared for it."""
    query = (
        select(Upload, Recording.sha256_declared)
        .join(
            Recording,
            (Recording.organization_id == Upload.organization_id) & (Recording.id == Upload.recording_id),
        )
        .where(Upload.organization_id == organization_id, Upload.recording_id == recording_id)
        .order_by(Upload.id.desc())
        .limit(1)
    )
    row = (await session.execute(query)).first()
    if row is None:
        raise NotFound(
            "No upload belongs to this recording, or it is not yours to see.",
            ErrorCode.UPLOAD_NOT_FOUND,
            recording_id=str(recording_id),
        )
    return row.Upload, row.sha256_declared


async def _agree_with_winner(runtime: Runtime, upload: Upload, claims: Claims) -> None:
    """Success when the other one sealed; the other one's refusal when it refused."""
    async with runtime.database.work(upload.organization_id) as session:
        now_is = await upload_of(session, upload.organization_id, upload.recording_id)
    if now_is.state != UploadState.SEALED:
        raise await _refused_before(runtime, now_is)
    await _take_late_claims(runtime, upload, claims)


async def _take_late_claims(runtime: Runtime, upload: Upload, claims: Claims) -> None:
    """Keep what a client says that completes after the sweep, or another of its calls, has sealed.

    Raises `UPLOAD_SIZE_MISMATCH` when it believes that it sent other bytes: it must keep its own copy.
    """
    if claims == Claims():
        return
    async with runtime.database.work(upload.organization_id) as session:
        recording = await lock_recording(session, upload.organization_id, upload.recording_id)
        if recording is None:
            return
        if claims.size_bytes not in (None, recording.size_bytes):
            raise Conflict(
                f"{recording.size_bytes:,} bytes are sealed and {claims.size_bytes:,} were declared; "
                "keep your copy and upload it as a new recording.",
                ErrorCode.UPLOAD_SIZE_MISMATCH,
                recording_id=str(upload.recording_id),
                size_bytes=recording.size_bytes,
                size_bytes_declared=claims.size_bytes,
            )
        if recording.duration_seconds is not None:  # measured by now, perhaps
            claims = replace(claims, duration_seconds=None)
        _take_claims(recording, claims)


async def _refused_before(runtime: Runtime, upload: Upload) -> ReelkeepError:
    async with runtime.database.work(upload.organization_id) as session:
        recording = await session.get(Recording, (upload.organization_id, upload.recording_id))
    message = recording.failure_message if recording else None
    return Conflict(
        message or "This upload was refused; start a new one.",
        ErrorCode(upload.error_code or ErrorCode.RECORDING_STATE),
        recording_id=str(upload.recording_id),
    )


async def _put_in_place(
    runtime: Runtime, upload: Upload, sha256_declared: bytes | None, claims: Claims
) -> KeptBytes:
    """Copy out of `incoming/` to a key of this attempt, and look at the copy, which no ticket can change."""
    store = runtime.stores.get(upload.store)
    _check_length(await _incoming_facts(store, upload), upload, claims)
    blob_id = new_id()
    key = blob_key(upload.organization_id, upload.recording_id, blob_id)
    try:
        facts = await store.copy(upload.incoming_key, key)
        _check_length(facts, upload, claims)
        _check_digest(facts, sha256_declared)
        content_type = await _look(store, key, facts, upload)
    except BaseException:
        await asyncio.shield(_tidy(store, key))
        raise
    return KeptBytes(blob_id, store.name, key, facts.size_bytes, content_type, facts.sha256)


async def _incoming_facts(store: Store, upload: Upload) -> ObjectFacts:
    try:
        return await store.head(upload.incoming_key)
    except ObjectNotFound:
        raise Conflict(
            "The bytes have not arrived; send them with the ticket, then complete again.",
            ErrorCode.UPLOAD_INCOMPLETE,
            recording_id=str(upload.recording_id),
            s3_key=upload.incoming_key,
        ) from None


def _check_length(facts: ObjectFacts, upload: Upload, claims: Claims) -> None:
    check_size(facts.size_bytes, upload.size_bytes_max)
    if facts.size_bytes == 0:
        raise Invalid(
            "The file is empty; send it again under the same ticket.",
            ErrorCode.UPLOAD_EMPTY,
            recording_id=str(upload.recording_id),
        )
    for declared in (upload.size_bytes_declared, claims.size_bytes):
        if declared is not None and declared != facts.size_bytes:
            raise Conflict(
                f"{facts.size_bytes:,} bytes arrived and {declared:,} were declared; "
                "send the file again under the same ticket.",
                ErrorCode.UPLOAD_SIZE_MISMATCH,
                recording_id=str(upload.recording_id),
                size_bytes=facts.size_bytes,
                size_bytes_declared=declared,
            )


def _check_digest(facts: ObjectFacts, sha256_declared: bytes | None) -> None:
    """Compare where the store knows the digest; elsewhere the first step that reads all bytes does."""
    if facts.sha256 and sha256_declared and facts.sha256 != sha256_declared.hex():
        raise Conflict(
            "The bytes that arrived are not those that were declared (SHA-256 differs); send them again.",
            ErrorCode.UPLOAD_DIGEST_MISMATCH,
            sha256=facts.sha256,
            sha256_declared=sha256_declared.hex(),
        )


async def _look(store: Store, key: str, facts: ObjectFacts, upload: Upload) -> str:
    """Look at the first bytes instead of believing the declared type; the type to keep."""
    head = bytearray()
    async for piece in store.read(key, 0, min(SNIFF_BYTES, facts.size_bytes)):
        head += piece
    found = sniff(bytes(head), facts.size_bytes)
    declared = plain_type(upload.content_type)
    if found is None:
        raise Invalid(
            f"The file says {declared}, but what is in it is no sound or video that is known here.",
            ErrorCode.UNSUPPORTED_TYPE,
            recording_id=str(upload.recording_id),
            content_type=declared,
        )
    if not types_agree(declared, found):
        raise Invalid(
            f"The file says {declared}, but what is in it is {found.media_type}; "
            "upload it again as what it is.",
            ErrorCode.TYPE_MISMATCH,
            recording_id=str(upload.recording_id),
            content_type=declared,
            found=found.media_type,
        )
    return declared


async def _commit(runtime: Runtime, upload: Upload, kept: KeptBytes, claims: Claims) -> Sealed | None:
    """The guarded commit: upload, blob, recording, steps, their job and the event, or nothing of it."""
    now = runtime.clock.now()
    async with runtime.database.work(upload.organization_id) as session:
        recording = await lock_recording(session, upload.organization_id, upload.recording_id)
        if recording is None or not await _take_upload(session, upload, UploadState.SEALED, sealed_at=now):
            return None
        blob = insert_blob(session, upload.organization_id, BlobKind.ORIGINAL, kept)
        await session.flush()
        recording.original_blob_id = blob.id
        recording.size_bytes, recording.content_type = kept.size_bytes, kept.content_type
        recording.uploaded_at = now
        _take_claims(recording, claims)
        steps = [
            Step(organization_id=upload.organization_id, recording_id=recording.id, kind=kind)
            for kind in steps_of(recording.transcribe)
        ]
        session.add_all(steps)
        write_standing(session, recording, Standing(Status.UPLOADED), now)
        await enqueue_for_recording(session, MEDIA, upload.organization_id, recording.id)
        append(
            session,
            upload.organization_id,
            "upload.sealed",
            recording_id=recording.id,
            upload_id=upload.id,
            size_bytes=kept.size_bytes,
        )
    log.info("upload sealed", recording_id=str(upload.recording_id), size_bytes=kept.size_bytes)
    return Sealed(recording, steps, located(blob, kept.store, kept.key))


def _take_claims(recording: Recording, claims: Claims) -> None:
    if claims.duration_seconds is not None:
        recording.duration_seconds = claims.duration_seconds
    if claims.recording_metadata:
        recording.recording_metadata = {**recording.recording_metadata, **claims.recording_metadata}


async def _take_upload(session: AsyncSession, upload: Upload, state: UploadState, **values: object) -> bool:
    """Move the upload out of a sealable state; False when somebody else did first."""
    statement = (
        update(Upload)
        .where(
            Upload.organization_id == upload.organization_id,
            Upload.id == upload.id,
            Upload.state.in_(SEALABLE),
        )
        .values(state=state, **values)
        .execution_options(synchronize_session=False)
    )
    result = await session.execute(statement)
    return isinstance(result, CursorResult) and result.rowcount == 1


async def refuse(
    runtime: Runtime, upload: Upload, error: ReelkeepError, state: UploadState = UploadState.REFUSED
) -> None:
    """End the upload, and its recording as `failed` with the reason."""
    async with runtime.database.work(upload.organization_id) as session:
        recording = await lock_recording(session, upload.organization_id, upload.recording_id)
        if recording is None or not await _take_upload(session, upload, state, error_code=error.code):
            return
        append(
            session,
            upload.organization_id,
            f"upload.{state}",
            recording_id=upload.recording_id,
            upload_id=upload.id,
            code=error.code,
        )
        standing = Standing(Status.FAILED, error.code, error.message)
        write_standing(session, recording, standing, runtime.clock.now())


async def _tidy(store: Store, key: str) -> None:
    """Remove bytes that nothing needs; what stays behind is an orphan that the sweep finds."""
    try:
        await store.delete(key)
    except StoreError as error:
        log.warning("could not tidy up after a seal", key=key, exc_info=error)
