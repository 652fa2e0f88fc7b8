"""The worker: takes jobs from the queues and does them, takes over those of dead workers, sweeps uploads.

Here the names of jobs meet their bodies. Any number of workers may run, on any number of machines.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from uuid import UUID

from procrastinate import App, PsycopgConnector
from procrastinate.jobs import DeleteJobCondition
from psycopg.conninfo import make_conninfo

from reelkeep.backups.schedule import back_up_forever
from reelkeep.blobs.invalidate import INVALIDATE, do_invalidate
from reelkeep.catalog.keep import keep_described
from reelkeep.errors import ReelkeepError
from reelkeep.jobs.queue import JobName
from reelkeep.jobs.retry import RetryWithBackOff
from reelkeep.jobs.takeover import take_over_forever
from reelkeep.logs import get_logger, log_context
from reelkeep.placement.purge_files import PURGE_FILES, remove_files
from reelkeep.placement.queue import MOVES, RECONCILE
from reelkeep.placement.reconcile import reconcile_blobs
from reelkeep.placement.restore_media import Following, sweep_restores
from reelkeep.placement.retention import Walk, sweep_retention
from reelkeep.placement.scrub import Unread, scrub
from reelkeep.placement.sweep import go_on_with_moves, sweep_placement
from reelkeep.recordings.steps import FETCH, MEDIA, SEAL, SPEECH
from reelkeep.recordings.sweep import sweep_steps
from reelkeep.renditions.media_job import process_media
from reelkeep.runtime import Runtime
from reelkeep.transcripts.transcribe import process_speech
from reelkeep.uploads.fetch import fetch_upload
from reelkeep.uploads.leftovers import sweep_attempts, sweep_incoming
from reelkeep.uploads.seal import Claims, seal
from reelkeep.uploads.sweep import sweep_uploads
from reelkeep.uploads.unkept import sweep_unkept

log = get_logger(__name__)

TAKEOVER_EVERY_SECONDS = 4.0
POLL_SECONDS = 3.0
INCOMING_EVERY_SWEEPS = 20
#: Half-written files of local stores are leftovers of a crash when they are this old.
TEMPORARY_SECONDS = 24 * 3_600.0
CONNECTIONS_MAX = 8
#: They wait for others' servers more than they work.
FETCHES_AT_ONCE = 4
RECONCILES_AT_ONCE = 4

Body = Callable[[Runtime, UUID, UUID], Awaitable[None]]
BlobBody = Callable[[Runtime, UUID, list[UUID]], Awaitable[object]]


class WorkerStopped(RuntimeError):
    """The worker ended though nobody told it to; whoever started it starts it again."""


async def seal_upload(runtime: Runtime, organization_id: UUID, recording_id: UUID) -> None:
    """Finish a seal that outlasted its request."""
    try:
        await seal(runtime, organization_id, recording_id, Claims())
    except ReelkeepError as error:
        if error.retry_after_seconds is not None:
            raise
        log.warning("seal given up", error_code=error.code, error=error.message)


async def media(runtime: Runtime, organization_id: UUID, recording_id: UUID) -> None:
    """Do the media steps of a recording, and have its store tell what came of them."""
    await process_media(runtime, organization_id, recording_id)
    await keep_described(runtime, organization_id, recording_id)


async def speech(runtime: Runtime, organization_id: UUID, recording_id: UUID) -> None:
    """Find the words of a recording, and keep them beside it too."""
    await process_speech(runtime, organization_id, recording_id)
    await keep_described(runtime, organization_id, recording_id, words=True)


BODIES: dict[JobName, Body] = {
    MEDIA: media,
    SPEECH: speech,
    SEAL: seal_upload,
    FETCH: fetch_upload,
}
BLOB_BODIES: dict[JobName, BlobBody] = {RECONCILE: reconcile_blobs, PURGE_FILES: remove_files}


def build_app(runtime: Runtime) -> App:
    """The queue's application with every job bound to its body and the runtime."""
    conninfo = make_conninfo(runtime.database.conninfo, options="-c search_path=public,jobs")
    app = App(connector=PsycopgConnector(conninfo=conninfo, min_size=1, max_size=CONNECTIONS_MAX))
    for job, body in BODIES.items():
        app.task(name=job.name, queue=job.queue, retry=RetryWithBackOff())(_bound(runtime, job, body))
    for job, work in BLOB_BODIES.items():
        app.task(name=job.name, queue=job.queue, retry=RetryWithBackOff())(
            _bound_to_blobs(runtime, job, work)
        )
    app.task(name=INVALIDATE.name, queue=INVALIDATE.queue, retry=RetryWithBackOff())(_bound_to_cdn(runtime))
    app.task(name=MOVES.name, queue=MOVES.queue, retry=RetryWithBackOff())(_bound_to_moves(runtime))
    return app


@contextmanager
def _job(job: JobName, **ids: str) -> Iterator[None]:
    """What is done for one job: its log lines tell of it, and so does its failure."""
    with log_context(job=job.name, **ids):
        try:
            yield
        except Exception as error:
            log.warning("job failed; it comes again", exc_info=error)
            raise


def _bound_to_moves(runtime: Runtime) -> Callable[..., Awaitable[None]]:
    async def run() -> None:
        with _job(MOVES):
            await go_on_with_moves(runtime)

    return run


def _bound_to_cdn(runtime: Runtime) -> Callable[..., Awaitable[None]]:
    async def run(store: str, keys: str, reference: str) -> None:
        with _job(INVALIDATE, store=store):
            await do_invalidate(runtime, store, keys.split("\n"), reference)

    return run


def _bound_to_blobs(runtime: Runtime, job: JobName, body: BlobBody) -> Callable[..., Awaitable[None]]:
    async def run(organization_id: str, blob_ids: str) -> None:
        with _job(job, organization_id=organization_id):
            await body(runtime, UUID(organization_id), [UUID(blob_id) for blob_id in blob_ids.split(",")])

    return run


def _bound(runtime: Runtime, job: JobName, body: Body) -> Callable[..., Awaitable[None]]:
    async def run(organization_id: str, recording_id: str) -> None:
        with _job(job, organization_id=organization_id, recording_id=recording_id):
            await body(runtime, UUID(organization_id), UUID(recording_id))

    return run


async def run_worker(runtime: Runtime, queues: Sequence[str] = ("media", "speech")) -> None:
    """Work until cancelled; raises `WorkerStopped` when the queue's loop ends by itself."""
    app = build_app(runtime)
    settings = runtime.settings
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(app.open_async())
        loops = [
            take_over_forever(
                app,
                runtime.database,
                stalled_seconds=settings.worker_stalled_seconds,
                every_seconds=TAKEOVER_EVERY_SECONDS,
            ),
            sweep_forever(runtime),
            scrub_forever(runtime),
            back_up_forever(runtime),
        ]
        concurrency = {
            "media": settings.worker_media_concurrency,
            "speech": settings.worker_speech_concurrency,
            FETCH.queue: FETCHES_AT_ONCE,
            RECONCILE.queue: RECONCILES_AT_ONCE,
        }
        if "media" in queues:
            queues = (*queues, FETCH.queue, RECONCILE.queue)
        workers = [_work_queue(app, runtime, queue, concurrency.get(queue, 1)) for queue in queues]
        log.info("worker ready", queues=list(queues))
        async with asyncio.TaskGroup() as group:
            for loop in (*loops, *workers):
                group.create_task(loop)


async def _work_queue(app: App, runtime: Runtime, queue: str, concurrency: int) -> None:
    settings = runtime.settings
    await app.run_worker_async(
        queues=[queue],
        name=queue,
        concurrency=concurrency,
        fetch_job_polling_interval=POLL_SECONDS,
        shutdown_graceful_timeout=settings.worker_shutdown_seconds,
        update_heartbeat_interval=settings.worker_heartbeat_seconds,
        stalled_worker_timeout=10 * settings.worker_stalled_seconds,
        delete_jobs=DeleteJobCondition.SUCCESSFUL,
        install_signal_handlers=False,
    )
    raise WorkerStopped(f"the worker of the queue {queue} ended by itself")


async def sweep_forever(runtime: Runtime) -> None:
    """Sweep uploads and steps until cancelled; several workers may, since every write is guarded."""
    sweeps = 0
    place, walk, following = None, Walk(), Following()
    while True:
        try:
            await sweep_uploads(runtime)
            await sweep_unkept(runtime)
            place = await sweep_steps(runtime, place)
            await sweep_retention(runtime, walk)
            await sweep_restores(runtime, following)
            await sweep_placement(runtime)
            if sweeps % INCOMING_EVERY_SWEEPS == 0:
                await sweep_incoming(runtime)
                await sweep_attempts(runtime)
                for store in runtime.stores.on_wire.values():
                    await store.sweep_temporary(TEMPORARY_SECONDS)
        except Exception as error:  # the loop must outlive any one failure
            log.warning("sweeping failed", exc_info=error)
        sweeps += 1
        await asyncio.sleep(runtime.settings.sweep_seconds)


async def scrub_forever(runtime: Runtime) -> None:
    """Read what is due of all copies until cancelled; a long file must not stop the sweep."""
    unread = Unread()
    while True:
        await asyncio.sleep(runtime.settings.sweep_seconds)
        try:
            await scrub(runtime, unread)
        except Exception as error:  # the loop must outlive any one failure
            log.warning("reading copies failed", exc_info=error)
