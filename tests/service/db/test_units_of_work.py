"""What a unit of work sees, refuses and undoes, on the real tables."""

import asyncio
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import func, insert, select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError, ProgrammingError

from reelkeep.accounts.models import Organization
from reelkeep.blobs.models import Blob
from reelkeep.clock import new_id
from reelkeep.db import tenancy
from reelkeep.db.base import Base
from reelkeep.db.database import Database
from reelkeep.db.raw import raw_connection
from reelkeep.errors import ErrorCode, ReelkeepError
from reelkeep.renditions.models import Rendition
from reelkeep.tables import all_tables
from reelkeep.transactions import IoInsideUnitOfWork, refuse_inside_unit_of_work

DEFER = (
    "select procrastinate_defer_jobs_v1(array[row('q', 'work', 0, null, null, '{}', null)]"
    "::procrastinate_job_to_defer_v1[])"
)


@pytest.fixture
async def two_organizations(database: Database) -> tuple[UUID, UUID]:
    """Two organizations with one blob each."""
    ours, theirs = new_id(), new_id()
    async with database.directory() as session:
        session.add_all([Organization(id=ours, name="A"), Organization(id=theirs, name="B")])
    for organization in (ours, theirs):
        async with database.work(organization) as session:
            session.add(Blob(organization_id=organization, kind="original", size_bytes=1, content_type="a/b"))
    return ours, theirs


async def blob_of(database: Database, organization: UUID) -> Blob:
    async with database.work(organization) as session:
        return (await session.scalars(select(Blob))).one()


async def test_a_forgotten_filter_leaks_nothing(database: Database, two_organizations) -> None:
    ours, theirs = two_organizations
    assert (await blob_of(database, ours)).organization_id == ours
    assert (await blob_of(database, theirs)).organization_id == theirs


async def test_a_forgotten_filter_changes_nothing_of_others(database: Database, two_organizations) -> None:
    ours, theirs = two_organizations
    async with database.work(ours) as session:
        changed = await session.execute(update(Blob).values(size_bytes=2))
        assert changed.rowcount == 1
    assert (await blob_of(database, theirs)).size_bytes == 1


async def test_without_an_organization_tenant_tables_are_empty(database: Database, two_organizations) -> None:
    async with database.directory() as session:
        assert await session.scalar(select(func.count()).select_from(Blob)) == 0
        assert await session.scalar(select(func.count()).select_from(Organization)) == 2


async def test_a_row_cannot_be_put_into_another_organization(database: Database, two_organizations) -> None:
    ours, theirs = two_organizations
    with pytest.raises(ProgrammingError, match="row-level security"):
        async with database.work(ours) as session:
            session.add(Blob(organization_id=theirs, kind="original", size_bytes=1, content_type="a/b"))


async def test_a_row_cannot_point_into_another_organization(database: Database, two_organizations) -> None:
    ours, theirs = two_organizations
    foreign = await blob_of(database, theirs)
    async with database.owner() as session:
        await session.execute(
            text(
                "insert into recording(organization_id, id, recording_type, status, original_filename,"
                " content_type, transcribe, recording_metadata)"
                " values (:o, :o, 'visit', 'uploading', 'a', 'a/b', true, '{}')"
            ),
            {"o": ours},
        )
    with pytest.raises(IntegrityError, match="foreign key"):
        async with database.work(ours) as session:
            await session.execute(
                insert(Rendition).values(
                    organization_id=ours,
                    id=new_id(),
                    recording_id=ours,
                    kind="x",
                    blob_id=foreign.id,
                    details={},
                )
            )


async def test_every_tenant_table_has_its_policy_and_hides_everything(database: Database) -> None:
    all_tables()
    async with database.owner() as session:
        connection = await session.connection()
        assert await connection.run_sync(tenancy.faults, Base) == []
    async with database.directory() as session:
        for table in tenancy.tenant_tables(Base.metadata):
            assert await session.scalar(select(func.count()).select_from(table)) == 0


async def test_a_missing_policy_is_told(database: Database) -> None:
    async with database.owner() as session:
        await session.execute(text("drop policy own_organization on blob"))
        await session.execute(text("grant select (title) on recording to reelkeep_sweep"))
    async with database.owner() as session:
        told = await (await session.connection()).run_sync(tenancy.faults, Base)
    assert len(told) == 2 and "blob" in told[0] and "title" in told[1]


async def test_the_organization_must_be_a_uuid(database: Database) -> None:
    with pytest.raises(TypeError):
        database.work(None)  # type: ignore[arg-type]


async def test_the_settings_end_with_the_transaction(database: Database, two_organizations) -> None:
    single = Database(database.conninfo, pool_size=1)
    async with single.work(two_organizations[0]) as session:
        await session.execute(select(Blob))
    async with single.owner() as session:
        row = (
            await session.execute(
                text("select current_user = session_user, current_setting('app.organization_id', true)")
            )
        ).one()
    await single.close()
    assert tuple(row) == (True, "")


async def test_an_early_commit_stays_inside_the_organization(database: Database, two_organizations) -> None:
    async with database.work(two_organizations[0]) as session:
        await session.commit()
        assert (await session.scalars(select(Blob))).one().organization_id == two_organizations[0]


async def test_a_sweep_reads_ids_of_all_organizations_and_no_content(
    database: Database, two_organizations
) -> None:
    columns = tenancy.sweep_columns(Base)["recording"]
    async with database.sweep() as session:
        await session.execute(text(f"select {', '.join(columns)} from recording"))
    for forbidden in ("select title from recording", "select * from blob", "select * from app_user"):
        with pytest.raises(ProgrammingError, match="permission denied"):
            async with database.sweep() as session:
                await session.execute(text(forbidden))
    with pytest.raises(DBAPIError, match=r"read-only|permission denied"):
        async with database.sweep() as session:
            await session.execute(text("delete from recording"))


async def test_an_error_undoes_everything(database: Database, two_organizations) -> None:
    ours, _ = two_organizations
    with pytest.raises(LookupError):
        async with database.work(ours) as session:
            await session.execute(update(Blob).values(size_bytes=9))
            raise LookupError
    assert (await blob_of(database, ours)).size_bytes == 1


async def test_a_store_called_inside_a_unit_of_work_is_refused(database: Database, two_organizations) -> None:
    async with database.work(two_organizations[0]):
        with pytest.raises(IoInsideUnitOfWork):
            refuse_inside_unit_of_work("put")
    refuse_inside_unit_of_work("put")


async def test_units_of_work_do_not_nest(database: Database, two_organizations) -> None:
    async with database.work(two_organizations[0]):
        with pytest.raises(IoInsideUnitOfWork, match="second unit of work"):
            async with database.directory():
                pass


async def test_a_job_of_a_rolled_back_unit_vanishes(database: Database, two_organizations) -> None:
    for outcome in (0, 1):
        try:
            async with database.work(two_organizations[0]) as session:
                await (await raw_connection(session)).execute(DEFER)
                if outcome == 0:
                    raise LookupError
        except LookupError:
            pass
        async with database.owner() as session:
            assert await session.scalar(text("select count(*) from procrastinate_jobs")) == outcome


async def test_a_job_in_a_savepoint_is_undone_alone(database: Database, two_organizations) -> None:
    async with database.work(two_organizations[0]) as session:
        with pytest.raises(psycopg.errors.UndefinedTable):
            async with session.begin_nested():
                await (await raw_connection(session)).execute("select * from nowhere")
        await (await raw_connection(session)).execute(DEFER)
    async with database.owner() as session:
        assert await session.scalar(text("select count(*) from procrastinate_jobs")) == 1


async def test_the_limits_hold_in_every_unit(database: Database, two_organizations) -> None:
    async with database.work(two_organizations[0]) as session:
        for setting, value in (
            ("statement_timeout", "30s"),
            ("idle_in_transaction_session_timeout", "1min"),
            ("lock_timeout", "10s"),
            ("search_path", "public, jobs"),
            ("application_name", "reelkeep-test"),
        ):
            assert await session.scalar(text(f"show {setting}")) == value


async def test_a_query_out_of_time_is_told_as_busy(database: Database) -> None:
    with pytest.raises(ReelkeepError) as told:
        async with database.owner() as session:
            await session.execute(text("set local statement_timeout = '50ms'"))
            await session.execute(text("select pg_sleep(5)"))
    assert told.value.code == ErrorCode.DATABASE_UNAVAILABLE
    assert told.value.retry_after_seconds == 1


async def test_a_full_pool_is_told_as_busy(database: Database) -> None:
    narrow = Database(database.conninfo, pool_size=1, pool_timeout_seconds=0.05)
    first_is_open, first_may_end = asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        async with narrow.directory():
            first_is_open.set()
            await first_may_end.wait()

    holder = asyncio.create_task(hold())
    await first_is_open.wait()
    with pytest.raises(ReelkeepError, match="in use"):
        async with narrow.directory():
            pass
    first_may_end.set()
    await holder
    await narrow.close()


async def test_connections_that_died_in_the_pool_are_replaced_unnoticed(database: Database) -> None:
    async with database.directory() as session:
        pid = await session.scalar(text("select pg_backend_pid()"))
    other = Database(database.conninfo)
    async with other.owner() as session:
        assert await session.scalar(text("select pg_terminate_backend(:pid, 5000)"), {"pid": pid})
    async with database.directory() as session:
        assert await session.scalar(text("select 1")) == 1
    await other.close()


async def test_a_connection_that_dies_in_a_unit_is_told_with_when_to_retry(database: Database) -> None:
    with pytest.raises(ReelkeepError) as told:
        async with database.owner() as session:
            await session.execute(text("select pg_terminate_backend(pg_backend_pid())"))
    assert told.value.code == ErrorCode.DATABASE_UNAVAILABLE
    assert told.value.retry_after_seconds == 5


async def test_a_cancelled_unit_leaves_nothing_and_its_connection_goes_on(
    database: Database, two_organizations
) -> None:
    single = Database(database.conninfo, pool_size=1)
    began = asyncio.Event()

    async def write_and_wait() -> None:
        async with single.work(two_organizations[0]) as session:
            await session.execute(update(Blob).values(size_bytes=9))
            began.set()
            await session.execute(text("select pg_sleep(20)"))

    task = asyncio.create_task(write_and_wait())
    await began.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await blob_of(single, two_organizations[0])).size_bytes == 1
    await single.close()


async def test_an_unreachable_database_is_told_with_when_to_retry() -> None:
    away = Database("postgresql://nobody@127.0.0.1:9/none?connect_timeout=2")
    with pytest.raises(ReelkeepError) as told:
        async with away.directory():
            pass
    assert told.value.code == ErrorCode.DATABASE_UNAVAILABLE
    await away.close()
