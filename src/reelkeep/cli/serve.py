"""Run the server, and by default a worker as its child process, started again whenever it dies."""

import asyncio
import ctypes
import gc
import os
import resource
import signal
import socket
import sys
import time
from contextlib import suppress

import uvicorn
import uvloop

from reelkeep.accounts.setup import issue_first_administrator_link, needs_first_administrator
from reelkeep.errors import ErrorCode, ReelkeepError
from reelkeep.http.app import build_app
from reelkeep.http.interim import InterimProtocol
from reelkeep.http.protocol import BodyProtocol
from reelkeep.logs import get_logger
from reelkeep.runtime import Runtime
from reelkeep.settings import Settings
from reelkeep.uploads.writers import writers_of
from reelkeep.wiring import open_runtime

log = get_logger(__name__)

FIRST_DELAY_SECONDS = 1.0
DELAY_SECONDS_MAX = 60.0
#: A worker that lived this long did not die of what killed the one before.
HEALTHY_SECONDS = 120.0
PR_SET_PDEATHSIG = 1
IDLE_CONNECTION_SECONDS = 75
DRAIN_SECONDS = 10


def serve(settings: Settings, *, with_worker: bool) -> int:
    """Serve until SIGTERM or SIGINT, which also stop a start that is under way; the exit status."""
    listening = _listen(settings)
    if settings.port == 0:
        settings = settings.model_copy(update={"port": listening.getsockname()[1]})
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(_serve(settings, listening, with_worker=with_worker))
    except asyncio.CancelledError:
        log.info("stopped before it was ready")
        return 0
    finally:
        listening.close()


def _listen(settings: Settings) -> socket.socket:
    """Take the port first: a port in use is told before anything is started."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((settings.host, settings.port))
        listening.listen()  # else another server that is just starting could bind the same port
    except OSError as error:
        listening.close()
        raise ReelkeepError(
            f"Cannot listen on {settings.host}:{settings.port}: {error.strerror}. "
            "Is Reelkeep running already? Choose another port with --port.",
            ErrorCode.SETTINGS_INVALID,
        ) from error
    listening.set_inheritable(False)
    return listening


class _Stop:
    """What SIGTERM and SIGINT do: cancel the start, or end the server.

    uvicorn catches both while it serves, and raises them again when it has ended: then the worker is being
    stopped in order, and they change nothing any more.
    """

    def __init__(self) -> None:
        self.server: uvicorn.Server | None = None
        self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self)

    def __call__(self, *_: object) -> None:
        """Take a signal, between any two lines of the program."""
        if self.server is not None:
            self.server.should_exit = True
        elif self._task is not None:
            self._loop.call_soon_threadsafe(self._task.cancel)


async def _serve(settings: Settings, listening: socket.socket, *, with_worker: bool) -> int:
    stop = _Stop()
    _allow_many_files()
    async with open_runtime(settings) as runtime:
        server = stop.server = uvicorn.Server(_uvicorn_config(runtime))
        _settle_memory()
        watching = asyncio.create_task(keep_worker(settings)) if with_worker else None
        telling = asyncio.create_task(_tell_when_ready(runtime, server))
        ending = asyncio.create_task(_end_uploads_when_stopping(runtime, server))
        try:
            await server.serve(sockets=[listening])
        finally:
            telling.cancel()
            ending.cancel()
            if watching:
                watching.cancel()
                with suppress(asyncio.CancelledError):
                    await watching
    return 0


def _allow_many_files() -> None:
    """Each upload under way has a connection and, in a local store, a file; 1,024 in all is a usual limit."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _settle_memory() -> None:
    """Keep the collector off what was loaded at start: it lives as long as the process."""
    gc.collect()
    gc.freeze()


def _uvicorn_config(runtime: Runtime) -> uvicorn.Config:
    settings = runtime.settings
    return uvicorn.Config(
        build_app(runtime),
        loop="uvloop",
        http=InterimProtocol if settings.upload_interim_responses else BodyProtocol,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=settings.trusted_proxies or None,
        timeout_keep_alive=IDLE_CONNECTION_SECONDS,
        timeout_graceful_shutdown=DRAIN_SECONDS,
        lifespan="off",
    )


async def _tell_when_ready(runtime: Runtime, server: uvicorn.Server) -> None:
    """One line when requests are answered; before it, on an empty installation, the administrator's link."""
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.01)
    base_url = runtime.settings.base_url
    async with runtime.database.directory() as session:
        if await needs_first_administrator(session):
            link = await issue_first_administrator_link(session, runtime.clock)
            print(f"Make the first administrator (once): {base_url}/welcome?token={link.token}", flush=True)
    print(f"Reelkeep is ready at {base_url}", flush=True)


async def _end_uploads_when_stopping(runtime: Runtime, server: uvicorn.Server) -> None:
    """Uploads would go on for hours: they are kept as far as they are, and their clients come again."""
    while not server.should_exit:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.1)
    await writers_of(runtime).end_all()


async def keep_worker(settings: Settings) -> None:
    """Keep one worker process alive until cancelled; the wait before each new start grows, and is told."""
    delay = FIRST_DELAY_SECONDS
    while True:
        started = time.monotonic()
        code = await _run_worker_process(settings)
        if time.monotonic() - started > HEALTHY_SECONDS:
            delay = FIRST_DELAY_SECONDS
        log.error("worker process ended; it is started again", exit_code=code, in_seconds=delay)
        await asyncio.sleep(delay)
        delay = min(delay * 2, DELAY_SECONDS_MAX)


async def _run_worker_process(settings: Settings) -> int:
    command = [sys.executable, "-m", "reelkeep", "worker", "--data", str(settings.data)]
    process = await asyncio.create_subprocess_exec(
        *command,
        env=_worker_environment(settings),
        stdin=asyncio.subprocess.DEVNULL,
        preexec_fn=_die_with_parent,
    )
    try:
        return await process.wait()
    except asyncio.CancelledError:
        with suppress(ProcessLookupError):
            process.terminate()
        await _wait_or_kill(process, settings.worker_shutdown_seconds + 5)
        raise


async def _wait_or_kill(process: asyncio.subprocess.Process, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


def _worker_environment(settings: Settings) -> dict[str, str]:
    """Our own environment, with what flags may have changed said again."""
    return {
        **os.environ,
        "REELKEEP_DATA": str(settings.data),
        "REELKEEP_PUBLIC_URL": settings.base_url,
        "REELKEEP_LOG_LEVEL": settings.log_level,
        "REELKEEP_LOG_FORMAT": settings.log_format,
    }


def _die_with_parent() -> None:
    """SIGTERM when the server dies, kill -9 too (Linux): no worker is left behind unwatched."""
    os.nice(5)
    # Out of reach of a terminal's Ctrl+C, but in our session: Linux would give one of its own a full share of
    # the processor, however nice it is. (uvloop knows no `process_group`.)
    os.setpgid(0, 0)
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
