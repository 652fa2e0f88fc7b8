"""Row-level security and migrations hold whoever DATABASE_URL logs in as, on each Postgres that is here."""

import os
import pwd
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from sqlalchemy import select, text
from sqlalchemy.exc import ProgrammingError

from reelkeep.accounts.models import Organization
from reelkeep.blobs.keep import KeptBytes, insert_blob
from reelkeep.blobs.models import Blob, BlobKind, StoreRow, StoreUsage
from reelkeep.clock import new_id
from reelkeep.db import migrate
from reelkeep.db.base import Base
from reelkeep.db.database import Database
from reelkeep.db.postgres.client import EmbeddedPostgres, acquire
from reelkeep.db.raw import raw_connection
from reelkeep.errors import ErrorCode, ReelkeepError
from reelkeep.tables import all_tables

DEFER = (
    "select procrastinate_defer_jobs_v1(array[row('q', 'work', 0, null, null, '{}', null)]"
    "::procrastinate_job_to_defer_v1[])"
)
LOGINS = {
    "another_superuser": "superuser",
    "a_creator": "createrole",
    "a_plain_owner": "nocreaterole",
    "a_stranger": "nocreaterole",
}
DEBIANS = sorted(Path("/usr/lib/postgresql").glob("*/bin"))

all_tables()


@pytest.fixture(scope="module", params=[None, *DEBIANS], ids=lambda folder: str(folder or "wheel"))
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[EmbeddedPostgres]:
    """A server without our roles, on which several roles may log in."""
    with acquire(tmp_path_factory.mktemp("logins"), binaries=request.param) as started:
        rules = started.socket_folder.parent / "pg_ident.conf"
        me = pwd.getpwuid(os.geteuid()).pw_name
        more = "".join(f'reelkeep "{me}" {login}\n' for login in LOGINS)
        rules.write_text(rules.read_text() + more)
        administer(started, "select pg_reload_conf()")
        for login, right in LOGINS.items():
            administer(started, f"create role {login} login {right}")
        yield started


@pytest.fixture
def fresh(server: EmbeddedPostgres) -> Iterator[EmbeddedPostgres]:
    """The server without databases of a former test and without our two roles."""
    yield server
    with psycopg.connect(server.conninfo_of("postgres"), autocommit=True) as connection:
        for (name,) in connection.execute(
            "select datname from pg_database where datname like 'of_%'"
        ).fetchall():
            connection.execute(f'drop database "{name}" with (force)'.encode())
        for role in ("reelkeep_app", "reelkeep_sweep"):
            connection.execute(f"drop role if exists {role}".encode())


def administer(server: EmbeddedPostgres, statement: str, database: str = "postgres") -> None:
    with psycopg.connect(server.conninfo_of(database), autocommit=True) as connection:
        connection.execute(statement.encode())


def database_of(server: EmbeddedPostgres, login: str, owner: str) -> str:
    administer(server, f'create database "of_{login}" owner {owner}')
    return make_conninfo(server.conninfo_of(f"of_{login}"), user=login)


async def assert_that_organizations_are_apart(conninfo: str) -> None:
    database = Database(conninfo)
    organizations = [new_id(), new_id()]
    async with database.directory() as session:
        session.add_all([Organization(id=organization, name="x") for organization in organizations])
        session.add(StoreRow(name="local", kind="local"))
    for organization in organizations:
        async with database.work(organization) as session:
            kept = KeptBytes(new_id(), "local", str(organization), 1, "a/b", None)
            insert_blob(session, organization, BlobKind.ORIGINAL, kept)
            await (await raw_connection(session)).execute(DEFER)
    for organization in organizations:
        assert await organizations_seen(database, organization) == [organization]
        async with database.work(organization) as session:
            assert (await session.scalars(select(StoreUsage.bytes))).all() == [1], "counted by the owner"
    with pytest.raises(ProgrammingError, match="row-level security"):
        async with database.work(organizations[0]) as session:
            session.add(
                Blob(organization_id=organizations[1], kind="original", size_bytes=1, content_type="a/b")
            )
    async with database.sweep() as session:
        await session.execute(text("select organization_id, id from recording"))
    async with database.owner() as session:
        assert await session.scalar(text("select count(*) from jobs.procrastinate_jobs")) == 2
    await database.close()


async def organizations_seen(database: Database, organization: UUID) -> list[UUID]:
    async with database.work(organization) as session:
        return list(await session.scalars(select(Blob.organization_id)))


@pytest.mark.parametrize("login", ["another_superuser", "a_creator"])
async def test_a_login_that_may_make_roles_migrates_alone(fresh: EmbeddedPostgres, login: str) -> None:
    conninfo = database_of(fresh, login, owner=login)
    migrate.upgrade(conninfo)
    assert migrate.check(conninfo, Base) == []
    await assert_that_organizations_are_apart(conninfo)


async def test_a_plain_owner_is_told_the_exact_statements_and_they_suffice(fresh: EmbeddedPostgres) -> None:
    conninfo = database_of(fresh, "a_plain_owner", owner="a_plain_owner")
    await refused_until_statements_are_run(fresh, conninfo, "of_a_plain_owner")
    await assert_that_organizations_are_apart(conninfo)


async def test_a_stranger_is_told_the_exact_statements_and_they_suffice(fresh: EmbeddedPostgres) -> None:
    conninfo = database_of(fresh, "a_stranger", owner="reelkeep")
    await refused_until_statements_are_run(fresh, conninfo, "of_a_stranger")
    await assert_that_organizations_are_apart(conninfo)


async def test_a_creator_cannot_take_roles_that_another_made(fresh: EmbeddedPostgres) -> None:
    migrate.upgrade(database_of(fresh, "another_superuser", owner="another_superuser"))
    conninfo = database_of(fresh, "a_creator", owner="a_creator")
    if psycopg.connect(conninfo).info.server_version >= 160_000:
        await refused_until_statements_are_run(fresh, conninfo, "of_a_creator")
    else:  # before 16 CREATEROLE may grant any role
        migrate.upgrade(conninfo)
    await assert_that_organizations_are_apart(conninfo)


async def refused_until_statements_are_run(server: EmbeddedPostgres, conninfo: str, database: str) -> None:
    with pytest.raises(ReelkeepError) as told:
        migrate.upgrade(conninfo)
    assert told.value.code == ErrorCode.SETTINGS_INVALID
    assert migrate.current(conninfo) is None
    _, statements = told.value.message.split(":\n")
    administer(server, statements, database)
    migrate.upgrade(conninfo)
