"""Backups of a whole installation, put back on an empty machine, over folders and a real S3."""

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import text

from reelkeep.backups.backup_key import load_keys
from reelkeep.backups.drill import drill
from reelkeep.backups.layout import BLOBS, DATABASE, ERASURES, MANIFEST, point_key
from reelkeep.backups.manifest import Source, whole_backups
from reelkeep.backups.models import Backup, BackupState
from reelkeep.backups.restore import choose_backup
from reelkeep.clock import new_id
from reelkeep.db import migrate
from reelkeep.db.base import Base
from reelkeep.db.restored import is_empty, unfinished_restore
from reelkeep.errors import ErrorCode, ReelkeepError
from reelkeep.recordings.models import Erased
from reelkeep.runtime import Runtime
from reelkeep.settings import Settings
from reelkeep.wiring import open_runtime
from tests.fixtures.backups import back_up, count_blobs, keep, place_of, played, restored
from tests.fixtures.ceph import Ceph
from tests.fixtures.runtime import Person, add_person, client_of, do_jobs, s3_flags, settings_for

Elsewhere = Callable[..., Settings]


@pytest.fixture
def elsewhere(tmp_path: Path, empty_conninfo: str, runtime: Runtime) -> Elsewhere:
    """Settings of another machine: an empty data folder, an empty database, and the backups' key."""

    def make(**flags: Any) -> Settings:
        key = tmp_path / "kept elsewhere.key"
        shutil.copy(load_keys(runtime.settings, make=True).path, key)
        return settings_for(tmp_path / "other machine", empty_conninfo, backup_key_file=key, **flags)

    return make


async def names_in(runtime: Runtime, place: str, prefix: str) -> list[str]:
    async with place_of(runtime, place) as (found, _):
        return [facts.key async for facts in found.store.list_objects(prefix)]


async def epoch_of(runtime: Runtime) -> int:
    async with runtime.database.owner() as session:
        return int(await session.scalar(text("select max(epoch) from event")) or 0)


async def backup_row(runtime: Runtime, backup_id: UUID) -> Backup:
    async with runtime.database.directory() as session:
        row = await session.get(Backup, backup_id)
    assert row is not None
    return row


async def test_a_lost_machine_comes_back_with_every_recording(
    runtime: Runtime, elsewhere: Elsewhere, tmp_path: Path
) -> None:
    person = await add_person(runtime)
    one, two = await keep(runtime, person), await keep(runtime, person, 2.0)
    manifest = await back_up(runtime, str(tmp_path / "safe"))
    blobs = await count_blobs(runtime)
    assert (manifest.blobs, manifest.blobs_missing) == (blobs, 0)
    shutil.rmtree(runtime.settings.data / "stores")
    async with restored(elsewhere(), str(tmp_path / "safe")) as (again, told):
        assert (told.blobs.restored, told.blobs.missing) == (blobs, 0)
        assert await played(again, person, one.recording_id) == one.body
        assert await played(again, person, two.recording_id) == two.body
        async with client_of(again, person) as api:  # the token is good: accounts and secret key are back
            words = await api.get(f"/api/v1/recordings/{one.recording_id}/transcript")
            assert words.status_code == 200
        assert again.secrets.installation_secret == runtime.secrets.installation_secret
        drift = migrate.check(again.database.conninfo, Base)
        assert len(drift) == len(migrate.check(runtime.database.conninfo, Base))
        assert (await backup_row(again, manifest.id)).state == BackupState.WHOLE
        third = await keep(again, person)  # and it works
        assert await played(again, person, third.recording_id) == third.body


async def test_nothing_in_a_backup_can_be_read_without_the_key(runtime: Runtime, tmp_path: Path) -> None:
    person = await add_person(runtime)
    kept = await keep(runtime, person)
    await back_up(runtime, str(tmp_path / "safe"))
    everything = b"".join(path.read_bytes() for path in (tmp_path / "safe").rglob("*") if path.is_file())
    assert runtime.secrets.installation_secret not in everything
    assert kept.body[1000:1100] not in everything
    assert b"PGDMP" not in everything and person.token.encode() not in everything


async def test_a_second_backup_copies_only_new_blobs(runtime: Runtime, tmp_path: Path) -> None:
    person, safe = await add_person(runtime), str(tmp_path / "safe")
    await keep(runtime, person)
    first = await back_up(runtime, safe)
    await keep(runtime, person)
    second = await back_up(runtime, safe)
    assert (await backup_row(runtime, first.id)).blobs_copied == first.blobs > 2
    row = await backup_row(runtime, second.id)
    assert (row.blobs, row.state) == (second.blobs, BackupState.WHOLE)
    assert row.blobs_copied == second.blobs - first.blobs > 2
    assert len(await names_in(runtime, safe, BLOBS)) == second.blobs


async def test_without_their_bytes_the_stores_are_the_source_and_what_is_nowhere_is_told(
    runtime: Runtime, elsewhere: Elsewhere, tmp_path: Path
) -> None:
    person = await add_person(runtime)
    safe_one, lost_one = await keep(runtime, person), await keep(runtime, person, 2.0)
    made = await back_up(runtime, str(tmp_path / "safe"), with_blobs=False)
    assert await names_in(runtime, str(tmp_path / "safe"), BLOBS) == []
    async with client_of(runtime, person) as api:
        shown = (await api.get(f"/api/v1/recordings/{lost_one.recording_id}")).json()
    await runtime.stores.primary.delete(shown["s3_key"])
    settings = elsewhere()
    shutil.copytree(runtime.settings.data / "stores", settings.data / "stores")
    async with restored(settings, str(tmp_path / "safe")) as (again, told):
        assert (told.blobs.missing, told.blobs.restored, told.blobs.present) == (1, 0, made.blobs - 1)
        assert await played(again, person, safe_one.recording_id) == safe_one.body
        async with again.database.owner() as session:
            states = (
                await session.execute(text("select state, key from copy where state <> 'present'"))
            ).all()
        assert [(row[0], row[1]) for row in states] == [("missing", shown["s3_key"])]
        async with client_of(again, person) as api:
            shown = await api.get(f"/api/v1/recordings/{lost_one.recording_id}")
            assert shown.status_code == 200
            words = await api.get(f"/api/v1/recordings/{lost_one.recording_id}/transcript")
            assert words.status_code == 200


async def test_a_database_with_something_in_it_is_never_written_over(
    runtime: Runtime, elsewhere: Elsewhere, tmp_path: Path
) -> None:
    await back_up(runtime, str(tmp_path / "safe"))
    settings = elsewhere()
    async with open_runtime(settings) as there:
        somebody = await add_person(there)
    with pytest.raises(ReelkeepError) as told:
        async with restored(settings, str(tmp_path / "safe")):
            pass
    assert told.value.code == ErrorCode.RESTORE_REFUSED
    async with open_runtime(settings) as there, client_of(there, somebody) as api:
        assert (await api.get("/api/v1/recordings/")).status_code == 200


async def test_events_after_a_restore_come_after_all_that_were_before(
    runtime: Runtime, elsewhere: Elsewhere, tmp_path: Path
) -> None:
    person = await add_person(runtime)
    await keep(runtime, person)
    await back_up(runtime, str(tmp_path / "safe"))
    assert await epoch_of(runtime) == 1
    async with restored(elsewhere(), str(tmp_path / "safe")) as (again, _):
        await keep(again, person)
        assert await epoch_of(again) == 2


async def test_work_that_was_under_way_is_done_after_the_restore(
    runtime: Runtime, elsewhere: Elsewhere, tmp_path: Path
) -> None:
    person = await add_person(runtime)
    waits = await keep(runtime, person, processed=False)
    async with runtime.database.owner() as session:  # as a worker that has just begun leaves it
        await session.execute(
            text("update step set state = 'running', attempts = 1, run_id = id where kind = 'probe'")
        )
        await session.execute(
            text(
                "with w as (insert into procrastinate_workers default values returning id)"
                " update procrastinate_jobs set status = 'doing', worker_id = w.id from w"
            )
        )
    await back_up(runtime, str(tmp_path / "safe"))
    async with restored(elsewhere(), str(tmp_path / "safe")) as (again, _):
        await do_jobs(again)
        async with client_of(again, person) as api:
            shown = (await api.get(f"/api/v1/recordings/{waits.recording_id}")).json()
    assert shown["status"] == "transcribed"


async def test_what_was_erased_after_the_backup_stays_erased(
    runtime: Runtime, elsewhere: Elsewhere, tmp_path: Path
) -> None:
    person, safe = await add_person(runtime), str(tmp_path / "safe")
    gone, stays = await keep(runtime, person), await keep(runtime, person)
    before = await back_up(runtime, safe)
    recording_id = UUID(gone.recording_id)
    async with runtime.database.work(person.organization_id) as session:
        session.add(Erased(organization_id=person.organization_id, id=new_id(), recording_id=recording_id))
        await session.execute(text("delete from recording where id = :id"), {"id": recording_id})
    await back_up(runtime, safe)
    assert len(await names_in(runtime, safe, ERASURES)) == 1
    async with restored(elsewhere(), safe, before.id) as (again, told):
        assert told.erased == 1
        async with client_of(again, person) as api:
            assert (await api.get(f"/api/v1/recordings/{gone.recording_id}")).status_code == 404
            assert (await api.get(f"/api/v1/recordings/{stays.recording_id}")).status_code == 200
            used = (await api.get("/api/v1/organization/usage")).json()["bytes_used"]
        async with again.database.owner() as session:
            assert await session.scalar(text("select sum(size_bytes) from blob")) == used
            assert await session.scalar(text("select count(*) from erased")) == 1


async def test_a_changed_or_shortened_backup_is_refused_and_the_database_stays_empty(
    runtime: Runtime, elsewhere: Elsewhere, tmp_path: Path
) -> None:
    await keep(runtime, await add_person(runtime))
    manifest = await back_up(runtime, str(tmp_path / "safe"))
    async with place_of(runtime, str(tmp_path / "safe")) as (place, _):
        key = point_key(manifest.id, DATABASE)
        whole = b"".join([piece async for piece in place.store.read(key)])
    settings = elsewhere()
    assert settings.database_url is not None
    for bad in (
        whole[:-1],
        whole[: len(whole) // 2],
        whole[:-40] + bytes([whole[-40] ^ 1]) + whole[-39:],
        whole[:60],
    ):
        async with place_of(runtime, str(tmp_path / "safe")) as (place, _):
            await place.store.put(key, _once(bad))
        with pytest.raises(ReelkeepError) as told:
            async with restored(settings, str(tmp_path / "safe")):
                pass
        assert told.value.code == ErrorCode.BACKUP_DAMAGED
        assert is_empty(settings.database_url.get_secret_value())


async def _once(data: bytes):
    yield data


async def test_another_key_is_told_and_the_right_one_may_be_an_older_one(
    runtime: Runtime, elsewhere: Elsewhere, tmp_path: Path
) -> None:
    await back_up(runtime, str(tmp_path / "safe"))
    settings = elsewhere()
    assert settings.backup_key_file is not None
    right = settings.backup_key_file.read_text()
    settings.backup_key_file.write_text("ab" * 32 + "\n")
    with pytest.raises(ReelkeepError) as told:
        async with restored(settings, str(tmp_path / "safe")):
            pass
    assert told.value.code == ErrorCode.BACKUP_NOT_FOUND
    settings.backup_key_file.write_text("ab" * 32 + "\n" + right)
    async with restored(settings, str(tmp_path / "safe")) as (again, _):
        assert unfinished_restore(again.database.conninfo) is None


async def test_a_backup_without_its_manifest_is_none(runtime: Runtime, tmp_path: Path) -> None:
    safe = str(tmp_path / "safe")
    first = await back_up(runtime, safe)
    second = await back_up(runtime, safe)
    async with place_of(runtime, safe) as (place, keys):
        await place.store.delete(point_key(second.id, MANIFEST))
        assert [manifest.id for manifest in await whole_backups(place.store, keys)] == [first.id]
        forged = json.dumps({"format": 1, "id": str(second.id), "key_id": first.key_id, "mac": "0" * 64})
        await place.store.put(point_key(second.id, MANIFEST), _once(forged.encode()))
        assert [manifest.id for manifest in await whole_backups(place.store, keys)] == [first.id]


async def test_a_drill_proves_a_good_backup_and_finds_a_bad_one(runtime: Runtime, tmp_path: Path) -> None:
    person, safe = await add_person(runtime), str(tmp_path / "safe")
    await keep(runtime, person)
    manifest = await back_up(runtime, safe)
    async with place_of(runtime, safe) as (place, keys):
        source = await choose_backup(place, keys, None)
        found = await drill(runtime, source, 10)
        assert found.is_good and (found.blobs_read, found.wrong_tables) == (manifest.blobs, {})
        assert found.rows == sum(manifest.rows.values()) > 10
        row = await backup_row(runtime, manifest.id)
        assert row.drilled_at is not None and row.drill is not None and row.drill["ok"] is True
        assert list(runtime.scratch.iterdir()) == []

        victim = (await names_in(runtime, safe, BLOBS))[0]
        await place.store.delete(victim)
        shutil.rmtree(runtime.settings.data / "stores")
        bad = await drill(runtime, Source(place.store, keys, source.manifest), 10)
        assert not bad.is_good and bad.blobs_bad == [victim.rpartition("/")[2]]
        again = await backup_row(runtime, manifest.id)
        assert again.drill is not None and again.drill["ok"] is False
        assert again.drilled_at == row.drilled_at


@pytest.mark.s3
async def test_a_lost_bucket_comes_back_from_the_backup_and_a_lost_database_from_a_bucket(
    tmp_path: Path, conninfo: str, empty_conninfo: str, ceph: Ceph, ceph_bucket: str
) -> None:
    flags = s3_flags(ceph, ceph_bucket)
    async with open_runtime(settings_for(tmp_path / "data", conninfo, **flags)) as runtime:
        person = await add_person(runtime)
        one = await keep(runtime, person)
        await back_up(runtime, str(tmp_path / "safe"))
        keys = load_keys(runtime.settings)
    client = ceph.client()
    for found in client.list_objects_v2(Bucket=ceph_bucket)["Contents"]:
        client.delete_object(Bucket=ceph_bucket, Key=found["Key"])
    other = settings_for(tmp_path / "other", empty_conninfo, backup_key_file=keys.path, **flags)
    async with restored(other, str(tmp_path / "safe")) as (again, told):
        assert (told.blobs.restored, told.blobs.missing) == (await count_blobs(again), 0)
        assert await played(again, person, one.recording_id) == one.body
        manifest = await back_up(again, "s3")
        row = await backup_row(again, manifest.id)
        assert (row.place, row.blobs_copied) == ("s3", manifest.blobs)
    names = [found["Key"] for found in client.list_objects_v2(Bucket=ceph_bucket)["Contents"]]
    assert f"kept/{point_key(manifest.id, MANIFEST)}" in names
    own = settings_for(tmp_path / "third", empty_conninfo, backup_key_file=keys.path, **flags)
    own = own.model_copy(update={"database_url": None})
    async with restored(own, "s3") as (third, told):
        assert (told.manifest.id, told.blobs.restored, told.blobs.present) == (manifest.id, 0, manifest.blobs)
        assert await played(third, person, one.recording_id) == one.body


async def test_older_backups_go_and_with_them_bytes_that_none_lists(runtime: Runtime, tmp_path: Path) -> None:
    person, safe = await add_person(runtime), str(tmp_path / "safe")
    keeps_two = runtime.settings.model_copy(update={"backup_keep_last": 2})
    runtime = replace(runtime, settings=keeps_two)
    gone = await keep(runtime, person)
    made = [await back_up(runtime, safe)]
    async with runtime.database.owner() as session:
        await session.execute(text("delete from recording where id = :id"), {"id": UUID(gone.recording_id)})
        await session.execute(text("delete from blob"))
    _make_older(tmp_path / "safe", days=3)
    await keep(runtime, person)
    made += [await back_up(runtime, safe) for _ in range(3)]
    async with place_of(runtime, safe) as (place, keys):
        found = [manifest.id for manifest in await whole_backups(place.store, keys)]
    assert found == [made[3].id, made[2].id]
    states = [(await backup_row(runtime, manifest.id)).state for manifest in made]
    assert states == ["removed", "removed", "whole", "whole"]
    assert len(await names_in(runtime, safe, BLOBS)) == made[3].blobs
    assert len(await names_in(runtime, safe, "backups/points/")) == 8


def _make_older(folder: Path, days: int) -> None:
    """Let everything in a local store look as if it was written days ago."""
    for path in folder.rglob("*.json"):
        facts = path.read_text()
        document = json.loads(facts)
        for name, value in document.items():
            if name == "modified_at":
                document[name] = _earlier(value, days)
        path.write_text(json.dumps(document))
        os.utime(path, (path.stat().st_atime - days * 86_400, path.stat().st_mtime - days * 86_400))


def _earlier(value: Any, days: int) -> Any:
    if isinstance(value, str):
        return (datetime.fromisoformat(value) - timedelta(days=days)).isoformat()
    return value - days * 86_400


async def test_the_dump_holds_the_rows_of_every_organization(
    runtime: Runtime, elsewhere: Elsewhere, tmp_path: Path
) -> None:
    people = [await add_person(runtime) for _ in range(3)]
    for person in people:
        await keep(runtime, person, processed=False)
    await back_up(runtime, str(tmp_path / "safe"))
    async with restored(elsewhere(), str(tmp_path / "safe")) as (again, _):
        for person in people:
            await _sees_only_its_own(again, person)
        with psycopg.connect(again.database.conninfo) as connection:
            assert connection.execute("select count(*) from recording").fetchone() == (3,)


async def _sees_only_its_own(runtime: Runtime, person: Person) -> None:
    async with client_of(runtime, person) as api:
        assert len((await api.get("/api/v1/recordings/")).json()["items"]) == 1
