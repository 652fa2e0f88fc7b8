"""Brings a database to this version's tables; one starter at a time, all or nothing."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from alembic import command, config, script
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, MetaData, create_engine, text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.pool import NullPool

from reelkeep.db import tenancy
from reelkeep.db import types as _types  # noqa: F401 teaches SQLAlchemy to read our column types back
from reelkeep.db.jobs_schema import SCHEMA as JOBS_SCHEMA
from reelkeep.db.postgres.binaries import OLDEST_MAJOR
from reelkeep.errors import ErrorCode, ReelkeepError
from reelkeep.logs import get_logger

SCRIPTS = Path(__file__).with_name("migrations")
LOCK_KEY = 0x5EE1_4EE9  # of pg_advisory_xact_lock; any number that nothing else in the database uses
OTHER_STARTER_SECONDS = 600
TABLE_LOCK_SECONDS = 30

log = get_logger(__name__)


def upgrade(conninfo: str, scripts: Path = SCRIPTS) -> None:
    """Run the migrations that this database lacks, in one transaction; a second starter waits its turn.

    Blocks; call it in a thread from async code. Raises `ReelkeepError`: with the exact statements when the
    login role lacks a right, DATABASE_UNAVAILABLE when there is no connection or a table stays locked.
    """
    with _connection(conninfo) as connection:
        _lock_out_others(connection)
        before = _revision(connection)
        if before is None or before != _head(scripts):
            _require_version(connection)
            _require_rights(connection)
            with _told_with_cure():
                command.upgrade(_config(scripts, connection), "head")
            log.info("database migrated", before=before, after=_revision(connection))


def current(conninfo: str) -> str | None:
    """The last migration this database has had; None for an empty one."""
    with _connection(conninfo) as connection:
        return _revision(connection)


def is_current(conninfo: str, scripts: Path = SCRIPTS) -> bool:
    """Whether the database has had every migration of this version."""
    return current(conninfo) == _head(scripts)


def check(conninfo: str, base: type[DeclarativeBase]) -> list[str]:
    """How the database differs from the models, policies and grants included; empty when it does not."""
    with _connection(conninfo) as connection:
        options = {"include_object": is_ours, "compare_type": True, "compare_server_default": True}
        context = MigrationContext.configure(connection, opts=options)
        drift = [
            str(difference)
            for difference in compare_metadata(context, base.metadata)
            if not _is_restored_epoch(difference)
        ]
        return drift + tenancy.faults(connection, base)


def make_revision(
    conninfo: str, metadata: MetaData, message: str, number: str, scripts: Path = SCRIPTS
) -> None:
    """Write the migration that takes an up-to-date database to `metadata`, for a person to review."""
    with _connection(conninfo) as connection:
        settings = _config(scripts, connection, metadata)
        command.revision(settings, message, autogenerate=True, rev_id=number)


def is_ours(_object: Any, name: str | None, _kind: str, _reflected: bool, _compared: Any) -> bool:
    """Leave the job queue's own objects to the job queue."""
    return not (name or "").startswith("procrastinate_")


def _is_restored_epoch(difference: Any) -> bool:
    """Whether this is the default of the events' epoch, which each restore raises."""
    changes = difference if isinstance(difference, list) else [difference]
    return all(change[0] == "modify_default" and change[2:4] == ("event", "epoch") for change in changes)


@contextmanager
def _connection(conninfo: str) -> Iterator[Connection]:
    engine = create_engine("postgresql+psycopg://", creator=lambda: _connect(conninfo), poolclass=NullPool)
    with engine.connect() as connection, connection.begin():
        yield connection


def _connect(conninfo: str) -> psycopg.Connection[Any]:
    try:
        return psycopg.connect(conninfo, connect_timeout=10)
    except psycopg.OperationalError as refused:
        raise ReelkeepError(
            f"The database cannot be reached: {str(refused).strip()}. Check DATABASE_URL and that it runs.",
            ErrorCode.DATABASE_UNAVAILABLE,
            retry_after_seconds=5,
        ) from refused


def _config(scripts: Path, connection: Connection, metadata: MetaData | None = None) -> config.Config:
    settings = config.Config(attributes={"connection": connection, "metadata": metadata})
    settings.set_main_option("script_location", str(scripts).replace("%", "%%"))
    settings.set_main_option("path_separator", "newline")
    settings.set_main_option("file_template", "%%(rev)s_%%(slug)s")
    return settings


def _head(scripts: Path) -> str | None:
    return script.ScriptDirectory(str(scripts)).get_current_head()


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _lock_out_others(connection: Connection) -> None:
    """Held until the transaction ends, which is when everybody sees the migrated tables."""
    connection.exec_driver_sql(f"set local lock_timeout = '{OTHER_STARTER_SECONDS}s'")
    connection.execute(text("select pg_advisory_xact_lock(:key)"), {"key": LOCK_KEY})
    connection.exec_driver_sql(f"set local lock_timeout = '{TABLE_LOCK_SECONDS}s'")


def _require_version(connection: Connection) -> None:
    version = connection.exec_driver_sql("show server_version").scalar_one()
    if int(version.split(".")[0].split()[0]) < OLDEST_MAJOR:
        raise ReelkeepError(
            f"The database is Postgres {version}; Reelkeep needs {OLDEST_MAJOR} or newer.",
            ErrorCode.SETTINGS_INVALID,
        )


def _require_rights(connection: Connection) -> None:
    row = connection.execute(text(_RIGHTS), {"jobs": JOBS_SCHEMA}).one()
    login, database = row.login, row.database
    cures = []
    if not row.may_make_tables:
        cures.append(f"GRANT CREATE, USAGE ON SCHEMA public TO {login};")
    if not row.may_make_schemas:
        cures.append(f"GRANT CREATE ON DATABASE {database} TO {login};")
    for role, there, member in (
        (tenancy.APP_ROLE, row.app_there, row.app_member),
        (tenancy.SWEEP_ROLE, row.sweep_there, row.sweep_member),
    ):
        if not there and not row.makes_roles:
            cures.append(f"CREATE ROLE {role} NOLOGIN;")
        # Who makes a role may grant it; before 16 whoever may make any may grant all.
        if not member and not (row.makes_roles and (row.grants_all_roles or not there)):
            cures.append(f"GRANT {role} TO {login};")
    if cures:
        raise _rights_refusal(login, database, cures)


_RIGHTS = f"""
with roles as (select
  exists (select from pg_roles where rolname = '{tenancy.APP_ROLE}') as app_there,
  exists (select from pg_roles where rolname = '{tenancy.SWEEP_ROLE}') as sweep_there)
select quote_ident(current_user) as login, quote_ident(current_database()) as database,
  has_schema_privilege('public', 'CREATE') as may_make_tables,
  has_database_privilege(current_database(), 'CREATE')
    or to_regnamespace(:jobs) is not null as may_make_schemas,
  (select rolcreaterole or rolsuper from pg_roles where rolname = current_user) as makes_roles,
  current_setting('server_version_num')::int < 160000 as grants_all_roles,
  app_there, case when app_there then {tenancy.may_become(tenancy.APP_ROLE)} end as app_member,
  sweep_there, case when sweep_there then {tenancy.may_become(tenancy.SWEEP_ROLE)} end as sweep_member
from roles
"""  # noqa: S608 the names are constants


@contextmanager
def _told_with_cure() -> Iterator[None]:
    try:
        yield
    except ProgrammingError as refused:
        if getattr(refused.orig, "sqlstate", None) != "42501":
            raise
        raise ReelkeepError(
            f"The database's login role lacks a right: {str(refused.orig).splitlines()[0]}."
            " Nothing was changed. Let a role migrate that owns the database and its tables, or grant that.",
            ErrorCode.SETTINGS_INVALID,
        ) from refused


def _rights_refusal(login: str, database: str, cures: list[str]) -> ReelkeepError:
    statements = "\n".join(cures)
    return ReelkeepError(
        f"The role {login} lacks rights in the database {database}. Nothing was changed. Let an administrator"
        f" of the database run this there, then start again:\n{statements}",
        ErrorCode.SETTINGS_INVALID,
    )
