"""The four pieces of work on media from outside; each is one bounded child process."""

from pathlib import Path
from typing import Any

from reelkeep.media.child_process import Progress, nonsense, run_child
from reelkeep.media.facts import MediaLimits, ProbeFacts, Rendered


async def probe(source: Path, limits: MediaLimits, progress: Progress | None = None) -> ProbeFacts:
    """What a file holds, found by decoding all its sound. Raises `MediaError`."""
    facts = await run_child("probe", source, None, limits, progress)
    try:
        return ProbeFacts(**(facts | {"warnings": tuple(facts["warnings"])}))
    except (KeyError, TypeError) as error:
        raise nonsense() from error


async def make_playback(
    source: Path, target: Path, limits: MediaLimits, progress: Progress | None = None
) -> Rendered:
    """Write what browsers play to `target`: AAC-LC in MP4, index first, exact seek. Raises `MediaError`."""
    return _rendered(target, await run_child("playback", source, target, limits, progress))


async def make_peaks(
    source: Path, target: Path, limits: MediaLimits, progress: Progress | None = None
) -> Rendered:
    """Write the waveform to `target`, in the format of `peaks_format`. Raises `MediaError`."""
    return _rendered(target, await run_child("peaks", source, target, limits, progress))


async def extract_sound(
    source: Path,
    target: Path,
    limits: MediaLimits,
    progress: Progress | None = None,
    channel: int | None = None,
) -> Rendered:
    """Write raw int16 little-endian mono at 16 kHz to `target`: all channels, or `channel` counted from 0.

    Raises `MediaError`.
    """
    return _rendered(target, await run_child("sound", source, target, limits, progress, channel=channel))


def _rendered(target: Path, result: dict[str, Any]) -> Rendered:
    """The size is looked up here, not taken from a process that has read hostile bytes."""
    try:
        return Rendered(
            content_type=str(result["content_type"]),
            size_bytes=target.stat().st_size,
            duration_seconds=float(result["duration_seconds"]),
            details=dict(result["details"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        target.unlink(missing_ok=True)
        raise nonsense() from error
