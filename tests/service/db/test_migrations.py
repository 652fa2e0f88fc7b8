"""Migrations: complete, equal to the models, safe against two starters, all or nothing."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import procrastinate
import psycopg
import pytest

from reelkeep.db import migrate
from reelkeep.db.base import Base
from reelkeep.db.jobs_schema import FIRST_SQL
from reelkeep.errors import ErrorCode, ReelkeepError
from reelkeep.tables import all_tables

all_tables()


def test_the_migrations_make_exactly_the_models_tables(conninfo: str) -> None:
    assert migrate.check(conninfo, Base) == []
    assert migrate.is_current(conninfo)


def test_a_difference_is_told(conninfo: str) -> None:
    with psycopg.connect(conninfo) as connection:
        connection.execute("alter table recording drop column title")
        connection.execute("alter table blob disable row level security")
    told = migrate.check(conninfo, Base)
    assert any("title" in difference for difference in told)
    assert any("blob" in difference for difference in told)


def test_an_empty_database_has_no_version(empty_conninfo: str) -> None:
    assert migrate.current(empty_conninfo) is None
    assert not migrate.is_current(empty_conninfo)


def test_starters_at_the_same_moment_do_not_race(empty_conninfo: str) -> None:
    with ThreadPoolExecutor(4) as starters:
        list(starters.map(migrate.upgrade, [empty_conninfo] * 4))
    assert migrate.is_current(empty_conninfo)


def test_a_failing_migration_leaves_nothing(empty_conninfo: str) -> None:
    with psycopg.connect(empty_conninfo) as connection:
        connection.execute("create table upload()")
    with pytest.raises(Exception, match="already exists"):
        migrate.upgrade(empty_conninfo)
    with psycopg.connect(empty_conninfo) as connection:
        assert connection.execute("select to_regclass('recording'), to_regnamespace('jobs')").fetchone() == (
            None,
            None,
        )


def test_new_connections_find_the_job_queue(conninfo: str, empty_conninfo: str) -> None:
    migrate.upgrade(empty_conninfo)
    with psycopg.connect(empty_conninfo) as connection:
        assert connection.execute("show search_path").fetchone() == ("public, jobs",)


def test_the_shipped_job_tables_are_those_of_the_pinned_package() -> None:
    shipped = Path(procrastinate.__file__).parent / "sql" / "schema.sql"
    assert shipped.read_text() == FIRST_SQL.read_text()
    assert FIRST_SQL.name == f"procrastinate_{procrastinate.__version__.replace('.', '_')}.sql"


def test_an_unreachable_database_is_told() -> None:
    with pytest.raises(ReelkeepError) as told:
        migrate.upgrade("postgresql://nobody@127.0.0.1:9/none")
    assert told.value.code == ErrorCode.DATABASE_UNAVAILABLE
