"""Bytes of each organization, store and class: kept by the database, and always what a recount says."""

import asyncio
import secrets
from uuid import UUID

import pytest
from sqlalchemy import delete, func, select, text, update
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.ext.asyncio import AsyncSession

from reelkeep.accounts.models import Organization
from reelkeep.blobs.keep import KeptBytes, insert_blob
from reelkeep.blobs.models import Blob, BlobKind, Copy, CopyState, StoreRow, StoreUsage
from reelkeep.blobs.recount import Corrected, recount
from reelkeep.clock import new_id
from reelkeep.db.database import Database
from reelkeep.runtime import Runtime
from tests.fixtures.runtime import Person, add_person, client_of, do_jobs
from tests.service.test_uploads import SOUND, complete, initiate, send

Usage = dict[tuple[str, str], tuple[int, int]]
STORES = ("local", "s3", "r2")


@pytest.fixture
async def organization(database: Database) -> UUID:
    """An organization, and stores that copies may point at."""
    organization_id = await add_organization(database)
    async with database.directory() as session:
        session.add_all([StoreRow(name=name, kind="s3") for name in STORES])
    return organization_id


async def add_organization(database: Database) -> UUID:
    organization_id = new_id()
    async with database.directory() as session:
        session.add(Organization(id=organization_id, name="x"))
    return organization_id


async def kept(database: Database, organization_id: UUID) -> Usage:
    """What is kept, once it is seen to be what a recount says."""
    async with database.work(organization_id) as session:
        of_place = (StoreUsage.store, StoreUsage.storage_class)
        sums = func.sum(StoreUsage.bytes), func.sum(StoreUsage.copies)
        told = {
            (store, kind): (int(size), int(copies))
            for store, kind, size, copies in await session.execute(
                select(*of_place, *sums).group_by(*of_place)
            )
        }
        place = Copy.store, Copy.storage_class
        rows = await session.execute(
            select(*place, func.sum(Copy.size_bytes), func.count())
            .where(Copy.state.in_(["present", "damaged", "deleting"]))
            .group_by(*place)
        )
        counted = {(store, kind): (int(size), copies) for store, kind, size, copies in rows}
    assert {place for place, figures in told.items() if figures == (0, 0)} == told.keys() - counted.keys()
    assert {place: told[place] for place in counted} == counted
    return counted


def add_blob(session: AsyncSession, organization_id: UUID, size_bytes: int, store: str = "local") -> Blob:
    name = secrets.token_hex(8)
    return insert_blob(
        session, organization_id, BlobKind.ORIGINAL, KeptBytes(new_id(), store, name, size_bytes, "a/b", None)
    )


def add_copy(
    session: AsyncSession, blob: Blob, store: str, *, kind: str = "", state: CopyState = CopyState.PRESENT
) -> None:
    session.add(
        Copy(
            organization_id=blob.organization_id,
            blob_id=blob.id,
            store=store,
            key=secrets.token_hex(8),
            size_bytes=blob.size_bytes,
            storage_class=kind,
            state=state,
        )
    )


async def test_each_store_and_class_has_its_bytes_and_copies(database: Database, organization: UUID) -> None:
    async with database.work(organization) as session:
        first = add_blob(session, organization, 100)
        add_blob(session, organization, 7)
        await session.flush()
        add_copy(session, first, "s3", kind="GLACIER_IR")
    assert await kept(database, organization) == {("local", ""): (107, 2), ("s3", "GLACIER_IR"): (100, 1)}


async def test_a_change_of_class_size_or_state_moves_the_bytes_along(
    database: Database, organization: UUID
) -> None:
    async with database.work(organization) as session:
        add_blob(session, organization, 100, "s3")
    for changed, wanted in (
        ({"storage_class": "GLACIER"}, {("s3", "GLACIER"): (100, 1)}),
        ({"size_bytes": 130}, {("s3", "GLACIER"): (130, 1)}),
        ({"state": CopyState.MISSING}, {}),
        ({"state": CopyState.DAMAGED}, {("s3", "GLACIER"): (130, 1)}),
        ({"state": CopyState.DELETING}, {("s3", "GLACIER"): (130, 1)}),
        ({"verified_at": func.now()}, {("s3", "GLACIER"): (130, 1)}),
        ({"store": "r2", "storage_class": ""}, {("r2", ""): (130, 1)}),
    ):
        async with database.work(organization) as session:
            await session.execute(update(Copy).values(**changed))
        assert await kept(database, organization) == wanted, changed


async def test_a_copy_that_is_being_made_counts_from_when_it_is_there(
    database: Database, organization: UUID
) -> None:
    async with database.work(organization) as session:
        blob = add_blob(session, organization, 9)
        await session.flush()
        add_copy(session, blob, "r2", state=CopyState.MAKING)
    assert await kept(database, organization) == {("local", ""): (9, 1)}
    async with database.work(organization) as session:
        await session.execute(update(Copy).where(Copy.store == "r2").values(state=CopyState.PRESENT))
    assert await kept(database, organization) == {("local", ""): (9, 1), ("r2", ""): (9, 1)}


async def test_what_is_undone_counts_nothing_a_savepoint_too(database: Database, organization: UUID) -> None:
    with pytest.raises(LookupError):
        async with database.work(organization) as session:
            add_blob(session, organization, 100)
            await session.flush()
            raise LookupError
    async with database.work(organization) as session:
        add_blob(session, organization, 1)
        await session.flush()
        inner = await session.begin_nested()
        add_blob(session, organization, 50)
        await session.flush()
        await inner.rollback()
        add_blob(session, organization, 2)
    assert await kept(database, organization) == {("local", ""): (3, 2)}


async def test_constraints_that_are_made_immediate_count_too(database: Database, organization: UUID) -> None:
    """A migration does so before it changes the table."""
    async with database.work(organization) as session:
        add_blob(session, organization, 100)
        await session.flush()
        await session.execute(text("set constraints all immediate"))
        add_blob(session, organization, 20)
        await session.flush()
        await session.execute(update(Copy).values(storage_class="cold"))
    assert await kept(database, organization) == {("local", "cold"): (120, 2)}


async def test_an_early_commit_counts_once(database: Database, organization: UUID) -> None:
    async with database.work(organization) as session:
        add_blob(session, organization, 5)
        await session.commit()
        add_blob(session, organization, 6)
    assert await kept(database, organization) == {("local", ""): (11, 2)}


async def test_a_deleted_organization_leaves_nothing_and_the_others_as_they_were(
    database: Database, organization: UUID
) -> None:
    other = await add_organization(database)
    for owner in (organization, other):
        async with database.work(owner) as session:
            for _ in range(20):
                add_blob(session, owner, 10)
    async with database.owner() as session:
        await session.execute(delete(Organization).where(Organization.id == organization))
        assert await session.scalar(text("select count(*) from copy")) == 20
    async with database.owner() as session:
        left = (
            await session.execute(text("select organization_id, sum(bytes) from store_usage group by 1"))
        ).all()
    assert [tuple(row) for row in left] == [(other, 200)]


async def test_a_copy_made_and_an_organization_deleted_in_one_commit_is_no_error(
    database: Database, organization: UUID
) -> None:
    async with database.owner() as session:
        add_blob(session, organization, 10)
        await session.flush()
        await session.execute(delete(Organization).where(Organization.id == organization))
    async with database.owner() as session:
        assert await session.scalar(text("select count(*) from store_usage")) == 0


async def test_the_application_reads_its_own_figures_and_writes_none(
    database: Database, organization: UUID
) -> None:
    other = await add_organization(database)
    async with database.work(organization) as session:
        add_blob(session, organization, 10)
    async with database.work(other) as session:
        assert (await session.scalars(select(StoreUsage))).all() == []
    for statement in ("update store_usage set bytes = 0", "delete from store_usage"):
        with pytest.raises(ProgrammingError, match="permission denied"):
            async with database.work(organization) as session:
                await session.execute(text(statement))


async def test_fifty_units_at_once_that_add_move_and_remove_in_any_order_are_exact(
    database: Database, organization: UUID
) -> None:
    """Each touches several stores, in an order of its own: none waits for another in a circle."""
    async with database.work(organization) as session:
        old = [add_blob(session, organization, 1000 + number) for number in range(50)]
    gate = asyncio.Event()

    async def change(number: int) -> None:
        order = STORES if number % 2 else STORES[::-1]
        await gate.wait()
        async with database.work(organization) as session:
            for place, store in enumerate(order):
                add_blob(session, organization, 10 * number + place, store)
                await session.flush()
            await session.execute(
                update(Copy).where(Copy.blob_id == old[number].id).values(store=order[number % 3])
            )
        async with database.work(organization) as session:
            await session.execute(delete(Blob).where(Blob.id == old[(number + 7) % 50].id))

    changing = [asyncio.create_task(change(number)) for number in range(50)]
    gate.set()
    await asyncio.gather(*changing)
    copies = sum(count for _, count in (await kept(database, organization)).values())
    assert copies == 150


async def test_a_statement_on_very_many_copies_is_counted_in_one_go(
    database: Database, organization: UUID
) -> None:
    async with database.work(organization) as session:
        await session.execute(
            text(
                "insert into blob (organization_id, id, kind, size_bytes, content_type)"
                " select :o, gen_random_uuid(), 'original', n, 'a/b' from generate_series(1, 5000) n"
            ),
            {"o": organization},
        )
        await session.execute(
            text(
                "insert into copy (organization_id, id, blob_id, store, key, state, size_bytes)"
                " select organization_id, gen_random_uuid(), id, 's3', id::text, 'present', size_bytes"
                " from blob"
            )
        )
    async with database.work(organization) as session:
        await session.execute(update(Copy).where(Copy.size_bytes > 4000).values(storage_class="COLD"))
    assert await kept(database, organization) == {
        ("s3", ""): (4000 * 4001 // 2, 4000),
        ("s3", "COLD"): (5000 * 5001 // 2 - 4000 * 4001 // 2, 1000),
    }


async def test_a_recount_puts_right_what_hands_have_changed_and_tells_it(
    runtime: Runtime,
) -> None:
    database = runtime.database
    organization = await add_organization(database)
    async with database.directory() as session:
        session.add(StoreRow(name="r2", kind="s3"))
    async with database.work(organization) as session:
        for size in (10, 20, 30):
            add_blob(session, organization, size)
    assert await recount(runtime) == []
    async with database.owner() as session:
        await session.execute(text("alter table copy disable trigger user"))
        await session.execute(update(Copy).where(Copy.size_bytes == 30).values(store="r2"))
        await session.execute(text("alter table copy enable trigger user"))
    assert await recount(runtime) == [
        Corrected(organization, "local", "", 60, 30, 3, 2),
        Corrected(organization, "r2", "", 0, 30, 0, 1),
    ]
    assert await kept(database, organization) == {("local", ""): (30, 2), ("r2", ""): (30, 1)}


async def test_uploads_and_what_is_made_of_them_are_counted_where_they_lie(
    any_runtime: Runtime, person: Person
) -> None:
    async with client_of(any_runtime, person) as client:
        tickets = [await initiate(client) for _ in range(8)]

        async def upload(ticket: dict[str, str]) -> None:
            await send(client, ticket, SOUND)
            await complete(client, ticket)

        await asyncio.gather(*(upload(ticket) for ticket in tickets))
        place = any_runtime.stores.primary_name, ""
        told = await kept(any_runtime.database, person.organization_id)
        assert told == {place: (8 * len(SOUND), 8)}
        await do_jobs(any_runtime)
        told = await kept(any_runtime.database, person.organization_id)
        assert told[place][1] >= 3 * 8, "originals, playback and peaks"
    stranger = await add_person(any_runtime)
    assert await kept(any_runtime.database, stranger.organization_id) == {}
