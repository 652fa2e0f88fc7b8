"""The last statement of a unit of work, which travels with the commit.

A row that many want at once is then locked for as long as Postgres needs for both, not for as long as our
event loop is busy between them.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

import psycopg
from sqlalchemy import Dialect, TextClause
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession

from reelkeep.db.raw import raw_connection

_LAST = "last statement"
_DIALECT = cast("Callable[[], Dialect]", postgresql.psycopg.dialect)()


@dataclass(frozen=True, slots=True)
class Last:
    """A statement that touches one row; where it touches none, all is taken back and `refusal` is raised."""

    #: It returns what it touched.
    statement: TextClause
    values: Mapping[str, Any]
    #: Called in a new transaction of the same kind.
    refusal: Callable[[AsyncSession], Awaitable[BaseException]]


def commit_with(session: AsyncSession, last: Last) -> None:
    """Have this unit of work end with a statement; it is run, and may refuse, when the unit is left."""
    if _LAST in session.info:
        raise RuntimeError("a unit of work has one last statement")
    session.info[_LAST] = last


async def commit(session: AsyncSession) -> None:
    """Commit, with the last statement if there is one."""
    last: Last | None = session.info.pop(_LAST, None)
    if last is not None:
        await session.flush()
        connection = await raw_connection(session)
        try:
            async with connection.pipeline():
                await connection.execute(_counted(last.statement), last.values)
                await connection.execute("commit")
        except psycopg.errors.DivisionByZero:
            await session.rollback()
            raise await last.refusal(session) from None
        except psycopg.OperationalError:
            if connection.broken:
                await (await session.connection()).invalidate()
            raise
    await session.commit()  # where it is done already, the driver asks nothing


@lru_cache(maxsize=16)
def _counted(statement: TextClause) -> str:
    """The statement as the driver takes it; where it touches nothing it fails, and the commit is skipped."""
    query = str(statement.compile(dialect=_DIALECT))
    return f"with touched as ({query}) select 1 / count(*) from touched"  # noqa: S608 - our own constants
