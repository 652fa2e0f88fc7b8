"""Let a process give way to others that want the processor."""

import os
import time
from contextlib import suppress
from pathlib import Path

AUTOGROUP = Path("/proc/self/autogroup")
TRIES_MAX = 3
#: Without privileges the kernel takes one change a tenth of a second.
WAIT_SECONDS = 0.11


def give_way(nice: int) -> None:
    """Raise the niceness of this process, and of its session's group where the kernel has such.

    Linux shares processors between sessions first and inside a session by niceness (`sched(7)`, autogroup).
    A process in a session of its own would get a full share, however nice it is.
    """
    niceness = os.nice(nice)
    with suppress(OSError):
        _lower_group(niceness)


def _lower_group(niceness: int) -> None:
    for _ in range(TRIES_MAX):
        with suppress(BlockingIOError):
            AUTOGROUP.write_text(str(niceness))
            return
        time.sleep(WAIT_SECONDS)
