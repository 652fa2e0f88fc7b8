"""The database of this process: units of work, each one short transaction with a role of its own."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import lru_cache
from typing import Any
from uuid import UUID

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from sqlalchemy import Connection, Select, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session, SessionTransaction

from reelkeep.db.faults import refusal_for, told_as_refusals
from reelkeep.db.last import commit
from reelkeep.db.postgres.client import EmbeddedPostgres
from reelkeep.db.tenancy import APP_ROLE, ORGANIZATION_SETTING, SWEEP_ROLE
from reelkeep.errors import ErrorCode, ReelkeepError
from reelkeep.transactions import refuse_inside_unit_of_work, unit_of_work_open

SEARCH_PATH = "public, jobs"
BEGIN = "begin"

# Set in each transaction, not on the connection, so that a PgBouncer in transaction mode changes nothing.
LIMITS = {
    "search_path": SEARCH_PATH,
    "statement_timeout": "30s",
    "lock_timeout": "10s",
    "idle_in_transaction_session_timeout": "60s",
}
DIRECTORY = {"role": APP_ROLE, ORGANIZATION_SETTING: ""}
CONNECTION_DEFAULTS: dict[str, Any] = {
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}


class UnitOfWork(Session):
    """A session whose every transaction begins with the statement in `info["begin"]`."""


@event.listens_for(UnitOfWork, "after_begin")
def _begin_in_one_go(session: Session, _transaction: SessionTransaction, connection: Connection) -> None:
    """Begin, and set role, organization and limits: one round trip instead of two."""
    connection.exec_driver_sql(session.info[BEGIN])


def _begin_statement(settings: Mapping[str, str]) -> str:
    """Values are our own constants and UUIDs: two statements at once take no parameters."""
    return f"begin; {_set_statement(settings)}"


def _set_statement(settings: Mapping[str, str]) -> str:
    calls = ", ".join(f"set_config('{name}', '{value}', true)" for name, value in settings.items())
    return f"select {calls}"


class Database:
    """Postgres as this process uses it: a pool of connections and the four ways to open a unit of work.

    `source` is DATABASE_URL (`postgres://`, `postgresql://` or libpq's `key=value`) or the embedded server.
    A unit of work is one short transaction: it commits on leaving, rolls back on an error, and none may be
    open while a store, media or an engine is called. A lost or busy database is raised as `ReelkeepError`
    (DATABASE_UNAVAILABLE, with `retry_after_seconds`); what was written before it is rolled back, or, when
    the connection broke in the very commit, may have been kept.
    """

    def __init__(
        self,
        source: str | EmbeddedPostgres,
        *,
        pool_size: int = 10,
        pool_overflow: int = 0,
        pool_timeout_seconds: float = 10,
        application_name: str = "reelkeep",
    ) -> None:
        self._embedded = source if isinstance(source, EmbeddedPostgres) else None
        self._external = conninfo_of(source) if isinstance(source, str) else ""
        self._application_name = application_name
        self._engine = create_async_engine(
            "postgresql+psycopg://",
            async_creator=self._connect,
            pool_size=pool_size,
            max_overflow=pool_overflow,
            pool_timeout=pool_timeout_seconds,
            # An error's text goes into logs: it must not carry password hashes or a transcript's words.
            hide_parameters=True,
        )
        self._look_ups: dict[Select[*tuple[Any, ...]], str] = {}

    @property
    def conninfo(self) -> str:
        """How libpq reaches the database, with our limits on waiting; it may hold a password."""
        return _with_defaults(
            self._embedded.conninfo if self._embedded else self._external, self._application_name
        )

    def work(self, organization_id: UUID) -> AbstractAsyncContextManager[AsyncSession]:
        """A unit of work inside one organization: row-level security hides all others."""
        if not isinstance(organization_id, UUID):
            raise TypeError(f"work() needs the organization's UUID, not {type(organization_id).__name__}")
        return self._unit({"role": APP_ROLE, ORGANIZATION_SETTING: str(organization_id)})

    def directory(self) -> AbstractAsyncContextManager[AsyncSession]:
        """A unit of work on directory tables; tenant tables read as empty and refuse every row."""
        return self._unit(DIRECTORY)

    async def look_up(
        self, statement: Select[*tuple[Any, ...]], values: Mapping[str, Any]
    ) -> tuple[Any, ...] | None:
        """One row of directory tables by a `select` with named parameters, in one round trip.

        Who makes a request is asked at every request; a unit of work takes three, and under load each is a
        wait. The statement is a module's constant: its SQL is made once.
        """
        refuse_inside_unit_of_work("a second unit of work")
        if (query := self._look_ups.get(statement)) is None:
            query = self._look_ups[statement] = str(statement.compile(dialect=self._engine.dialect))
        with told_as_refusals():
            return await self._look_up(query, values, tries=2)

    async def _look_up(self, query: str, values: Mapping[str, Any], tries: int) -> tuple[Any, ...] | None:
        async with self._engine.connect() as pooled:
            connection = (await pooled.get_raw_connection()).driver_connection
            assert isinstance(connection, psycopg.AsyncConnection)
            try:
                return await _in_one_go(connection, DIRECTORY, query, values)
            except psycopg.OperationalError:
                # It died in the pool: it is replaced, once.
                if not connection.broken or tries == 1:
                    raise
                await pooled.invalidate()
        return await self._look_up(query, values, tries - 1)

    def sweep(self) -> AbstractAsyncContextManager[AsyncSession]:
        """A reading unit of work over all organizations; of tenant tables it sees ids and due dates only."""
        return self._unit({"role": SWEEP_ROLE, "transaction_read_only": "on"})

    def owner(self) -> AbstractAsyncContextManager[AsyncSession]:
        """A unit of work as the login role, past row-level security: for doctor and maintenance."""
        return self._unit({})

    async def ensure(self) -> None:
        """Start an embedded server again that was killed; nothing for an external one."""
        if self._embedded:
            await asyncio.to_thread(self._embedded.ensure)

    async def close(self) -> None:
        """Close the connections; the embedded server, if any, is its acquirer's to close."""
        await self._engine.dispose()

    @asynccontextmanager
    async def _unit(self, settings: dict[str, str]) -> AsyncIterator[AsyncSession]:
        refuse_inside_unit_of_work("a second unit of work")
        info = {BEGIN: _begin_statement({**LIMITS, **settings})}
        with unit_of_work_open(), told_as_refusals():
            async with AsyncSession(
                self._engine, sync_session_class=UnitOfWork, expire_on_commit=False, info=info
            ) as session:
                await _begin(session)
                yield session
                await commit(session)

    async def _connect(self) -> psycopg.AsyncConnection[Any]:
        try:
            return await self._connect_once()
        except psycopg.OperationalError:
            if self._embedded is None:
                raise
        await self.ensure()
        return await self._connect_once()

    async def _connect_once(self) -> psycopg.AsyncConnection[Any]:
        # Autocommit leaves the beginning of a transaction to us; the end is the driver's all the same.
        return await psycopg.AsyncConnection.connect(self.conninfo, autocommit=True)


async def _in_one_go(
    connection: psycopg.AsyncConnection[Any],
    settings: Mapping[str, str],
    query: str,
    values: Mapping[str, Any],
) -> tuple[Any, ...] | None:
    async with connection.pipeline():
        await connection.execute("begin")
        await connection.execute(_set_statement({**LIMITS, **settings}))
        found = await connection.execute(query, values)
        await connection.execute("commit")
    row: tuple[Any, ...] | None = await found.fetchone()
    return row


async def _begin(session: AsyncSession) -> None:
    """Open the transaction; a connection that died in the pool is replaced, and its whole generation."""
    try:
        await session.connection()
    except DBAPIError as failed:
        if refusal_for(failed) is None:
            raise
        await session.rollback()
        await session.connection()


@lru_cache(maxsize=8)
def _with_defaults(conninfo: str, application_name: str) -> str:
    """Asked for at every new connection, and slow: many come at once when many requests do."""
    named = conninfo_to_dict(conninfo)
    ours = {**CONNECTION_DEFAULTS, "application_name": application_name}
    return make_conninfo(conninfo, **{word: value for word, value in ours.items() if word not in named})


def conninfo_of(database_url: str) -> str:
    """What libpq takes for a DATABASE_URL, `postgresql+psycopg://` included; raises SETTINGS_INVALID."""
    try:
        return make_conninfo(database_url.replace("postgresql+psycopg://", "postgresql://", 1))
    except psycopg.ProgrammingError as wrong:
        raise ReelkeepError(
            "DATABASE_URL is not understood. Write it as postgresql://user:password@host:5432/database,"
            " with special characters in the password percent-encoded.",
            ErrorCode.SETTINGS_INVALID,
        ) from wrong
