"""What can be measured; a measurement's module is imported when it is run."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from bench.figures import Report


@dataclass(frozen=True, slots=True)
class Setup:
    """Where a measurement works and how thoroughly."""

    #: An empty folder of its own; removed afterwards.
    scratch: Path
    #: Everything small: shows that the measurement works, and gives no figure worth keeping.
    quick: bool
    #: Tells the person who waits what is being done.
    say: Callable[[str], None]


Measure = Callable[[Setup], Coroutine[Any, Any, Report]]

#: In the order in which they run: the short ones first.
MEASUREMENTS = {
    "signing": "Cost of a signed URL and of an upload form, against botocore",
    "start": "Start, and memory at rest",
    "uploads": "Ticket, bytes and complete over HTTP; details and delete",
    "wire": "A large file in and out of a local store, against nginx",
    "receive": "200 MB by every way in, against nginx and @tus/server",
    "crowd": "Many uploads at once: memory, other requests, fairness",
    "media": "Probe, playback, waveform and speech sound, against ffmpeg",
    "encryption": "Encryption by us: a local store with and without it",
    "usage": "Figures of usage at a million recordings, and what keeping them costs",
    "migrate": "Moving blobs to a bucket, against rclone; planning over a million",
    "overhead": "From complete to transcribed, beyond the engine's own time",
    "memory": "Memory while long recordings are processed",
}


def measure_of(name: str) -> Measure:
    """The function that measures."""
    measure: Measure = import_module(f"bench.{name}").measure
    return measure
