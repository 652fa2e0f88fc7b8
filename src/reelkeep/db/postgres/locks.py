"""File locks that the kernel lets go when their holder dies, however it dies."""

import fcntl
import os
import time
from pathlib import Path

PAUSE_SECONDS = 0.02


def open_lock(path: Path) -> int:
    """A descriptor of the lock file, made when it is missing; never through a symbolic link."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)


def wait_for_lock(descriptor: int, how: int, timeout_seconds: float) -> bool:
    """Take the lock (`fcntl.LOCK_SH` or `LOCK_EX`); False when others held it all that time."""
    deadline = time.monotonic() + timeout_seconds
    while True:
        try:
            fcntl.flock(descriptor, how | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                return False
            time.sleep(PAUSE_SECONDS)
        else:
            return True


def wait_until_alone(descriptor: int) -> None:
    """Take the lock exclusively, however long that takes."""
    fcntl.flock(descriptor, fcntl.LOCK_EX)
