"""Runs `reelkeep.media.child` for one piece of work and never longer than its limits allow.

The child is given open descriptors and no path, a bare environment and its own process group. It is killed
when the time is up, when the awaiting task is cancelled, and by the kernel when this process dies.
"""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from reelkeep.errors import ErrorCode, MediaError
from reelkeep.logs import get_logger
from reelkeep.media.facts import MediaLimits

log = get_logger(__name__)

Progress = Callable[[float], None]

ANSWER_BYTES_MAX = 65_536
STDERR_TAIL_BYTES = 4_096
ENVIRONMENT = {
    "LC_ALL": "C.UTF-8",
    # One thread: a pool for linear algebra takes address space for every core and does nothing here.
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    # The index of a long file grows by copies of itself: each goes back to the system when it is freed.
    "MALLOC_MMAP_THRESHOLD_": "1048576",
}


async def run_child(
    work: str,
    source: Path,
    target: Path | None,
    limits: MediaLimits,
    progress: Progress | None = None,
    *,
    channel: int | None = None,
) -> dict[str, Any]:
    """The child's result. `target` is made anew, and removed again unless all went well.

    Raises `MediaError`: MEDIA_LIMIT over a bound, MEDIA_CRASHED where the child ended by itself, else what
    the child says of the file. Progress is a fraction from 0 to 1, at most ten times a second.
    """
    source_fd = os.open(source, os.O_RDONLY | os.O_CLOEXEC)
    target_fd = None
    done = False
    try:
        target_fd = _create(target) if target else None
        request = {
            "work": work,
            "source_fd": source_fd,
            "target_fd": target_fd,
            "limits": asdict(limits),
            "parent_pid": os.getpid(),
            "channel": channel,
        }
        result = await _converse(request, limits, progress)
        done = True
        return result
    finally:
        os.close(source_fd)
        if target_fd is not None:
            os.close(target_fd)
        if target is not None and not done:
            _remove(target)


def _create(target: Path) -> int:
    return os.open(target, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)


def _remove(target: Path) -> None:
    target.unlink(missing_ok=True)


async def _converse(
    request: dict[str, Any], limits: MediaLimits, progress: Progress | None
) -> dict[str, Any]:
    process = await _start(request)
    stderr = asyncio.create_task(_tail(process))
    try:
        async with asyncio.timeout(limits.seconds_max):
            answer = await _last_answer(process, progress)
            await process.wait()
    except TimeoutError:
        raise _over_time(limits) from None
    finally:
        await _end(process)
        tail = await stderr
    return _result(process, answer, tail, limits)


async def _start(request: dict[str, Any]) -> asyncio.subprocess.Process:
    fds = [request["source_fd"], request["target_fd"]]
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-I",
        "-m",
        "reelkeep.media.child",
        json.dumps(request),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        pass_fds=[fd for fd in fds if fd is not None],
        # Not a session of its own: Linux would give that a full share of the processor, however nice it is.
        process_group=0,
        env=ENVIRONMENT,
        cwd="/",
        limit=ANSWER_BYTES_MAX,
    )


async def _last_answer(process: asyncio.subprocess.Process, progress: Progress | None) -> dict[str, Any]:
    """The child's final line; empty where it ended without one."""
    assert process.stdout is not None
    try:
        while line := await process.stdout.readline():
            answer = json.loads(line)
            if "progress" not in answer:
                return dict(answer)
            if progress:
                progress(min(1.0, max(0.0, float(answer["progress"]))))
    except (ValueError, TypeError):
        log.warning("a media child answered what no child answers")
        raise nonsense() from None
    return {}


async def _tail(process: asyncio.subprocess.Process) -> str:
    """The end of what the child wrote to standard error."""
    assert process.stderr is not None
    tail = b""
    while block := await process.stderr.read(STDERR_TAIL_BYTES):
        tail = (tail + block)[-STDERR_TAIL_BYTES:]
    return tail.decode(errors="replace").strip()


async def _end(process: asyncio.subprocess.Process) -> None:
    """Leave no process behind, whatever happened.

    Standard output is read to its end: asyncio waits for the pipes of an ended process, and an unread one
    that is over its limit is never found closed.
    """
    if process.returncode is None:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            log.debug("a media child had ended already")
    assert process.stdout is not None
    while await process.stdout.read(ANSWER_BYTES_MAX):
        pass
    await process.wait()


def nonsense() -> MediaError:
    """What is raised where a child's answer has no known form."""
    return MediaError("The program that reads media answered in no known form.", ErrorCode.MEDIA_CRASHED)


def _result(
    process: asyncio.subprocess.Process, answer: dict[str, Any], tail: str, limits: MediaLimits
) -> dict[str, Any]:
    error, result = answer.get("error"), answer.get("result")
    if process.returncode == 0 and isinstance(result, dict):
        return result
    if process.returncode == 0 and isinstance(error, dict):
        raise _told(error)
    log.warning("a media child failed", exit_status=process.returncode, stderr=tail)
    raise _crashed(process.returncode or 0, limits)


def _told(error: dict[str, Any]) -> MediaError:
    try:
        code = ErrorCode(error["code"])
        return MediaError(str(error["message"]), code, **dict(error.get("details", {})))
    except (KeyError, TypeError, ValueError):
        return nonsense()


def _over_time(limits: MediaLimits) -> MediaError:
    return MediaError(
        f"Working on this file took more than the {limits.seconds_max} seconds that are allowed.",
        ErrorCode.MEDIA_LIMIT,
        limit=limits.seconds_max,
        unit="seconds",
        what="time",
    )


def _crashed(status: int, limits: MediaLimits) -> MediaError:
    if -status == signal.SIGXCPU:
        return _over_time(limits)
    if status >= 0:
        return MediaError(
            f"The program that reads media ended with status {status} and no answer; see the log.",
            ErrorCode.MEDIA_CRASHED,
            exit_status=status,
        )
    name = signal.Signals(-status).name
    hint = " The machine may be out of memory." if -status == signal.SIGKILL else " The file may be damaged."
    return MediaError(
        f"The program that reads media was ended by {name}.{hint}", ErrorCode.MEDIA_CRASHED, signal=name
    )
