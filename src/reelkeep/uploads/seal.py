"""Seal: an upload's bytes become an immutable blob, by one guarded commit.

    read the rows → look at incoming → copy to a key of this attempt → look at the copy → commit → tidy up

The process may die between any two of these. Before the commit nothing has changed but an orphan at a key
that no ticket can write; sealing again makes another. After it the upload is sealed, and what is left under
`incoming/` is the sweep's to remove. Of two that seal at once, the guarded update lets one win.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from sqlalchemy import Text, cast, update
from sqlalchemy.ext.asyncio import AsyncSession

from reelkeep.blobs.describe import copy_described, description
from reelkeep.blobs.find import Located, located
from reelkeep.blobs.keep import KeptBytes, insert_blob
from reelkeep.blobs.keys import DEFAULT, KeyedBlob, blob_key
from reelkeep.blobs.models import BlobKind
from reelkeep.blobs.usage import settle_usage
from reelkeep.clock import new_id
from reelkeep.errors import (
    Conflict,
    ErrorCode,
    ObjectNotFound,
    ReelkeepError,
    StoreError,
    StoreUnavailable,
)
from reelkeep.events.append import append
from reelkeep.logs import get_logger
from reelkeep.placement.choose import is_degraded
from reelkeep.placement.load import in_force
from reelkeep.placement.queue import enqueue_if_misplaced
from reelkeep.recordings.advance import Standing, lock_recording, write_standing
from reelkeep.recordings.blob_keys import blob_key_for
from reelkeep.recordings.duplicates import OLDER_WITH_SAME_BYTES, same_bytes
from reelkeep.recordings.models import Recording, Status, Step, StepKind
from reelkeep.recordings.steps import (
    MEDIA,
    SEAL,
    enqueue_for_recording,
    enqueue_once_for_recording,
    steps_of,
)
from reelkeep.runtime import Runtime
from reelkeep.stores.erase import delete_for_good
from reelkeep.stores.protocol import ObjectFacts, Store
from reelkeep.uploads.attempts import forget_attempts, note_attempt
from reelkeep.uploads.ending import SEALABLE, Taken, refuse, take_upload
from reelkeep.uploads.find import Promised, load_promised, refused_before, upload_of
from reelkeep.uploads.join import join
from reelkeep.uploads.limits import UNKNOWN_TYPE
from reelkeep.uploads.look import check_digest, check_length, look_inside
from reelkeep.uploads.models import GROWING, Upload, UploadState
from reelkeep.uploads.parts import Parts, noted, put_together
from reelkeep.uploads.ripen import ripen
from reelkeep.uploads.unkept import not_kept, takes_new

log = get_logger(__name__)

PENDING_RETRY_SECONDS = 5

#: Refusals that no waiting or sending again under the same ticket can mend.
FINAL = frozenset({ErrorCode.UPLOAD_TOO_LARGE, ErrorCode.TYPE_MISMATCH, ErrorCode.UNSUPPORTED_TYPE})


@dataclass(frozen=True, slots=True)
class Claims:
    """What the client says of the bytes it sent; checked where it can be, else kept as declared."""

    size_bytes: int | None = None
    duration_seconds: float | None = None
    recording_metadata: dict[str, object] | None = None
    #: Of a multipart upload: number and ETag of each part, ascending.
    parts: Parts | None = None


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

    Raises `UPLOAD_INCOMPLETE` (no bytes yet), `PART_INVALID`, `UPLOAD_SIZE_MISMATCH` and
    `UPLOAD_DIGEST_MISMATCH` (send again under the same ticket), `UPLOAD_TOO_LARGE`, `UNSUPPORTED_TYPE` and
    `TYPE_MISMATCH` (final: the recording fails with the reason), `QUOTA_EXCEEDED` (more came than was
    held for it; the bytes wait), and `SEAL_PENDING` when it outlasts the request: a job goes on.
    """
    claims = claims or Claims()
    try:
        async with asyncio.timeout(runtime.settings.seal_seconds_max):
            return await seal(runtime, organization_id, recording_id, claims)
    except (TimeoutError, StoreUnavailable) as error:
        log.info("seal handed to a job", recording_id=str(recording_id), reason=repr(error))
        await _hand_to_a_job(runtime, organization_id, recording_id, claims)
        raise StoreUnavailable(
            "The store needs longer to make the bytes durable; keep your copy and ask again shortly.",
            ErrorCode.SEAL_PENDING,
            retry_after_seconds=PENDING_RETRY_SECONDS,
            recording_id=str(recording_id),
        ) from error


async def _hand_to_a_job(runtime: Runtime, organization_id: UUID, recording_id: UUID, claims: Claims) -> None:
    """The job knows what the client does not say again: which parts the bytes are."""
    async with runtime.database.work(organization_id) as session:
        if claims.parts:
            await session.execute(
                update(Upload)
                .where(
                    Upload.organization_id == organization_id,
                    Upload.recording_id == recording_id,
                    Upload.state.in_(SEALABLE),
                )
                .values(growth=noted(claims.parts))
            )
        await enqueue_once_for_recording(session, SEAL, organization_id, recording_id)


async def seal(runtime: Runtime, organization_id: UUID, recording_id: UUID, claims: Claims) -> Sealed | None:
    """Seal without a limit on time; see `complete_upload`."""
    blob_id = new_id()
    async with runtime.database.work(organization_id) as session:
        promised = await load_promised(session, runtime, organization_id, recording_id)
        upload = promised.upload
        is_apart = bool(upload.beginning) and upload.state in SEALABLE and takes_new(runtime, upload.method)
        if not is_apart:
            key = await _key(session, runtime, promised, blob_id)
            await note_attempt(session, upload, key)
    if is_apart:
        await join(runtime, upload)
        return await seal(runtime, organization_id, recording_id, claims)
    if upload.state == UploadState.SEALED:
        await _take_late_claims(runtime, upload, claims)
        return None
    if upload.state not in SEALABLE:
        raise await refused_before(runtime, upload)
    if not takes_new(runtime, upload.method):
        raise not_kept()
    try:
        kept = await _put_in_place(runtime, promised, claims, blob_id, key)
    except ObjectNotFound:  # another has sealed it, and tidied up between our look and our copy
        await _agree_with_winner(runtime, upload, claims)
        return None
    except ReelkeepError as error:
        if error.code in FINAL:
            await refuse(runtime, upload, error)
        raise
    store = runtime.stores.get(upload.store)
    try:
        sealed = await _commit(runtime, promised, kept, claims)
    except ReelkeepError:
        await _give_up(runtime, upload, store, kept.key)
        raise
    if sealed:
        # Older versions of it end soon, by a rule of the bucket for all that is incoming.
        await _tidy(store, upload.incoming_key)
        return sealed
    await _give_up(runtime, upload, store, kept.key)
    await _agree_with_winner(runtime, upload, claims)
    return None


async def _agree_with_winner(runtime: Runtime, upload: Upload, claims: Claims) -> None:
    """Success when the other one sealed; the other one's refusal when it refused."""
    async with runtime.database.work(upload.organization_id) as session:
        now_is = await upload_of(session, upload.organization_id, upload.recording_id)
    if now_is.state in SEALABLE:
        raise _incomplete(upload)
    if now_is.state != UploadState.SEALED:
        raise await refused_before(runtime, now_is)
    await _take_late_claims(runtime, upload, claims)


async def _take_late_claims(runtime: Runtime, upload: Upload, claims: Claims) -> None:
    """Keep what a client says that completes after the sweep, or another of its calls, has sealed.

    Raises `UPLOAD_SIZE_MISMATCH` when it believes that it sent other bytes: it must keep its own copy.
    """
    if replace(claims, parts=None) == Claims():
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


async def _key(session: AsyncSession, runtime: Runtime, promised: Promised, blob_id: UUID) -> str:
    """The key of this attempt; what a template says of the recording is read only where one is followed."""
    upload = promised.upload
    if promised.templates.for_store(runtime.stores, upload.store) == DEFAULT:
        return blob_key(upload.organization_id, upload.recording_id, blob_id)
    return await blob_key_for(
        session,
        runtime.stores,
        upload.store,
        KeyedBlob(blob_id, BlobKind.ORIGINAL, upload.content_type),
        organization_id=upload.organization_id,
        recording_id=upload.recording_id,
    )


async def _put_in_place(
    runtime: Runtime, promised: Promised, claims: Claims, blob_id: UUID, key: str
) -> KeptBytes:
    """Copy out of `incoming/` to a key of this attempt, and look at the copy, which no ticket can change."""
    upload = promised.upload
    store = runtime.stores.get(upload.store)
    try:
        check_length(await _incoming_facts(runtime, upload, claims), upload, claims.size_bytes)
    except BaseException:  # nothing was copied
        await asyncio.shield(forget_attempts(runtime, upload, key))
        raise
    try:
        facts = await copy_described(store, upload.incoming_key, key, _told(upload, blob_id))
        check_length(facts, upload, claims.size_bytes)
        check_digest(facts, promised.sha256_declared)
        content_type = UNKNOWN_TYPE
        if not promised.client_encrypted:
            content_type = await look_inside(store, facts, upload, promised.limits)
    except BaseException:
        await asyncio.shield(_give_up(runtime, upload, store, key))
        raise
    return KeptBytes(
        blob_id, store.name, key, facts.size_bytes, content_type, facts.sha256, upload.recording_id
    )


def _told(upload: Upload, blob_id: UUID) -> dict[str, str]:
    """What the object tells of itself until the file beside it is written; it has no names."""
    return description(
        organization_id=upload.organization_id,
        recording_id=upload.recording_id,
        blob_id=blob_id,
        kind=BlobKind.ORIGINAL,
        created_at=upload.created_at,
    )


async def _incoming_facts(runtime: Runtime, upload: Upload, claims: Claims) -> ObjectFacts:
    """The incoming object, made of its parts first where there are some; `UPLOAD_INCOMPLETE` without any."""
    store = runtime.stores.get(upload.store)
    await ripen(runtime, upload)
    if upload.multipart_id and claims.parts:
        await put_together(runtime, upload, claims.parts, None)
    try:
        return await store.head(upload.incoming_key)
    except ObjectNotFound:
        if upload.multipart_id is None or claims.parts:
            raise _incomplete(upload) from None
    await put_together(runtime, upload, None, upload.size_bytes_declared or claims.size_bytes)
    try:
        return await store.head(upload.incoming_key)
    except ObjectNotFound:
        raise _incomplete(upload) from None


def _incomplete(upload: Upload) -> Conflict:
    return Conflict(
        "The bytes have not arrived; send them with the ticket, then complete again.",
        ErrorCode.UPLOAD_INCOMPLETE,
        recording_id=str(upload.recording_id),
        s3_key=upload.incoming_key,
    )


async def _commit(runtime: Runtime, promised: Promised, kept: KeptBytes, claims: Claims) -> Sealed | None:
    """The guarded commit: upload, blob, recording, steps, their job and the events, or nothing of it."""
    now, upload = runtime.clock.now(), promised.upload
    known = await in_force(runtime)
    degraded = is_degraded(runtime, kept.store)
    async with runtime.database.work(upload.organization_id) as session:
        recording = await lock_recording(session, upload.organization_id, upload.recording_id)
        taken = await _take(session, upload, kept, now) if recording else None
        if recording is None or taken is None:
            return None
        blob = insert_blob(session, upload.organization_id, BlobKind.ORIGINAL, kept, degraded=degraded)
        await session.flush()
        recording.original_blob_id = blob.id
        recording.size_bytes, recording.content_type = kept.size_bytes, kept.content_type
        recording.uploaded_at = now
        recording.duplicate_of_recording_id = taken.found
        _take_claims(recording, claims)
        steps = _steps(recording, promised)
        session.add_all(steps)
        write_standing(session, recording, Standing(Status.UPLOADED if steps else Status.PROCESSED), now)
        _tell(session, upload, kept)
        if steps:
            await enqueue_for_recording(session, MEDIA, upload.organization_id, recording.id)
        await enqueue_if_misplaced(
            session,
            known,
            upload.organization_id,
            blob.id,
            kind=BlobKind.ORIGINAL,
            store=kept.store,
            degraded=degraded,
        )
        await session.flush()
        settle_usage(
            session,
            upload.organization_id,
            bytes_used=kept.size_bytes,
            bytes_reserved=taken.size_bytes_reserved,
            uploads_ended=int(taken.was_open),
            quota_bytes=promised.limits.quota_bytes,
        )
    log.info("upload sealed", recording_id=str(upload.recording_id), size_bytes=kept.size_bytes)
    return Sealed(recording, steps, located(blob, kept.store, kept.key))


async def _take(session: AsyncSession, upload: Upload, kept: KeptBytes, now: datetime) -> Taken | None:
    """Win the upload, or find that another has; with it an older recording of the same bytes is found."""
    digest = bytes.fromhex(kept.sha256) if kept.sha256 else None
    return await take_upload(
        session,
        upload,
        UploadState.SEALED,
        beside=OLDER_WITH_SAME_BYTES,
        beside_values=same_bytes(upload.organization_id, kept.blob_id, digest),
        sealed_at=now,
        source_url=None,
        growth={},
        seal_attempts=Upload.seal_attempts.op("-")(cast(kept.key, Text)),
    )


def _steps(recording: Recording, promised: Promised) -> list[Step]:
    """The steps to come; probe is told the organization's own limit on the duration, where there is one.

    There are none for what nobody here can look into.
    """
    if promised.client_encrypted:
        return []
    seconds = promised.limits.duration_seconds_max
    strict = seconds < promised.limits_of_settings.duration_seconds_max
    parameters = {StepKind.PROBE: {"duration_seconds_max": seconds}} if strict else {}
    return [
        Step(
            organization_id=recording.organization_id,
            recording_id=recording.id,
            kind=kind,
            parameters=parameters.get(kind, {}),
        )
        for kind in steps_of(recording.transcribe, media_kept=recording.media_kept)
    ]


def _tell(session: AsyncSession, upload: Upload, kept: KeptBytes) -> None:
    # A length is declared at the latest with the last byte; without one, the client was cut off.
    cut_off = upload.method in GROWING and upload.size_bytes_declared is None
    for kind in ("upload.cut_off", "upload.sealed") if cut_off else ("upload.sealed",):
        append(
            session,
            upload.organization_id,
            kind,
            recording_id=upload.recording_id,
            upload_id=upload.id,
            size_bytes=kept.size_bytes,
        )


def _take_claims(recording: Recording, claims: Claims) -> None:
    if claims.duration_seconds is not None:
        recording.duration_seconds = claims.duration_seconds
    if claims.recording_metadata:
        recording.recording_metadata = {**recording.recording_metadata, **claims.recording_metadata}


async def _give_up(runtime: Runtime, upload: Upload, store: Store, key: str) -> None:
    """Remove the copy of an attempt that did not win, and forget it when it is gone."""
    if await _tidy(store, key, for_good=True):
        await forget_attempts(runtime, upload, key)


async def _tidy(store: Store, key: str, *, for_good: bool = False) -> bool:
    """Remove bytes that nothing needs, or leave them to the sweep; whether they are gone."""
    try:
        await (delete_for_good(store, key) if for_good else store.delete(key))
    except StoreError as error:
        log.warning("could not tidy up after a seal", key=key, exc_info=error)
        return False
    return True
