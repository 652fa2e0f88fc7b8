"""Retention and holds: what is over goes to the last byte, from every store; what is held stays."""

import asyncio
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select, text

from reelkeep.accounts.models import Role
from reelkeep.blobs.models import Blob, StoreUsage
from reelkeep.errors import ErrorCode, Invalid, ReelkeepError
from reelkeep.events.models import Event
from reelkeep.placement import retention
from reelkeep.placement.load import in_force
from reelkeep.placement.purge import in_trash, purge_recording
from reelkeep.placement.retention import Walk, preview_retention, sweep_retention
from reelkeep.placement.rules import Kept
from reelkeep.placement.sweep import sweep_placement
from reelkeep.placement.write_rules import read_rules
from reelkeep.recordings.models import Erased, Recording
from reelkeep.runtime import Runtime
from reelkeep.uploads.models import Upload
from reelkeep.worker import build_app as build_queue
from tests.fixtures.ceph import Ceph
from tests.fixtures.media import beeps, wav
from tests.fixtures.runtime import Person, add_person, client_of, do_jobs
from tests.fixtures.several_stores import blobs_of, copies_of, several_stores, write_rules
from tests.fixtures.usage import usage_of
from tests.service.test_processing import look, take_in

SOUND = wav(beeps(1))


async def age(
    runtime: Runtime, person: Person, recording_id: str, days: int, column: str = "created_at"
) -> None:
    """Let so many days pass for one recording."""
    async with runtime.database.work(person.organization_id) as session:
        await session.execute(
            text(f"update recording set {column} = {column} - make_interval(days => :days) where id = :id"),
            {"days": days, "id": recording_id},
        )


async def trash(runtime: Runtime, person: Person, recording_id: str) -> None:
    async with client_of(runtime, person) as client:
        assert (await client.delete(f"/api/v1/recordings/{recording_id}")).status_code == 204


async def purge(runtime: Runtime, person: Person, recording_id: str) -> Any:
    return await purge_recording(
        runtime, person.organization_id, UUID(recording_id), still=in_trash, reason="test"
    )


async def keys_in(runtime: Runtime, *stores: str) -> list[str]:
    """Every object of these stores under recordings/."""
    return [
        facts.key for name in stores async for facts in runtime.stores.get(name).list_objects("recordings/")
    ]


async def until_empty(runtime: Runtime, *stores: str) -> None:
    """Do what workers do until nothing lies in the stores; links end after a second here."""
    async with asyncio.timeout(40):
        while await keys_in(runtime, *stores):
            await do_jobs(runtime)
            await sweep_placement(runtime)
            await asyncio.sleep(0.2)


async def events_of(runtime: Runtime, person: Person, kind: str) -> list[Event]:
    async with runtime.database.work(person.organization_id) as session:
        return list(await session.scalars(select(Event).where(Event.kind == kind)))


async def hold(runtime: Runtime, person: Person, recording_id: str, reason: str = "Case 7") -> None:
    async with client_of(runtime, person) as client:
        answer = await client.post(f"/api/v1/recordings/{recording_id}/hold", json={"reason": reason})
        assert answer.status_code == 200, answer.text
        assert answer.json()["held"] is True


@pytest.mark.s3
async def test_a_purged_recording_is_gone_to_the_last_byte_from_two_stores_and_from_usage(
    tmp_path: Path, conninfo: str, ceph: Ceph, ceph_bucket: str
) -> None:
    async with several_stores(tmp_path, conninfo, ceph=ceph, bucket=ceph_bucket) as runtime:
        person = await add_person(runtime)
        await write_rules(runtime, "*: local, s3-test")
        recording_id = await take_in(runtime, person, SOUND)
        await do_jobs(runtime)
        kinds = {key.rsplit(".", 1)[-1] for key in await keys_in(runtime, "local", "s3-test")}
        assert len(await keys_in(runtime, "local", "s3-test")) >= 8, kinds
        await trash(runtime, person, recording_id)

        done = await purge(runtime, person, recording_id)
        assert done.bytes == (await usage_of(runtime, person)).bytes_used > len(SOUND)
        async with client_of(runtime, person) as client:
            answer = await client.get(f"/api/v1/recordings/{recording_id}")
            assert (answer.status_code, answer.json()["error_code"]) == (404, "RECORDING_NOT_FOUND")
        await until_empty(runtime, "local", "s3-test")
        await do_jobs(runtime)

        assert (await usage_of(runtime, person)).bytes_used == 0
        async with runtime.database.work(person.organization_id) as session:
            assert (await session.scalars(select(Blob))).all() == []
            assert await session.scalar(select(func.sum(StoreUsage.bytes))) == 0
            assert await session.scalar(select(func.sum(StoreUsage.copies))) == 0
            assert (await session.scalars(select(Erased.recording_id))).all() == [UUID(recording_id)]
            for table in ("copy", "transcript", "segment", "step", "rendition", "upload", "recording"):
                assert await session.scalar(text(f"select count(*) from {table}")) == 0, table
        assert [one.facts["reason"] for one in await events_of(runtime, person, "recording.purged")] == [
            "test"
        ]
        assert await purge(runtime, person, recording_id) is None, "twice is once"


async def test_only_what_is_in_the_trash_can_be_purged_by_hand(tmp_path: Path, conninfo: str) -> None:
    async with several_stores(tmp_path, conninfo) as runtime:
        person = await add_person(runtime)
        recording_id = await take_in(runtime, person, SOUND)
        with pytest.raises(ReelkeepError, match="trash"):
            await purge(runtime, person, recording_id)
        assert (await look(runtime, person, recording_id))["id"] == recording_id


async def test_a_hold_keeps_a_recording_from_everything_until_it_is_released(
    tmp_path: Path, conninfo: str
) -> None:
    async with several_stores(tmp_path, conninfo) as runtime:
        person = await add_person(runtime)
        recording_id = await take_in(runtime, person, SOUND)
        await do_jobs(runtime)
        await hold(runtime, person, recording_id)
        await hold(runtime, person, recording_id)  # the same one
        await hold(runtime, person, recording_id, "another")
        await trash(runtime, person, recording_id)
        await age(runtime, person, recording_id, 400)
        await age(runtime, person, recording_id, 400, "deleted_at")
        await write_rules(runtime, "keep trash: 1 day\nkeep recordings: 1 day\nkeep originals: 1 day")
        with pytest.raises(ReelkeepError) as refused:
            await purge(runtime, person, recording_id)
        assert refused.value.code == ErrorCode.RECORDING_HELD
        assert await sweep_retention(runtime) == 0
        told = await preview_retention(runtime, await in_force(runtime))
        assert {one.recordings for one in told.values()} == {0}
        shown = await look(runtime, person, recording_id)
        assert [one["reason"] for one in shown["holds"]] == ["Case 7", "another"]
        async with client_of(runtime, person) as client:
            url = f"/api/v1/recordings/{recording_id}/hold"
            one = await client.delete(url, params={"hold_id": shown["holds"][0]["id"]})
            assert one.json()["held"] is True
            assert await sweep_retention(runtime) == 0
            assert (await client.delete(url)).json()["held"] is False
        assert len(await events_of(runtime, person, "recording.held")) == 2
        assert len(await events_of(runtime, person, "recording.released")) == 2
        assert await sweep_retention(runtime) == 1
        await until_empty(runtime, "local")
        assert (await usage_of(runtime, person)).bytes_used == 0


async def test_holds_are_for_managers_and_not_for_other_organizations(tmp_path: Path, conninfo: str) -> None:
    async with several_stores(tmp_path, conninfo) as runtime:
        person = await add_person(runtime)
        recording_id = await take_in(runtime, person, SOUND)
        url = f"/api/v1/recordings/{recording_id}/hold"
        for role, status in ((Role.MEMBER, 403), (Role.VIEWER, 403), (Role.MANAGER, 200)):
            other = await add_person(runtime, person.organization_id, role)
            async with client_of(runtime, other) as client:
                assert (await client.post(url, json={"reason": "x"})).status_code == status
        async with client_of(runtime, await add_person(runtime)) as client:
            assert (await client.post(url, json={"reason": "x"})).status_code == 404
            assert (await client.delete(url)).status_code == 404
        async with client_of(runtime, person) as client:
            assert (await client.post(url, json={"reason": " "})).status_code == 422


async def test_the_sweep_purges_what_is_over_by_each_organizations_rules_and_nothing_else(
    tmp_path: Path, conninfo: str
) -> None:
    async with several_stores(tmp_path, conninfo) as runtime:
        strict, lax = await add_person(runtime), await add_person(runtime)
        ids = {person: [await take_in(runtime, person, SOUND) for _ in range(3)] for person in (strict, lax)}
        await do_jobs(runtime)
        for person, (old, trashed, _fresh) in ids.items():
            await age(runtime, person, old, 100)
            await trash(runtime, person, trashed)
            await age(runtime, person, trashed, 10, "deleted_at")
        await write_rules(runtime, "keep recordings: 365 days\nkeep trash: 30 days")
        assert await sweep_retention(runtime) == 0
        await write_rules(
            runtime, "keep recordings: 90 days\nkeep trash: 9 days", str(strict.organization_id)
        )
        found = await preview_retention(runtime, await in_force(runtime))
        assert {kept: one.recordings for kept, one in found.items()} == {Kept.TRASH: 1, Kept.RECORDINGS: 1}
        assert all(one.bytes > len(SOUND) for one in found.values())
        assert await sweep_retention(runtime) == 2
        assert await sweep_retention(runtime) == 0
        async with runtime.database.sweep() as session:
            left = set(await session.scalars(select(Recording.id)))
        assert left == {UUID(one) for one in (ids[strict][2], *ids[lax])}


async def test_without_a_keep_line_nothing_is_ever_purged(tmp_path: Path, conninfo: str) -> None:
    async with several_stores(tmp_path, conninfo) as runtime:
        person = await add_person(runtime)
        recording_id = await take_in(runtime, person, SOUND)
        await trash(runtime, person, recording_id)
        await age(runtime, person, recording_id, 36_000)
        await age(runtime, person, recording_id, 36_000, "deleted_at")
        await write_rules(runtime, "*: local")
        assert await sweep_retention(runtime) == 0


async def test_many_workers_at_once_purge_each_recording_once(tmp_path: Path, conninfo: str) -> None:
    async with several_stores(tmp_path, conninfo) as runtime:
        person = await add_person(runtime)
        for _ in range(6):
            await age(runtime, person, await take_in(runtime, person, SOUND), 100)
        await do_jobs(runtime)
        await write_rules(runtime, "*: local, second\nkeep recordings: 90 days")
        purged = await asyncio.gather(*(sweep_retention(runtime, Walk()) for _ in range(4)))
        assert sum(purged) == 6
        assert len(await events_of(runtime, person, "recording.purged")) == 6
        await asyncio.gather(do_jobs(runtime), do_jobs(runtime))
        await until_empty(runtime, "local", "second")
        await do_jobs(runtime)
        assert (await usage_of(runtime, person)).bytes_used == 0


async def test_what_a_dead_worker_left_of_a_purge_is_removed_by_the_next(
    tmp_path: Path, conninfo: str
) -> None:
    """Its jobs are lost with it: those of the queue are deleted, and half of the bytes are gone already."""
    async with several_stores(tmp_path, conninfo) as runtime:
        person = await add_person(runtime)
        await write_rules(runtime, "*: local, second")
        recording_id = await take_in(runtime, person, SOUND)
        await do_jobs(runtime)
        original = (await blobs_of(runtime, person))[0]
        await trash(runtime, person, recording_id)
        await purge(runtime, person, recording_id)
        for store, copy in (await copies_of(runtime, person, original.id)).items():
            if store == "second":
                await runtime.stores.get(store).delete(copy.key)
        queue = build_queue(runtime)
        async with queue.open_async():  # begin, and be cut off before anything is done
            working = asyncio.create_task(
                queue.run_worker_async(wait=False, install_signal_handlers=False, listen_notify=False)
            )
            await asyncio.sleep(0)
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)
        await until_empty(runtime, "local", "second")
        await do_jobs(runtime)
        assert (await usage_of(runtime, person)).bytes_used == 0


async def test_the_original_goes_and_the_recording_stays_playable_and_readable(
    tmp_path: Path, conninfo: str
) -> None:
    async with several_stores(tmp_path, conninfo) as runtime:
        person = await add_person(runtime)
        await write_rules(runtime, "*: local, second\nkeep originals: 30 days")
        recording_id = await take_in(runtime, person, SOUND)
        await age(runtime, person, recording_id, 31)
        assert await sweep_retention(runtime) == 0, "no playback file yet, and steps wait for it"
        await do_jobs(runtime)
        original = (await blobs_of(runtime, person))[0]
        before = (await usage_of(runtime, person)).bytes_used
        assert await sweep_retention(runtime) == 1
        async with asyncio.timeout(40):
            while await copies_of(runtime, person, original.id):
                await do_jobs(runtime)
                await sweep_placement(runtime)
                await asyncio.sleep(0.2)
        assert (await usage_of(runtime, person)).bytes_used == before - len(SOUND)

        shown = await look(runtime, person, recording_id)
        assert (shown["original_removed"], shown["s3_key"], shown["status"]) == (True, None, "transcribed")
        base = f"/api/v1/recordings/{recording_id}"
        async with client_of(runtime, person) as client:
            assert len((await client.get(f"{base}/media/playback")).content) > 1_000
            assert (await client.get(f"{base}/peaks")).status_code == 200
            assert (await client.get(f"{base}/transcript")).status_code == 200
            for answer in (
                await client.get(f"{base}/download-url"),
                await client.post(f"{base}/steps/transcribe/rerun"),
            ):
                assert (answer.status_code, answer.json()["error_code"]) == (410, "ORIGINAL_PURGED")
        await trash(runtime, person, recording_id)
        await purge(runtime, person, recording_id)
        await until_empty(runtime, "local", "second")
        await do_jobs(runtime)
        assert (await usage_of(runtime, person)).bytes_used == 0


async def test_an_original_stays_while_its_playback_file_is_not_what_was_made(
    tmp_path: Path, conninfo: str
) -> None:
    async with several_stores(tmp_path, conninfo) as runtime:
        person = await add_person(runtime)
        recording_id = await take_in(runtime, person, SOUND)
        await do_jobs(runtime)
        await age(runtime, person, recording_id, 31)
        playback = (await blobs_of(runtime, person, "playback"))[0]
        local: Any = runtime.stores.get("local")
        path = local.path_of((await copies_of(runtime, person, playback.id))["local"].key)
        path.write_bytes(b"\xff" + path.read_bytes()[1:])
        await write_rules(runtime, "keep originals: 30 days")
        assert await sweep_retention(runtime) == 0
        assert (await look(runtime, person, recording_id))["original_removed"] is False


async def test_a_recording_whose_upload_is_underway_waits_for_its_end(tmp_path: Path, conninfo: str) -> None:
    async with several_stores(tmp_path, conninfo) as runtime:
        person = await add_person(runtime)
        async with client_of(runtime, person) as client:
            body = {"filename": "a.wav", "content_type": "audio/wav", "size_bytes": 5_000}
            ticket = (await client.post("/api/v1/recordings/upload/initiate", json=body)).json()
        recording_id = ticket["recording_id"]
        await age(runtime, person, recording_id, 31)
        await write_rules(runtime, "keep recordings: 30 days")
        assert await sweep_retention(runtime) == 0
        assert (await usage_of(runtime, person)).uploads_open == 1
        async with runtime.database.work(person.organization_id) as session:
            assert len((await session.scalars(select(Upload))).all()) == 1


async def test_rules_that_would_make_a_recording_unplayable_are_refused(
    tmp_path: Path, conninfo: str
) -> None:
    async with several_stores(tmp_path, conninfo) as runtime:
        with pytest.raises(Invalid, match=r"(?i)keep originals"):
            read_rules(runtime, "renditions: local; after 30 days: none\nkeep originals: 10 days")


async def test_a_walk_goes_on_behind_what_cannot_go_yet(
    tmp_path: Path, conninfo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "PAGE_ROWS", 2)
    async with several_stores(tmp_path, conninfo) as runtime:
        person = await add_person(runtime)
        ids = [await take_in(runtime, person, SOUND) for _ in range(5)]
        for index, recording_id in enumerate(ids):
            await age(runtime, person, recording_id, 100 - index)
        async with runtime.database.work(person.organization_id) as session:  # as if they were being sealed
            values = {"ids": [UUID(one) for one in ids[:4]]}
            await session.execute(
                text("update upload set seal_attempts = '[\"x\"]' where recording_id = any(:ids)"), values
            )
        await write_rules(runtime, "keep recordings: 30 days")
        walk = Walk()
        assert [await sweep_retention(runtime, walk) for _ in range(3)] == [0, 0, 1]
        assert walk.spots == {}, "and begins anew"
