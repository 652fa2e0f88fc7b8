"""Run a worker until it is told to stop."""

import asyncio
import signal
from collections.abc import Awaitable, Sequence

from reelkeep.blobs.scratch import sweep_scratch
from reelkeep.logs import get_logger
from reelkeep.settings import Settings
from reelkeep.wiring import open_runtime
from reelkeep.worker import WorkerStopped, run_worker

log = get_logger(__name__)

STOPPED_BY_ITSELF = 1


def work(settings: Settings, queues: Sequence[str]) -> int:
    """Take jobs from these queues until SIGTERM or SIGINT; 0 after an orderly stop, 1 otherwise."""
    return asyncio.run(_work(settings, queues))


async def _work(settings: Settings, queues: Sequence[str]) -> int:
    async with open_runtime(settings, application_name="reelkeep-worker") as runtime:
        await asyncio.to_thread(sweep_scratch, runtime.scratch)
        exit_code = 0
        try:
            await until_told_to_stop(run_worker(runtime, queues))
        except* WorkerStopped as stopped:
            log.error("worker stopped by itself", exc_info=stopped)
            exit_code = STOPPED_BY_ITSELF
    log.info("worker stopped", exit_code=exit_code)
    return exit_code


async def until_told_to_stop(running: Awaitable[None]) -> None:
    """Run until the end or until SIGTERM or SIGINT, which cancel; a second signal is not waited out."""
    task = asyncio.ensure_future(running)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
    try:
        await task
    except asyncio.CancelledError:
        return
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
