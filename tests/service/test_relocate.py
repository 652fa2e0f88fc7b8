"""Leaving a store, either way, while uploads and reads go on; and what a plan says before."""

import asyncio
import hashlib
from pathlib import Path

import pytest
from sqlalchemy import text

from reelkeep.blobs.open import open_blob
from reelkeep.errors import ReelkeepError
from reelkeep.placement.load import InForce, forget_known, in_force
from reelkeep.placement.models import RelocationState
from reelkeep.placement.preview import preview
from reelkeep.placement.relocate import (
    begin_relocation,
    end_relocation,
    list_relocations,
    pause_relocation,
    progress_of,
)
from reelkeep.placement.sweep import sweep_placement
from reelkeep.placement.write_rules import list_rules, read_rules, write_rules
from reelkeep.runtime import Runtime
from tests.fixtures.ceph import Ceph
from tests.fixtures.media import beeps, wav
from tests.fixtures.runtime import Person, add_person, do_jobs
from tests.fixtures.several_stores import blobs_of, copies_of, several_stores
from tests.service.test_processing import take_in

SOUND = wav(beeps(1))


async def until_nothing_is_left(runtime: Runtime, source: str) -> None:
    """Do what workers do until the move has ended."""
    async with asyncio.timeout(60):
        while (await progress_of(runtime, source)).state != RelocationState.DONE:
            await sweep_placement(runtime)
            await do_jobs(runtime)
            await asyncio.sleep(0.2)


async def read(runtime: Runtime, person: Person, blob_id: object) -> bytes:
    pieces = open_blob(runtime, person.organization_id, blob_id)  # type: ignore[arg-type]
    return b"".join([piece async for piece in pieces])


@pytest.mark.s3
async def test_a_migration_to_the_bucket_and_back_moves_everything_and_loses_no_byte(
    tmp_path: Path, conninfo: str, ceph: Ceph, ceph_bucket: str
) -> None:
    async with several_stores(tmp_path, conninfo, ceph=ceph, bucket=ceph_bucket) as runtime:
        person = await add_person(runtime)
        for _ in range(3):
            await take_in(runtime, person, SOUND)
        await do_jobs(runtime)
        begun = await begin_relocation(runtime, "local", "s3-test")
        assert begun.copies_total == begun.copies_left >= 9
        await take_in(runtime, person, SOUND)  # while it runs
        for blob in await blobs_of(runtime, person):
            assert await read(runtime, person, blob.id) == SOUND
        await until_nothing_is_left(runtime, "local")
        assert [facts.key async for facts in runtime.stores.get("local").list_objects("recordings/")] == []
        for blob in await blobs_of(runtime, person):
            assert set(await copies_of(runtime, person, blob.id)) == {"s3-test"}
            assert await read(runtime, person, blob.id) == SOUND
            assert blob.sha256 == hashlib.sha256(SOUND).digest()

        await begin_relocation(runtime, "s3-test", "local")
        assert [move.source for move in await list_relocations(runtime)] == ["s3-test"], "not in circles"
        await until_nothing_is_left(runtime, "s3-test")
        for blob in await blobs_of(runtime, person):
            assert set(await copies_of(runtime, person, blob.id)) == {"local"}
            assert await read(runtime, person, blob.id) == SOUND


async def test_new_uploads_go_to_where_their_store_is_left_for(tmp_path: Path, conninfo: str) -> None:
    async with several_stores(tmp_path, conninfo) as runtime:
        person = await add_person(runtime)
        await begin_relocation(runtime, "local", "second")
        await take_in(runtime, person, SOUND)
        blob = (await blobs_of(runtime, person))[0]
        assert set(await copies_of(runtime, person, blob.id)) == {"second"}


async def test_a_paused_migration_asks_for_nothing_and_goes_on_where_it_was(
    tmp_path: Path, conninfo: str
) -> None:
    async with several_stores(tmp_path, conninfo) as runtime:
        person = await add_person(runtime)
        await take_in(runtime, person, SOUND)
        await do_jobs(runtime)
        await begin_relocation(runtime, "local", "second")
        await pause_relocation(runtime, "local", paused=True)
        await sweep_placement(runtime)
        await do_jobs(runtime)
        assert set(await copies_of(runtime, person, (await blobs_of(runtime, person))[0].id)) == {"local"}
        await pause_relocation(runtime, "local", paused=False)
        await until_nothing_is_left(runtime, "local")
        with pytest.raises(ReelkeepError, match="No move"):
            await pause_relocation(runtime, "local", paused=True)
        await end_relocation(runtime, "local")
        assert await list_relocations(runtime) == []


async def test_a_store_is_not_drained_while_it_is_the_only_place_of_something(
    tmp_path: Path, conninfo: str
) -> None:
    async with several_stores(tmp_path, conninfo) as runtime:
        with pytest.raises(ReelkeepError, match="only in 'local'"):
            await begin_relocation(runtime, "local", None)
        await write_rules(runtime, "*: local, second")
        assert (await begin_relocation(runtime, "local", None)).target is None
        with pytest.raises(ReelkeepError, match="same store"):
            await begin_relocation(runtime, "local", "local")
        with pytest.raises(ReelkeepError, match="nowhere"):
            await begin_relocation(runtime, "local", "nowhere")


async def test_a_plan_counts_what_rules_would_move_and_moves_nothing(tmp_path: Path, conninfo: str) -> None:
    async with several_stores(tmp_path, conninfo) as runtime:
        person = await add_person(runtime)
        for _ in range(2):
            await take_in(runtime, person, SOUND)
        now = await in_force(runtime)
        rules = read_rules(runtime, "original: second, third")
        found = await preview(
            runtime, InForce(rules, now.of_organization, now.moves, now.classes, now.primary)
        )
        assert {store: (one.copies, one.bytes) for (store, _), one in found.made.items()} == {
            "second": (2, 2 * len(SOUND)),
            "third": (2, 2 * len(SOUND)),
        }
        assert [(store, one.copies) for (store, _), one in found.let_go.items()] == [("local", 2)]
        assert found.settled == 0
        assert set(await copies_of(runtime, person, (await blobs_of(runtime, person))[0].id)) == {"local"}
        assert await list_rules(runtime) == []


async def test_wrong_rules_are_refused_and_the_older_ones_stay(tmp_path: Path, conninfo: str) -> None:
    async with several_stores(tmp_path, conninfo) as runtime:
        await write_rules(runtime, "*: second")
        with pytest.raises(ReelkeepError, match="no store"):
            await write_rules(runtime, "*: elsewhere")
        assert [written.rules for written in await list_rules(runtime)] == ["*: second"]


async def test_rules_that_no_longer_fit_the_stores_move_nothing_stop_no_upload_and_say_so(
    tmp_path: Path, conninfo: str
) -> None:
    async with several_stores(tmp_path, conninfo) as runtime:
        await write_rules(runtime, "*: third")
        rules = text("update placement_rules set rules = '*: taken-away'")
        async with runtime.database.directory() as session:
            await session.execute(rules)
        forget_known(runtime)
        person = await add_person(runtime)
        await take_in(runtime, person, SOUND)
        await sweep_placement(runtime)
        await do_jobs(runtime)
        blob = (await blobs_of(runtime, person))[0]
        assert set(await copies_of(runtime, person, blob.id)) == {"local"}
        told = (await list_rules(runtime))[0]
        assert told.problem is not None
        assert 'no store "taken-away"' in told.problem


async def test_a_move_to_a_store_that_is_not_configured_any_more_stops_no_upload(
    tmp_path: Path, conninfo: str
) -> None:
    async with several_stores(tmp_path, conninfo) as runtime:
        await begin_relocation(runtime, "local", "second")
        async with runtime.database.directory() as session:
            await session.execute(text("insert into store (name, kind) values ('taken-away', 'local')"))
            await session.execute(text("update relocation set target = 'taken-away'"))
        forget_known(runtime)
        person = await add_person(runtime)
        await take_in(runtime, person, SOUND)
        blob = (await blobs_of(runtime, person))[0]
        assert set(await copies_of(runtime, person, blob.id)) == {"local"}
