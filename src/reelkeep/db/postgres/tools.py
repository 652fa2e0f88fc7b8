"""The client programs of Postgres that dump and restore, of a version that fits a server."""

import os
from dataclasses import dataclass
from pathlib import Path

from reelkeep.db.postgres.binaries import Binaries, every_binaries
from reelkeep.errors import ErrorCode, ReelkeepError

NEEDED = ("pg_dump", "pg_restore", "psql")


@dataclass(frozen=True)
class Tools:
    """One folder with `pg_dump`, `pg_restore` and `psql`."""

    folder: Path
    major: int


def find_tools(major: int, wanted: Path | None = None) -> Tools:
    """Tools for a server of this major version: of the same one where there are some, else the next newer.

    `wanted` is a folder to look in first. Raises `ReelkeepError` (SETTINGS_INVALID) when none is new enough.
    """
    found = [binaries for binaries in every_binaries(wanted) if _has_all(binaries)]
    fitting = sorted((b for b in found if b.major >= major), key=lambda binaries: binaries.major)
    if not fitting:
        newest = max((binaries.major for binaries in found), default=None)
        raise ReelkeepError(
            f"The server is Postgres {major}, and pg_dump, pg_restore and psql of that version or newer were "
            f"not found (the newest here: {newest}). Install postgresql-client-{major}, or name the folder "
            "that has them by REELKEEP_POSTGRES_BIN.",
            ErrorCode.SETTINGS_INVALID,
        )
    return Tools(fitting[0].folder, fitting[0].major)


def _has_all(binaries: Binaries) -> bool:
    return all(os.access(binaries.folder / name, os.X_OK) for name in NEEDED)
