"""An engine in a child process of its own, which can be killed.

Engines are native code: they hold the interpreter's lock for seconds, crash, hang and keep memory. So each
runs in a child process that hears of sound by path and range only, loads its model once for many stretches,
knows none of the worker's secrets, and dies with the worker or with the call that is cancelled.
"""

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from reelkeep.errors import EngineError, ErrorCode
from reelkeep.logs import get_logger
from reelkeep.speech import sound, timeline, wire
from reelkeep.speech.limits import EngineLimits
from reelkeep.speech.protocol import (
    SAMPLE_RATE_HZ,
    EngineSpec,
    Heard,
    Options,
    Progress,
    Stretch,
    StretchResult,
)
from reelkeep.transactions import refuse_inside_unit_of_work

log = get_logger(__name__)

STDERR_BYTES_KEPT = 4_096
LAST_WORDS_SECONDS = 1.0
THREADS_DEFAULT_MAX = 4
# What the native libraries need to find themselves and a card; no setting of ours is among it.
INHERITED_VARIABLES = (
    "PATH",
    "HOME",
    "TMPDIR",
    "PYTHONPATH",
    "LD_LIBRARY_PATH",
    "CUDA_VISIBLE_DEVICES",
    "CUDA_HOME",
    "NVIDIA_VISIBLE_DEVICES",
    "NVIDIA_DRIVER_CAPABILITIES",
)


def _no_progress(_seconds: float) -> None:
    return None


class EngineProcess:
    """`async with EngineProcess(spec) as engine:` then hear a file and transcribe stretch after stretch.

    One call at a time: who hears the rest of a file while its first stretches are transcribed has two. The
    model is loaded by the first `transcribe`, so that silence costs none. After a timeout, a crash or a
    cancelled call the process is gone and every later call fails.
    """

    def __init__(self, spec: EngineSpec, limits: EngineLimits | None = None) -> None:
        self._spec = spec
        self._limits = limits or EngineLimits()
        self._process: asyncio.subprocess.Process | None = None
        self._replies = asyncio.StreamReader(limit=wire.REPLY_BYTES_MAX)
        self._replies_transport: asyncio.BaseTransport | None = None
        self._stderr = _Tail()
        self._stderr_reader: asyncio.Task[None] | None = None
        self._one_at_a_time, self._one_load = asyncio.Lock(), asyncio.Lock()
        self._is_loaded = False
        #: Seconds inside the engine so far: loading its model, and transcribing.
        self.engine_seconds = 0.0

    @property
    def pid(self) -> int | None:
        """The child's process id while it runs."""
        running = self._process is not None and self._process.returncode is None
        return self._process.pid if self._process is not None and running else None

    async def __aenter__(self) -> Self:
        refuse_inside_unit_of_work("starting a speech engine")
        try:
            await self._start()
        except BaseException:
            await self._end()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._end()

    async def plan(self, pcm_path: Path, progress: Progress = _no_progress) -> list[Stretch]:
        """The stretches of a raw int16 file, cut where nobody speaks; none when nobody does.

        `progress` is told the seconds heard so far. Raises `EngineError`.
        """
        samples = sound.sample_count(pcm_path)
        return list((await self.hear(pcm_path, samples, is_all=True, progress=progress)).stretches)

    async def hear(
        self, pcm_path: Path, samples: int, *, is_all: bool, progress: Progress = _no_progress
    ) -> Heard:
        """What so many samples of a file that is still being written settle, and fewer did not.

        To be called again with more of them until it has been told that these are all.
        """
        limit = self._limits.plan_seconds_max(samples / SAMPLE_RATE_HZ)
        request = wire.hear_request(pcm_path, samples, is_all=is_all)
        reply = await self._ask(request, limit, "finding the speech", progress)
        return Heard(tuple(map(wire.stretch_from, reply["stretches"])), bool(reply["has_speech"]))

    async def transcribe(
        self,
        pcm_path: Path,
        stretch: Stretch,
        options: Options | None = None,
        progress: Progress = _no_progress,
    ) -> StretchResult:
        """The words of one stretch, with times in seconds from the start of the recording.

        `progress` is told the seconds of the stretch that are done. Raises `EngineError`: ENGINE_TIMEOUT,
        ENGINE_FAILED (with `signal` or `exit_code` and the end of what the process said), ENGINE_NOT_READY.
        """
        await self.load()
        request = wire.transcribe_request(pcm_path, stretch, options or Options())
        limit = self._limits.stretch_seconds_max(stretch)
        seconds_before = self.engine_seconds
        reply = await self._ask_engine(request, limit, f"stretch {stretch.index}", progress)
        result = timeline.in_recording(wire.result_from(reply), stretch)
        log.info(
            "stretch transcribed",
            engine=self._spec.engine,
            stretch=stretch.index,
            sound_seconds=round(stretch.duration_seconds, 1),
            seconds=round(self.engine_seconds - seconds_before, 2),
            segments=len(result.segments),
        )
        return result

    async def load(self) -> None:
        """Load the model now rather than at the first stretch; a second call only waits for the first."""
        async with self._one_load:
            if self._is_loaded:
                return
            limit = self._limits.load_seconds_max
            await self._ask_engine(wire.load_request(self._spec), limit, "loading the model", _no_progress)
            self._is_loaded = True
            log.info("engine loaded", engine=self._spec.engine, seconds=round(self.engine_seconds, 2))

    async def _ask_engine(
        self, request: dict[str, Any], limit_seconds: float, what: str, progress: Progress
    ) -> dict[str, Any]:
        started = time.monotonic()
        try:
            return await self._ask(request, limit_seconds, what, progress)
        finally:
            self.engine_seconds += time.monotonic() - started

    async def _start(self) -> None:
        read_fd, write_fd = os.pipe()
        try:
            self._process = await asyncio.create_subprocess_exec(
                *self._command(write_fd),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,
                pass_fds=(write_fd,),
                env=_environment(self._spec.threads),
                cwd="/",
                # A group, not a session, which Linux would give a full share of the processor.
                process_group=0,
            )
        except BaseException:
            os.close(read_fd)
            raise
        finally:
            os.close(write_fd)
        replies = self._replies
        self._replies_transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(replies), os.fdopen(read_fd, "rb", buffering=0)
        )
        if self._process.stderr is not None:
            self._stderr_reader = asyncio.create_task(self._stderr.follow(self._process.stderr))

    def _command(self, replies_fd: int) -> list[str]:
        settings = {"nice": self._limits.nice, "memory_bytes_max": self._limits.memory_bytes_max}
        # -P: the folder the worker stands in is not where modules come from.
        module = ["-P", "-m", "reelkeep.speech.child"]
        return [sys.executable, *module, str(os.getpid()), str(replies_fd), json.dumps(settings)]

    async def _ask(
        self, request: dict[str, Any], limit_seconds: float, what: str, progress: Progress
    ) -> dict[str, Any]:
        refuse_inside_unit_of_work("a speech engine")
        async with self._one_at_a_time, self._killed_unless_answered(limit_seconds, what):
            reply = await self._exchange(request, progress, what)
        if "error" in reply:
            raise wire.error_from(reply["error"])
        answer: dict[str, Any] = reply["ok"]
        return answer

    @contextlib.asynccontextmanager
    async def _killed_unless_answered(self, limit_seconds: float, what: str) -> AsyncIterator[None]:
        """Whatever ends the exchange but an answer, also a cancellation, ends the process."""
        try:
            async with asyncio.timeout(limit_seconds):
                yield
        except TimeoutError as late:
            await self._end()
            log.warning("engine killed", engine=self._spec.engine, during=what, limit_seconds=limit_seconds)
            raise EngineError(
                f"The speech engine {self._spec.engine} was stopped: "
                f"{what} took more than {limit_seconds:g} s. "
                "Run the step again, choose a smaller model, or raise the engine's time limit.",
                ErrorCode.ENGINE_TIMEOUT,
                engine=self._spec.engine,
                during=what,
                limit_seconds=limit_seconds,
            ) from late
        except BaseException:
            await self._end()
            raise

    async def _exchange(self, request: dict[str, Any], progress: Progress, what: str) -> dict[str, Any]:
        if self.pid is None or self._process is None or self._process.stdin is None:
            raise EngineError(
                f"The process of the speech engine {self._spec.engine} is not running: start a new one.",
                engine=self._spec.engine,
            )
        # A process that is gone is told by the end of its replies.
        with contextlib.suppress(ConnectionError):
            self._process.stdin.write(wire.encode(request))
            await self._process.stdin.drain()
        while (line := await self._replies.readline()).endswith(b"\n"):
            reply = wire.decode(line)
            if "done_seconds" not in reply:
                return reply
            progress(reply["done_seconds"])
        raise await self._death(what)

    async def _death(self, what: str) -> EngineError:
        if self._process is not None:
            # Killing what has just died would hide from us how it died.
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._process.wait(), LAST_WORDS_SECONDS)
        await self._end()
        code = self._process.returncode if self._process is not None else None
        how = _how_it_ended(code)
        log.warning("engine process died", engine=self._spec.engine, during=what, how=how)
        return EngineError(
            f"The process of the speech engine {self._spec.engine} died ({how}) during {what}. "
            "Run the step again; if it dies again, look for too little memory, or choose another engine.",
            engine=self._spec.engine,
            during=what,
            signal=_signal_name(code),
            exit_code=code if code is not None and code >= 0 else None,
            stderr=self._stderr.text(),
        )

    async def _end(self) -> None:
        """Kill the process and wait until it is gone, also when the waiting is itself cancelled."""
        if self._process is not None:
            await asyncio.shield(asyncio.ensure_future(self._reap(self._process)))
        if self._replies_transport is not None:
            self._replies_transport.close()

    async def _reap(self, process: asyncio.subprocess.Process) -> None:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
        await process.wait()
        if self._stderr_reader is not None:
            # Should something else hold the pipe open, its end is not waited for.
            await asyncio.wait({self._stderr_reader}, timeout=LAST_WORDS_SECONDS)
            self._stderr_reader.cancel()
        if process.stdin is not None:
            process.stdin.close()


class _Tail:
    """The end of what a stream said."""

    def __init__(self) -> None:
        self._kept = b""

    async def follow(self, stream: asyncio.StreamReader) -> None:
        while said := await stream.read(STDERR_BYTES_KEPT):
            self._kept = (self._kept + said)[-STDERR_BYTES_KEPT:]

    def text(self) -> str:
        return self._kept.decode(errors="replace").strip()


def _environment(threads: int) -> dict[str, str]:
    inherited = {name: os.environ[name] for name in INHERITED_VARIABLES if name in os.environ}
    count = threads or min(THREADS_DEFAULT_MAX, os.cpu_count() or 1)
    return {
        **inherited,
        "LANG": "C.UTF-8",
        "OMP_NUM_THREADS": str(count),
        "OPENBLAS_NUM_THREADS": "1",
        # A stretch's large arrays go back to the system when they are freed, instead of staying in the heap.
        "MALLOC_MMAP_THRESHOLD_": "2097152",
        # No library may fetch a model or tell anyone that it is used.
        "HF_HUB_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }


def _signal_name(returncode: int | None) -> str | None:
    if returncode is None or returncode >= 0:
        return None
    try:
        return signal.Signals(-returncode).name
    except ValueError:
        return f"signal {-returncode}"


def _how_it_ended(returncode: int | None) -> str:
    return _signal_name(returncode) or f"exit code {returncode}"
