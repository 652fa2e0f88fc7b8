"""A unit of work's last statement, which travels with the commit: all is kept, or nothing and a reason."""

from uuid import UUID

import psycopg
import pytest
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from reelkeep.accounts.models import Organization
from reelkeep.blobs.models import Blob
from reelkeep.clock import new_id
from reelkeep.db.database import Database
from reelkeep.db.last import Last, commit_with
from reelkeep.db.raw import raw_connection
from reelkeep.errors import ErrorCode, ReelkeepError

GROW = text("update blob set size_bytes = size_bytes + :more where size_bytes < :below returning id")


@pytest.fixture
async def organization_id(database: Database) -> UUID:
    """An organization with one blob of one byte."""
    found = new_id()
    async with database.directory() as session:
        session.add(Organization(id=found, name="A"))
    async with database.work(found) as session:
        session.add(a_blob(found, 1))
    return found


def a_blob(organization_id: UUID, size_bytes: int) -> Blob:
    return Blob(organization_id=organization_id, kind="original", size_bytes=size_bytes, content_type="a/b")


async def refused(session: AsyncSession) -> LookupError:
    return LookupError(str(await session.scalar(select(Blob.size_bytes))))


async def sizes(database: Database, organization_id: UUID) -> list[int]:
    async with database.work(organization_id) as session:
        return sorted(await session.scalars(select(Blob.size_bytes)))


async def test_it_is_kept_with_everything_before_it(database: Database, organization_id: UUID) -> None:
    async with database.work(organization_id) as session:
        commit_with(session, Last(GROW, {"more": 5, "below": 9}, refused))
        session.add(a_blob(organization_id, 2))
    assert await sizes(database, organization_id) == [6, 7]


async def test_where_it_touches_nothing_nothing_is_kept_and_the_reason_is_raised(
    database: Database, organization_id: UUID
) -> None:
    with pytest.raises(LookupError, match=r"^1$"):  # as it was before this unit of work
        async with database.work(organization_id) as session:
            session.add(a_blob(organization_id, 20))
            await session.flush()
            commit_with(session, Last(GROW, {"more": 5, "below": 1}, refused))
    assert await sizes(database, organization_id) == [1]


async def test_it_sees_only_its_own_organization(database: Database, organization_id: UUID) -> None:
    other = new_id()
    async with database.directory() as session:
        session.add(Organization(id=other, name="B"))
    with pytest.raises(LookupError, match="None"):
        async with database.work(other) as session:
            commit_with(session, Last(GROW, {"more": 5, "below": 9}, refused))
    assert await sizes(database, organization_id) == [1]


async def test_after_an_error_in_the_unit_it_is_not_run(database: Database, organization_id: UUID) -> None:
    with pytest.raises(ZeroDivisionError):
        async with database.work(organization_id) as session:
            commit_with(session, Last(GROW, {"more": 5, "below": 9}, refused))
            raise ZeroDivisionError
    assert await sizes(database, organization_id) == [1]


async def test_a_unit_has_one(database: Database, organization_id: UUID) -> None:
    with pytest.raises(RuntimeError, match="one last statement"):
        async with database.work(organization_id) as session:
            for _ in range(2):
                commit_with(session, Last(GROW, {"more": 5, "below": 9}, refused))


async def test_a_connection_that_is_lost_before_it_is_told_and_replaced(
    database: Database, organization_id: UUID, conninfo: str
) -> None:
    with pytest.raises(ReelkeepError) as failed:
        async with database.work(organization_id) as session:
            session.add(a_blob(organization_id, 2))
            await session.flush()
            pid = (await raw_connection(session)).info.backend_pid
            async with await psycopg.AsyncConnection.connect(conninfo, autocommit=True) as killer:
                await killer.execute("select pg_terminate_backend(%s, 5000)", (pid,))
            commit_with(session, Last(GROW, {"more": 5, "below": 9}, refused))
    assert failed.value.code == ErrorCode.DATABASE_UNAVAILABLE
    assert await sizes(database, organization_id) == [1]
