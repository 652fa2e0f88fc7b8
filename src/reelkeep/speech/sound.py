"""Raw sound on scratch: mono, 16 kHz, little-endian int16, no header.

It is read by ranges, never mapped or taken whole, so that memory stays flat however long the recording is.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from reelkeep.errors import EngineError
from reelkeep.speech.protocol import SAMPLE_RATE_HZ, Pcm

SAMPLE_BYTES = 2
INT16_PER_UNIT = 32_768.0


def duration_seconds(path: Path) -> float:
    """How long the sound in `path` is; half a sample at the end does not count."""
    return sample_count(path) / SAMPLE_RATE_HZ


def read(path: Path, start_seconds: float, end_seconds: float) -> Pcm:
    """The sound between two times; shorter where the file ends before `end_seconds`."""
    first = max(0, round(start_seconds * SAMPLE_RATE_HZ))
    count = min(round(end_seconds * SAMPLE_RATE_HZ), sample_count(path)) - first
    return _read_samples(path, first, max(0, count))


def blocks(path: Path, samples: int, first: int, after: int) -> Iterator[Pcm]:
    """The sound of samples `[first, after)`, so many at a time; only the last block may be shorter."""
    for start in range(first, after, samples):
        yield _read_samples(path, start, min(samples, after - start))


def sample_count(path: Path) -> int:
    """Whole samples in the file as it is now."""
    try:
        return path.stat().st_size // SAMPLE_BYTES
    except OSError as problem:
        raise _unreadable(path, problem) from problem


def _read_samples(path: Path, first: int, count: int) -> Pcm:
    try:
        pcm: Pcm = np.fromfile(path, dtype="<i2", count=count, offset=first * SAMPLE_BYTES)
    except OSError as problem:
        raise _unreadable(path, problem) from problem
    return pcm


def _unreadable(path: Path, problem: OSError) -> EngineError:
    return EngineError(
        f"The sound prepared for the speech engine cannot be read ({problem.strerror}): "
        "run the step again, and check the scratch folder's disk.",
        file=path.name,
    )
