"""One backup, removal or upgrade of an installation at a time, whichever process does it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import psycopg

from reelkeep.db.database import Database
from reelkeep.errors import Conflict, ErrorCode, ReelkeepError

BACKUP_LOCK = 0x5265656C_6261636B


@dataclass(frozen=True, slots=True)
class Held:
    """The lock, held as long as its connection lives."""

    connection: psycopg.AsyncConnection[Any]

    async def prove(self) -> None:
        """Raise when the connection, and with it the lock, was lost: another may be at it."""
        try:
            await self.connection.execute("select 1")
        except psycopg.Error as error:
            raise ReelkeepError(
                "The database was lost while the backup ran, so it does not count; run it again.",
                ErrorCode.BACKUP_FAILED,
                retry_after_seconds=5,
            ) from error


@asynccontextmanager
async def backup_lock(database: Database) -> AsyncIterator[Held]:
    """Hold the lock; raises `Conflict` (BACKUP_FAILED) when another process has it."""
    connection = await psycopg.AsyncConnection.connect(database.conninfo, autocommit=True)
    try:
        found = await connection.execute("select pg_try_advisory_lock(%s)", [BACKUP_LOCK])
        row = await found.fetchone()
        if row is None or not row[0]:
            raise Conflict(
                "Another process makes or removes backups right now; wait until it has ended.",
                ErrorCode.BACKUP_FAILED,
                retry_after_seconds=60,
            )
        yield Held(connection)
        # Closing alone lets go a moment later than we return.
        await connection.execute("select pg_advisory_unlock(%s)", [BACKUP_LOCK])
    finally:
        await connection.close()
