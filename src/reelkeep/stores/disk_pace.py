"""Whether a disk takes bytes at once, so that the event loop may write them itself.

Into the page cache 256 KiB go in some 50 µs, less than it costs to hand them to a thread and to hear of it.
But a write that has to wait for the disk would hold up every other request. So the loop writes only to
disks of this machine, and only while writes are quick: after a slow one threads write for a second, and for
twice as long each time that it happens again.
"""

import os
import re
import time
from collections.abc import Callable
from functools import cached_property
from pathlib import Path

#: A write that took longer has waited for something.
SLOW_SECONDS = 0.02
#: How long threads write after a slow one: at first, and at most.
REST_SECONDS_MIN, REST_SECONDS_MAX = 1.0, 120.0
#: On these a write ends in memory, or at a disk of this machine; on others, it may wait for a network.
OWN_DISKS = frozenset({"btrfs", "ext2", "ext3", "ext4", "f2fs", "overlay", "tmpfs", "xfs", "zfs"})
MOUNTS = Path("/proc/self/mountinfo")


class DiskPace:
    """How quick writes below a folder have been of late; every thread may ask and tell."""

    def __init__(
        self, root: Path, mounts: Path = MOUNTS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._root, self._mounts, self._clock = root, mounts, clock
        self._rest_ends = 0.0
        self._rest_seconds = REST_SECONDS_MIN

    def quick(self) -> bool:
        """Whether the next write may be expected to return at once."""
        return self._own_disk and self._clock() >= self._rest_ends

    def took(self, seconds: float) -> None:
        """Hear how long a write took."""
        if seconds > SLOW_SECONDS:
            self._rest_ends = self._clock() + self._rest_seconds
            self._rest_seconds = min(2 * self._rest_seconds, REST_SECONDS_MAX)
        elif self._rest_seconds > REST_SECONDS_MIN and self._calm():
            self._rest_seconds = REST_SECONDS_MIN

    def _calm(self) -> bool:
        return self._clock() > self._rest_ends + REST_SECONDS_MAX

    @cached_property
    def _own_disk(self) -> bool:
        return file_system_of(self._root, self._mounts) in OWN_DISKS


def file_system_of(path: Path, mounts: Path = MOUNTS) -> str:
    """The type of the file system that a path lies on; empty where the machine does not tell (not Linux)."""
    try:
        lines = mounts.read_text(errors="surrogateescape").splitlines()
    except OSError:
        return ""
    place, found, longest = os.path.realpath(path), "", -1
    for line in lines:
        mounted, _, source = line.partition(" - ")
        point = _unescaped(mounted.split(" ")[4])
        # Of two that are mounted at one place, the later lies over the other.
        if len(point) >= longest and (place == point or place.startswith(point.rstrip("/") + "/")):
            found, longest = source.split(" ")[0], len(point)
    return found


def _unescaped(point: str) -> str:
    """A mount point as it is: blanks are written `\\040`."""
    return re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), point)
