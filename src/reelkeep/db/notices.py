"""Short notices between the processes of an installation, by Postgres's LISTEN and NOTIFY.

A notice may be lost, above all while the connection is made anew: whoever waits for one must, in the end,
look for itself. They need a connection of their own, which a PgBouncer in transaction mode does not give.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress

import psycopg
from psycopg import sql
from sqlalchemy import text

from reelkeep.db.database import Database
from reelkeep.logs import get_logger

log = get_logger(__name__)

AGAIN_SECONDS = 1.0
READY_SECONDS_MAX = 2.0
NOTIFY = text("select pg_notify(:channel, :notice)")


class Notices:
    """What one channel says to this process, on one connection that is opened when it is first needed."""

    def __init__(self, database: Database, channel: str, heard: Callable[[str], None]) -> None:
        self._database, self._channel, self._heard = database, channel, heard
        self._listening: asyncio.Task[None] | None = None
        self._ready = asyncio.Event()

    def listen(self) -> None:
        """Begin to listen, without waiting for it."""
        if self._listening is None:
            self._listening = asyncio.create_task(self._listen_forever())

    async def wait_until_ready(self) -> None:
        """Listen; returns after a moment also when the database cannot be reached."""
        self.listen()
        with suppress(TimeoutError):
            async with asyncio.timeout(READY_SECONDS_MAX):
                await self._ready.wait()

    async def send(self, notice: str) -> None:
        """Tell every process that listens, this one too."""
        async with self._database.directory() as session:
            await session.execute(NOTIFY, {"channel": self._channel, "notice": notice})

    async def close(self) -> None:
        """Stop listening and close the connection."""
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.wait([self._listening])
            self._listening = None

    async def _listen_forever(self) -> None:
        while True:
            try:
                await self._listen()
            except psycopg.Error as error:
                log.warning("notices interrupted; listening again", channel=self._channel, exc_info=error)
            finally:
                self._ready.clear()
            await asyncio.sleep(AGAIN_SECONDS)

    async def _listen(self) -> None:
        connection = await psycopg.AsyncConnection.connect(self._database.conninfo, autocommit=True)
        async with connection:
            await connection.execute(sql.SQL("listen {}").format(sql.Identifier(self._channel)))
            self._ready.set()
            async for notice in connection.notifies():
                self._heard(notice.payload)
