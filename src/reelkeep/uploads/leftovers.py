"""Tidy `incoming/`: seal what came late, remove objects, parts and growths that nothing needs any more."""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select

from reelkeep.blobs.keys import INCOMING, upload_of_key
from reelkeep.errors import ErrorCode
from reelkeep.events.append import append
from reelkeep.logs import get_logger
from reelkeep.runtime import Runtime
from reelkeep.stores.protocol import Grows, ObjectFacts, PartsUpload, Store, TakesParts
from reelkeep.uploads.attempts import remove_attempts
from reelkeep.uploads.beginning import notes_in
from reelkeep.uploads.ending import take_upload
from reelkeep.uploads.models import Upload, UploadMethod, UploadState
from reelkeep.uploads.sweep import settle

log = get_logger(__name__)

#: Bytes under `incoming/` that no open upload needs are removed when they are this old.
LEFTOVER_AGE = timedelta(hours=1)
UNKNOWN_AGE = timedelta(hours=24)
#: What came of an upload that expired is kept so much longer, so that its ticket can be renewed.
RENEWABLE_AGE = timedelta(hours=24)
#: Bytes that are not those that were declared, under a ticket that can bring no others, are kept so long.
UNSEALED_AGE = timedelta(days=7)
ATTEMPTS_BATCH = 100
SEND_AGAIN = frozenset(
    {ErrorCode.UPLOAD_SIZE_MISMATCH, ErrorCode.UPLOAD_DIGEST_MISMATCH, ErrorCode.UPLOAD_EMPTY}
)
#: Those whose parts are a multipart upload, never a growth. (On S3 each is shown as the other too.)
IN_PARTS = (UploadMethod.POST, UploadMethod.PUT, UploadMethod.MULTIPART)


async def sweep_incoming(runtime: Runtime) -> int:
    """Walk `incoming/` of every store; how many objects, multipart uploads and growths were removed."""
    removed = 0
    for name, store in runtime.stores.by_name.items():
        async for facts in store.list_objects(INCOMING):
            removed += await _tidy_object(runtime, store, facts)
        if isinstance(store, TakesParts):
            async for parts in store.list_part_uploads(INCOMING):
                removed += await _tidy_parts(runtime, store, parts)
        if isinstance(store, Grows):
            async for facts in store.list_growths(INCOMING):
                removed += await _tidy_growth(runtime, name, store, facts)
    return removed


async def sweep_attempts(runtime: Runtime) -> int:
    """Remove copies that seals made and lost, of uploads that nobody can seal any more; how many uploads."""
    now = runtime.clock.now()
    due = (
        select(Upload.organization_id, Upload.id)
        .where(
            Upload.seal_attempts != [],
            Upload.state != UploadState.OPEN,
            Upload.sweep_after < now - LEFTOVER_AGE,
        )
        .limit(ATTEMPTS_BATCH)
    )
    async with runtime.database.sweep() as session:
        rows = (await session.execute(due)).all()
    for organization_id, upload_id in rows:
        upload = await _get(runtime, organization_id, upload_id)
        if upload and (
            upload.state != UploadState.EXPIRED or await _is_dead(runtime, upload, UNKNOWN_AGE, now)
        ):
            await remove_attempts(runtime, upload)
    return len(rows)


async def _tidy_object(runtime: Runtime, store: Store, facts: ObjectFacts) -> bool:
    now = runtime.clock.now()
    age = now - facts.modified_at
    upload = await _find(runtime, facts.key)
    if upload is None:
        return age > UNKNOWN_AGE and await _remove(store, facts.key)
    if upload.state == UploadState.EXPIRED:
        code = await settle(runtime, upload.organization_id, upload.id, now)
        over = min(age, now - upload.expires_at) > UNSEALED_AGE
        return over and code in SEND_AGAIN and await _remove(store, facts.key)
    if upload.state == UploadState.OPEN:
        return False
    return age > LEFTOVER_AGE and await _remove(store, facts.key)


async def _tidy_parts(runtime: Runtime, store: TakesParts, parts: PartsUpload) -> bool:
    now = runtime.clock.now()
    upload = await _find(runtime, parts.key)
    if upload is not None and upload.state == UploadState.OPEN:
        in_use = upload.method not in IN_PARTS or upload.multipart_id == parts.upload_id
        # A browser begins one itself, and its id is told with the first part.
        if in_use or now - parts.begun_at < UNKNOWN_AGE:
            return False
    elif not await _is_dead(runtime, upload, now - parts.begun_at, now):
        return False
    await store.abort_parts(parts.key, parts.upload_id)
    log.info("multipart upload aborted that nothing needs", key=parts.key)
    return True


async def _tidy_growth(runtime: Runtime, name: str, store: Grows, facts: ObjectFacts) -> bool:
    now = runtime.clock.now()
    upload = await _find(runtime, facts.key)
    if upload is not None and (upload.state == UploadState.OPEN or upload.method in IN_PARTS):
        return False
    if not await _is_dead(runtime, upload, now - facts.modified_at, now):
        return False
    await store.discard_growth(facts.key, notes_in(upload, name))
    log.info("growth removed that nothing needs", key=facts.key)
    return True


async def _is_dead(runtime: Runtime, upload: Upload | None, age: timedelta, now: datetime) -> bool:
    """Whether nobody can want what came of an upload that is not open."""
    if upload is None:
        return age > UNKNOWN_AGE
    if upload.state == UploadState.EXPIRED:
        return now - upload.expires_at > RENEWABLE_AGE and await _bury(runtime, upload)
    return age > LEFTOVER_AGE


async def _bury(runtime: Runtime, upload: Upload) -> bool:
    """Close an expired upload for good before its bytes go, so that no renewal meets their removal."""
    async with runtime.database.work(upload.organization_id) as session:
        out_of = (UploadState.EXPIRED,)
        if await take_upload(session, upload, UploadState.REFUSED, out_of=out_of) is None:
            return False
        append(
            session,
            upload.organization_id,
            "upload.cleaned_away",
            recording_id=upload.recording_id,
            upload_id=upload.id,
        )
    return True


async def _find(runtime: Runtime, key: str) -> Upload | None:
    ids = upload_of_key(key)
    if ids is None:
        return None
    organization_id, upload_id = ids
    return await _get(runtime, organization_id, upload_id)


async def _get(runtime: Runtime, organization_id: UUID, upload_id: UUID) -> Upload | None:
    async with runtime.database.work(organization_id) as session:
        upload: Upload | None = await session.get(Upload, (organization_id, upload_id))
        return upload


async def _remove(store: Store, key: str) -> bool:
    await store.delete(key)
    log.info("leftover under incoming removed", key=key)
    return True
