"""The engine process: `python -m reelkeep.speech.child PARENT_PID REPLIES_FD SETTINGS`.

Requests come on standard input, replies go to a pipe of their own: libraries may print what they like to
standard output, which goes where standard error goes. The process ends with its parent, whatever ends that.
"""

import ctypes
import json
import os
import resource
import signal
import sys
import traceback
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

from reelkeep.errors import EngineError
from reelkeep.speech import registry, sound, stretches, timeline, wire
from reelkeep.speech.protocol import LoadedEngine, Progress

PR_SET_PDEATHSIG = 1
ENGINE_LOG_CHARACTERS_MAX = 500


class Conversation:
    """Answers requests one after another; the engine stays in memory between them."""

    def __init__(self, replies: BinaryIO) -> None:
        self._replies = replies
        self._engine: LoadedEngine | None = None
        self._listener: stretches.Listener | None = None
        self._actions: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
            "hear": self._hear,
            "load": self._load,
            "transcribe": self._transcribe,
        }

    def answer(self, request: dict[str, Any]) -> None:
        """Do what is asked and say how it went; only a dying process leaves a request unanswered."""
        try:
            self._say({"ok": self._actions[request["do"]](request)})
        except EngineError as error:
            self._say(wire.error_reply(error))
        except Exception as problem:  # noqa: BLE001 - an engine may raise anything; it is told to the worker
            traceback.print_exc()
            self._say(wire.error_reply(_engine_failed(problem)))

    def _hear(self, request: dict[str, Any]) -> dict[str, Any]:
        listener = self._listener or stretches.Listener(Path(request["path"]))
        is_all = request["is_all"]
        settled = listener.hear(request["samples"], is_all=is_all, progress=self._progress())
        self._listener = None if is_all else listener
        return {"stretches": [asdict(s) for s in settled], "has_speech": listener.has_heard_speech}

    def _load(self, request: dict[str, Any]) -> dict[str, Any]:
        self._engine = registry.build(wire.spec_from(request["spec"])).load()
        return {}

    def _transcribe(self, request: dict[str, Any]) -> dict[str, Any]:
        if self._engine is None:
            raise EngineError("No engine is loaded: load one first.")
        stretch = wire.stretch_from(request["stretch"])
        pcm = sound.read(Path(request["path"]), stretch.start_seconds, stretch.end_seconds)
        options = wire.options_from(request["options"])
        result = self._engine.transcribe(pcm, options, timeline.spans_in(stretch), self._progress())
        return asdict(result)

    def _progress(self) -> Progress:
        return lambda seconds: self._say({"done_seconds": round(float(seconds), 3)})

    def _say(self, message: dict[str, Any]) -> None:
        self._replies.write(wire.encode(message))
        self._replies.flush()


def main(arguments: list[str]) -> None:
    """Serve one parent until it closes the requests or dies."""
    parent_pid, replies_fd, settings = int(arguments[0]), int(arguments[1]), json.loads(arguments[2])
    _die_with(parent_pid)
    _apply(settings)
    requests = os.fdopen(os.dup(0), "rb")
    _keep_libraries_off_the_pipes()
    with os.fdopen(replies_fd, "wb") as replies:
        conversation = Conversation(replies)
        for line in requests:
            conversation.answer(wire.decode(line))


def _die_with(parent_pid: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    # The parent may have gone before this process could ask to be told.
    if os.getppid() != parent_pid:
        sys.exit("the worker that started this engine process is gone")


def _apply(settings: dict[str, Any]) -> None:
    os.nice(settings["nice"])
    if settings["memory_bytes_max"] is not None:
        resource.setrlimit(resource.RLIMIT_AS, (settings["memory_bytes_max"],) * 2)
    # A core file of a crashed engine would hold the sound.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _keep_libraries_off_the_pipes() -> None:
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)


def _engine_failed(problem: Exception) -> EngineError:
    told = str(problem)[:ENGINE_LOG_CHARACTERS_MAX]
    return EngineError(
        f"The speech engine failed with {type(problem).__name__}: {told or 'no message'}. "
        "Run the step again; if it fails again, choose another engine.",
        exception=type(problem).__name__,
    )


if __name__ == "__main__":
    main(sys.argv[1:])
