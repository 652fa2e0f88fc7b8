"""The program that decodes media from outside: started by `child_process`, bounded, alone with its files.

It is given descriptors and a request as JSON, and answers in lines of JSON on standard output:
`{"progress": 0.25}`, then `{"result": …}` or `{"error": {"code", "message", "details"}}`.
"""

import errno
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any, TextIO

from reelkeep.errors import ErrorCode, MediaError
from reelkeep.media import render
from reelkeep.media.decode import SoundReader
from reelkeep.media.facts import MediaLimits
from reelkeep.media.measure import measure
from reelkeep.media.sandbox import end_with_parent, limit_resources, refuse_system_calls

#: Whoever works on what is written while it is written learns of it so often.
PROGRESS_SECONDS_MIN = 0.1
#: Added to the worker's. What the words wait for goes before the engine, what is for playing goes after it.
NICENESS = {"probe": 5, "sound": 5, "playback": 15, "peaks": 15}


def main() -> int:
    """Do the one piece of work that the request names."""
    request = json.loads(sys.argv[1])
    answers = _take_standard_output()
    limits = MediaLimits(**request["limits"])
    end_with_parent(request["parent_pid"])
    limit_resources(limits, NICENESS[request["work"]])
    sandbox = refuse_system_calls()
    try:
        result = _work(request, limits, sandbox, _progress_to(answers))
    except MediaError as error:
        _say(answers, error={"code": error.code, "message": error.message, "details": error.details})
    except MemoryError:
        _say(answers, error=_over_limit("memory", limits.memory_bytes_max, "bytes"))
    except OSError as error:
        if not _file_too_large(error):
            raise
        _say(answers, error=_over_limit("output", limits.output_bytes_max, "bytes"))
    else:
        _say(answers, result=result)
    return 0


def _work(request: dict[str, Any], limits: MediaLimits, sandbox: str, report: Callable[[float], None]) -> Any:
    source_fd, target_fd = request["source_fd"], request["target_fd"]
    sound = SoundReader(source_fd, limits, report)
    match request["work"]:
        case "probe":
            return asdict(measure(sound, os.fstat(source_fd).st_size, sandbox))
        case "playback":
            rendered = render.playback(sound, target_fd)
        case "peaks":
            rendered = render.peaks(sound, target_fd)
        case "sound":
            rendered = render.samples_for_speech(sound, target_fd, request["channel"])
        case other:
            raise ValueError(f"no such work: {other}")
    rendered.details["sandbox"] = sandbox
    return asdict(rendered)


def _take_standard_output() -> TextIO:
    """Answers alone go there; whatever a library prints goes to standard error."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return answers


def _say(answers: TextIO, **message: Any) -> None:
    answers.write(json.dumps(message) + "\n")
    answers.flush()


def _progress_to(answers: TextIO) -> Callable[[float], None]:
    next_at = 0.0

    def report(fraction: float) -> None:
        nonlocal next_at
        now = time.monotonic()
        if now >= next_at:
            next_at = now + PROGRESS_SECONDS_MIN
            _say(answers, progress=round(fraction, 4))

    return report


def _over_limit(what: str, most: int, unit: str) -> dict[str, Any]:
    message = f"Working on this file needs more than the {most:,} {unit} of {what} that are allowed."
    return {
        "code": ErrorCode.MEDIA_LIMIT,
        "message": message,
        "details": {"limit": most, "unit": unit, "what": what},
    }


def _file_too_large(error: OSError) -> bool:
    return error.errno == errno.EFBIG


if __name__ == "__main__":
    sys.exit(main())
