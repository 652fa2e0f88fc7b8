"""Fetch a recording from a URL: begin, fetch by a job of a worker, go on after any break, seal.

    begin → claim → ask the server → append, note how far → finish → forget the address → seal

The bytes grow in the store, and the row says how many are safe and of which version of the file. After a
broken connection or a dead worker the next request asks for the rest, `If-Range` it is still that version;
where the server cannot say so, it begins again. Nothing but small buffers is held in memory.
"""

import asyncio
import contextlib
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from uuid import UUID

from reelkeep.blobs.usage import reserve_usage
from reelkeep.errors import Conflict, ErrorCode, ObjectNotFound, ReelkeepError
from reelkeep.events.append import append
from reelkeep.logs import get_logger
from reelkeep.placement.choose import fallback_for
from reelkeep.recordings.advance import Standing, lock_recording, write_standing
from reelkeep.recordings.create import NewRecording
from reelkeep.recordings.models import Status
from reelkeep.recordings.queries import get_recording
from reelkeep.recordings.steps import FETCH, enqueue_for_recording
from reelkeep.runtime import Runtime
from reelkeep.uploads.ending import refuse
from reelkeep.uploads.estimate import estimate_bytes
from reelkeep.uploads.fetch_answer import FILENAME_LENGTH_MAX, name_in_path
from reelkeep.uploads.fetch_bytes import fetch_bytes, growing_store
from reelkeep.uploads.fetch_guard import Resolve, Target, check_literal, read_target, resolve
from reelkeep.uploads.fetch_http import BrokeOff, Limits, failed
from reelkeep.uploads.fetch_keep import keep_what_came
from reelkeep.uploads.fetch_run import FetchLost, FetchRun, Notes, claim_upload
from reelkeep.uploads.find import upload_of
from reelkeep.uploads.grow import AWAY
from reelkeep.uploads.initiate import begin_upload, lasts_seconds
from reelkeep.uploads.limits import UNKNOWN_TYPE, load_limits, plain_type
from reelkeep.uploads.models import Upload, UploadMethod, UploadState
from reelkeep.uploads.seal import Claims, seal

log = get_logger(__name__)

#: Times a fetch is begun before it is given up; the queue waits longer before each.
ATTEMPTS_MAX = 6
#: Breaks one after another, with nearly nothing fetched between them, before the queue is left to wait.
STALLS_MAX = 3
PAUSE_SECONDS = 0.5
PROGRESS_BYTES = 64 * 1024
#: Not the address's fault, and likely to pass; the job comes again and no attempt is counted.
PASSING = frozenset({ErrorCode.STORE_UNAVAILABLE, ErrorCode.DATABASE_UNAVAILABLE, ErrorCode.SEAL_PENDING})


def look_at_url(runtime: Runtime, url: str) -> Target:
    """The URL, read; `FETCH_REFUSED` for what no worker would fetch."""
    target = read_target(url)
    check_literal(target, private_networks=runtime.settings.fetch_private_networks)
    return target


@dataclass(frozen=True, slots=True)
class FromUrl:
    """What a client knows of a file at a URL; the server's answer says the rest."""

    url: str
    filename: str | None = None
    content_type: str | None = None


async def begin_fetch(
    runtime: Runtime, organization_id: UUID, actor_user_id: UUID | None, wanted: FromUrl, new: NewRecording
) -> UUID:
    """Make a recording in `uploading` whose bytes a worker fetches; its id. Raises as `begin_upload`.

    The name and type of `new` are filled in.
    """
    target = look_at_url(runtime, wanted.url)
    name = wanted.filename or name_in_path(target.url.raw_path) or target.host[:FILENAME_LENGTH_MAX]
    notes = Notes(name=name, has_name=wanted.filename is not None, has_type=wanted.content_type is not None)
    upload = await begin_upload(
        runtime,
        organization_id,
        actor_user_id,
        replace(new, original_filename=name, content_type=wanted.content_type or UNKNOWN_TYPE),
        UploadMethod.URL,
        source_url=wanted.url,
        fetch=asdict(notes),
    )
    return upload.recording_id


async def retry_fetch(
    runtime: Runtime, organization_id: UUID, actor_user_id: UUID | None, recording_id: UUID, url: str
) -> None:
    """Fetch a recording again whose fetch failed; the address is given again, since it was forgotten."""
    look_at_url(runtime, url)
    async with runtime.database.work(organization_id) as session:
        await lock_recording(session, organization_id, recording_id)
        recording = await get_recording(session, organization_id, recording_id)
        upload = await upload_of(session, organization_id, recording_id)
        if upload.method != UploadMethod.URL or upload.state not in (
            UploadState.REFUSED,
            UploadState.EXPIRED,
        ):
            raise Conflict(
                "Only a recording that was to be fetched from a URL, and failed, is fetched again.",
                status=recording.status,
            )
        limits = await load_limits(session, runtime.settings, organization_id, recording.recording_type)
        kept = Notes.read(upload.fetch)
        notes = Notes(name=kept.name, has_name=kept.has_name, has_type=kept.has_type)
        _reopen(runtime, upload, url, notes)
        write_standing(session, recording, Standing(Status.UPLOADING), runtime.clock.now())
        append(
            session,
            organization_id,
            "upload.retried",
            actor_user_id=actor_user_id,
            recording_id=recording_id,
            upload_id=upload.id,
        )
        await enqueue_for_recording(session, FETCH, organization_id, recording_id)
        await session.flush()
        reserve_usage(session, organization_id, upload.size_bytes_reserved, limits.ceiling(UploadMethod.URL))


def _reopen(runtime: Runtime, upload: Upload, url: str, notes: Notes) -> None:
    now = runtime.clock.now()
    upload.state, upload.error_code, upload.writer_id = UploadState.OPEN, None, None
    upload.source_url, upload.fetch, upload.growth = url, asdict(notes), {}
    upload.size_bytes_reserved = upload.size_bytes_declared or estimate_bytes(
        plain_type(upload.content_type), None, upload.size_bytes_max
    )
    upload.expires_at = now + timedelta(seconds=lasts_seconds(runtime.settings, UploadMethod.URL))
    upload.sweep_after = upload.expires_at


async def fetch_upload(
    runtime: Runtime, organization_id: UUID, recording_id: UUID, *, resolve: Resolve = resolve
) -> None:
    """Do the recording's fetch if it is open, and seal what came. Raises what should bring the job again."""
    run = await _claim(runtime, organization_id, recording_id)
    if run is None:
        return
    try:
        await _fetch_and_seal(run, resolve)
    except FetchLost:
        log.warning("another worker has this fetch now")
    except asyncio.CancelledError:
        await asyncio.shield(_give_back_attempt(run))
        raise
    except BrokeOff as broke:
        if run.notes.attempts < ATTEMPTS_MAX:
            log.info("a fetch broke off; it is gone on with later", reason=broke.message)
            raise
        await _fail(run, failed(f"{broke.message} It was tried {run.notes.attempts} times."))
    except ReelkeepError as error:
        if error.code in PASSING:
            await _give_back_attempt(run)
            raise
        await _fail(run, error)


async def _claim(runtime: Runtime, organization_id: UUID, recording_id: UUID) -> FetchRun | None:
    async with runtime.database.work(organization_id) as session:
        claimed = await claim_upload(session, organization_id, recording_id)
    if claimed is None:
        return None
    upload, notes = claimed
    assert upload.writer_id is not None
    store = growing_store(runtime.stores.get(upload.store))
    return FetchRun(runtime, upload, store, upload.writer_id, notes, upload.growth, upload.source_url)


async def _fetch_and_seal(run: FetchRun, resolve: Resolve) -> None:
    if run.notes.attempts > ATTEMPTS_MAX:  # workers died of it
        raise failed(f"The fetch ended unexpectedly {ATTEMPTS_MAX} times.")
    if run.source_url is not None:
        try:
            await _bring_in(run, run.source_url, resolve)
        except AWAY as error:
            if not await _go_over(run, error):
                raise
            await _bring_in(run, run.source_url, resolve)
        await keep_what_came(run)
    await seal(run.runtime, run.upload.organization_id, run.upload.recording_id, Claims())


async def _bring_in(run: FetchRun, url: str, resolve: Resolve) -> None:
    if not await _is_here(run):
        await _fetch_in_time(run, url, resolve)


async def _go_over(run: FetchRun, error: ReelkeepError) -> bool:
    """Fetch from the first byte into the fallback store: an address can be asked again, a store that is away
    cannot. Whether there is one, and anything left to fetch."""
    fallback = await fallback_for(run.runtime, run.upload.store)
    if fallback is None or (run.notes.total is not None and run.notes.offset == run.notes.total):
        return False
    store = growing_store(run.runtime.stores.get(fallback))
    await run.keep(run.notes.fresh(), {}, store=fallback)
    log.warning("a fetch begins anew elsewhere", left=run.upload.store, store=fallback, error=error.message)
    run.store, run.upload.store = store, fallback
    return True


async def _is_here(run: FetchRun) -> bool:
    """Whether the worker before died between the last byte and its note of it."""
    try:
        await run.runtime.stores.get(run.upload.store).head(run.key)
    except ObjectNotFound:
        return False
    return True


async def _fetch_in_time(run: FetchRun, url: str, resolve: Resolve) -> None:
    settings = run.runtime.settings
    limits = Limits(float(settings.upload_idle_seconds), settings.fetch_private_networks)
    left = settings.fetch_seconds_max - run.notes.seconds
    try:
        async with asyncio.timeout(left):
            await _fetch_all(run, read_target(url), limits, resolve)
    except TimeoutError:
        raise failed(
            f"The file did not come whole within {settings.fetch_seconds_max:,} seconds, the limit."
        ) from None


async def _fetch_all(run: FetchRun, target: Target, limits: Limits, resolve: Resolve) -> None:
    """Ask again after each break, as long as that brings the file forward."""
    stalls = 0
    while True:
        before = run.notes.offset
        try:
            await fetch_bytes(run, target, limits, resolve)
            return
        except BrokeOff as broke:
            stalls = 0 if run.notes.offset - before >= PROGRESS_BYTES else stalls + 1
            if stalls >= STALLS_MAX or not run.notes.offset or broke.retry_after_seconds:
                raise
            log.info("a fetch broke off; it goes on at once", reason=broke.message, offset=run.notes.offset)
        await asyncio.sleep(PAUSE_SECONDS * stalls)


async def _give_back_attempt(run: FetchRun) -> None:
    """An orderly stop, or a store that is away, is no attempt."""
    with contextlib.suppress(FetchLost):
        notes = replace(run.notes, attempts=run.notes.attempts - 1, seconds=run.seconds_spent())
        await run.keep(notes)


async def _fail(run: FetchRun, error: ReelkeepError) -> None:
    """End the upload and its recording with the reason; the address is forgotten in the same transaction."""
    log.warning("a fetch failed", error_code=error.code, error=error.message)
    try:
        await run.keep(run.notes)  # only the one that holds it may end it
    except FetchLost:
        return
    await refuse(run.runtime, run.upload, error)
    await run.store.discard_growth(run.key, run.growth)
    await run.runtime.stores.get(run.upload.store).delete(run.key)
