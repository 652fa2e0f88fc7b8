"""The server's log on disk: two files of bounded size, whatever the server says."""

import os
from pathlib import Path
from typing import IO

LOG_BYTES_MAX = 8 * 1024 * 1024


def keep_log(source: IO[bytes], log: Path, bytes_max: int = LOG_BYTES_MAX) -> None:
    """Copy `source` to `log` until it ends; a full `log` becomes `log.1` and replaces the one before.

    A full disk drops lines and never holds the server up.
    """
    while chunk := os.read(source.fileno(), 65_536):
        try:
            if log.exists() and log.stat().st_size + len(chunk) > bytes_max:
                log.replace(log.with_name(f"{log.name}.1"))
            _append(log, chunk)
        except OSError:
            continue


def _append(log: Path, chunk: bytes) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(log, flags, 0o600)
    try:
        os.write(descriptor, chunk)
    finally:
        os.close(descriptor)
