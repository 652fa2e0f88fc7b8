"""What engine process and worker say to each other: one JSON object a line, no sound among it.

Request   {"do": "hear" | "load" | "transcribe", ...arguments}
Reply     any number of {"done_seconds": s}, then {"ok": {...}} or {"error": {code, message, details}}
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from reelkeep.errors import EngineError, ErrorCode
from reelkeep.speech.protocol import (
    EngineSpec,
    Options,
    Segment,
    Span,
    Stretch,
    StretchResult,
    Word,
)

REPLY_BYTES_MAX = 64 * 1024 * 1024


def encode(message: Mapping[str, Any]) -> bytes:
    """One line; a value that is not plain data, or not a finite number, is a programming error."""
    return json.dumps(message, allow_nan=False, separators=(",", ":")).encode() + b"\n"


def decode(line: bytes) -> dict[str, Any]:
    """The object on one line. Raises `ValueError` when there is none."""
    message = json.loads(line)
    if not isinstance(message, dict):
        raise ValueError("a message is one JSON object")
    return message


def hear_request(pcm_path: Path, samples: int, *, is_all: bool) -> dict[str, Any]:
    """Ask for the stretches that the first so many samples of a file settle."""
    return {"do": "hear", "path": str(pcm_path.absolute()), "samples": samples, "is_all": is_all}


def load_request(spec: EngineSpec) -> dict[str, Any]:
    """Ask that an engine be loaded."""
    # The engine process stands in another folder than the worker does.
    model_dir = str(Path(spec.model_dir).absolute()) if spec.model_dir else None
    return {"do": "load", "spec": asdict(replace(spec, model_dir=model_dir))}


def transcribe_request(pcm_path: Path, stretch: Stretch, options: Options) -> dict[str, Any]:
    """Ask for the words of one stretch."""
    return {
        "do": "transcribe",
        "path": str(pcm_path.absolute()),
        "stretch": asdict(stretch),
        "options": asdict(options),
    }


def error_reply(error: EngineError) -> dict[str, Any]:
    """An engine's error, to be raised again on the other side."""
    return {"error": {"code": error.code, "message": error.message, "details": error.details}}


def error_from(data: Mapping[str, Any]) -> EngineError:
    """The error that the other side met."""
    return EngineError(str(data["message"]), ErrorCode(data["code"]), **data["details"])


def spec_from(data: Mapping[str, Any]) -> EngineSpec:
    """The engine described by plain data."""
    return EngineSpec(**data)


def options_from(data: Mapping[str, Any]) -> Options:
    """The caller's options from plain data."""
    return Options(**data)


def stretch_from(data: Mapping[str, Any]) -> Stretch:
    """A stretch from plain data."""
    return Stretch(**{**data, "speech": tuple(Span(**span) for span in data["speech"])})


def result_from(data: Mapping[str, Any]) -> StretchResult:
    """What a stretch gave, from plain data."""
    segments = tuple(_segment_from(segment) for segment in data["segments"])
    return StretchResult(**{**data, "segments": segments, "warnings": tuple(data["warnings"])})


def _segment_from(data: Mapping[str, Any]) -> Segment:
    return Segment(**{**data, "words": tuple(Word(**word) for word in data["words"])})
