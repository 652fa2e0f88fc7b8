"""The driver's connection under a unit of work, for what SQLAlchemy does not do."""

from typing import Any

import psycopg
from sqlalchemy.ext.asyncio import AsyncSession


async def raw_connection(session: AsyncSession) -> psycopg.AsyncConnection[Any]:
    """The driver's connection of this very transaction, to put a job into it.

    Fetch it inside the innermost `begin_nested()` block, else the savepoint has not been set yet.
    """
    pooled = await (await session.connection()).get_raw_connection()
    connection = pooled.driver_connection
    assert isinstance(connection, psycopg.AsyncConnection)
    return connection
