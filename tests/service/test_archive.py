"""Archive and restore: the answers that AWS documents are played in front of the real gateway."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text

from reelkeep.accounts.models import Role
from reelkeep.blobs.models import Copy, RestoreState
from reelkeep.catalog.write import one_piece
from reelkeep.errors import StoreRefused, StoreUnavailable
from reelkeep.events.models import Event
from reelkeep.placement.restore_media import Following, sweep_restores
from reelkeep.runtime import Runtime
from reelkeep.stores.encrypted import EncryptedStore
from reelkeep.stores.guarded import guard
from reelkeep.stores.protocol import ColdFacts, ColdState
from reelkeep.stores.s3 import S3Store, S3StoreConfig
from reelkeep.stores.s3_restore import read_restore
from reelkeep.stores.signer import Credentials
from tests.fixtures.archive import Archive, archive_in_front
from tests.fixtures.ceph import Ceph
from tests.fixtures.encryption import KnownKeys
from tests.fixtures.media import beeps, wav
from tests.fixtures.runtime import Person, add_person, client_of, do_jobs
from tests.fixtures.several_stores import blobs_of, copies_of, several_stores, write_rules
from tests.service.test_processing import look, take_in
from tests.service.test_reconcile import settle

SOUND = wav(beeps(1))
pytestmark = pytest.mark.s3


@dataclass(frozen=True)
class Archived:
    """A recording whose files all lie in GLACIER alone."""

    runtime: Runtime
    person: Person
    recording_id: str
    archive: Archive

    async def ask(self, **body: Any) -> Any:
        async with client_of(self.runtime, self.person) as client:
            return await client.post(f"/api/v1/recordings/{self.recording_id}/restore-media", json=body)

    async def state(self) -> tuple[str, str]:
        shown = await look(self.runtime, self.person, self.recording_id)
        return shown["media_state"], shown["original_state"]

    async def copies(self) -> list[Copy]:
        async with self.runtime.database.work(self.person.organization_id) as session:
            query = select(Copy).where(Copy.storage_class == "GLACIER").order_by(Copy.id)
            return list(await session.scalars(query))

    async def get(self, path: str) -> Any:
        async with client_of(self.runtime, self.person) as client:
            return await client.get(f"/api/v1/recordings/{self.recording_id}/{path}")


@asynccontextmanager
async def archived(tmp_path: Path, conninfo: str, ceph: Ceph, bucket: str) -> AsyncIterator[Archived]:
    async with (
        archive_in_front(ceph) as (front, archive),
        several_stores(tmp_path, conninfo, ceph=front, bucket=bucket) as runtime,
    ):
        person = await add_person(runtime)
        recording_id = await take_in(runtime, person, SOUND)
        await do_jobs(runtime)
        await write_rules(runtime, "original: s3-test GLACIER\nrenditions: s3-test GLACIER\n*: local")
        for kind in ("original", "playback", "peaks"):
            blob = (await blobs_of(runtime, person, kind))[0]
            await settle(runtime, person, blob.id)
            assert set(await copies_of(runtime, person, blob.id)) == {"s3-test"}
        yield Archived(runtime, person, recording_id, archive)


async def test_an_archived_recording_is_asked_for_and_can_be_played_when_it_is_ready(
    tmp_path: Path, conninfo: str, ceph: Ceph, ceph_bucket: str
) -> None:
    async with archived(tmp_path, conninfo, ceph, ceph_bucket) as it:
        copy = (await it.copies())[0]
        with pytest.raises(StoreRefused, match="InvalidObjectState"):
            async for _ in it.runtime.stores.get("s3-test").read(copy.key):
                pass
        assert await it.state() == ("archived", "archived")
        refused = await it.get("media/playback")
        assert (refused.status_code, refused.json()["error_code"]) == (409, "COPY_ARCHIVED")

        asked = (await it.ask(days=3, tier="Bulk")).json()
        assert (asked["media_state"], asked["original_state"]) == ("restoring", "restoring")
        assert sorted(it.archive.asked.values()) == [3, 3, 3]
        assert {one.restore_state for one in await it.copies()} == {RestoreState.PENDING}
        assert (await it.ask()).status_code == 200, "again while it is underway"
        assert len([one for one in it.archive.seen if one[0] == "POST" and "restore" in one[1]]) == 3

        assert await sweep_restores(it.runtime, Following()) == 0
        refused = await it.get("download-url")
        assert refused.json()["details"]["restore_state"] == "pending"

        it.archive.bring_back()
        assert await sweep_restores(it.runtime, Following()) == 3
        assert await it.state() == ("available", "available")
        assert (await it.get("media/original")).content == SOUND
        assert len((await it.get("media/playback")).content) > 1_000
        untils = {one.restore_until for one in await it.copies()}
        assert untils == set(it.archive.ready.values())

        async with it.runtime.database.work(it.person.organization_id) as session:
            kinds = list(await session.scalars(select(Event.kind).where(Event.kind.like("%restore%"))))
        assert sorted(set(kinds)) == ["copy.restore_pending", "copy.restore_ready", "recording.restore_asked"]


async def test_what_was_restored_is_archived_again_when_its_days_are_over(
    tmp_path: Path, conninfo: str, ceph: Ceph, ceph_bucket: str
) -> None:
    async with archived(tmp_path, conninfo, ceph, ceph_bucket) as it:
        await it.ask(days=1)
        it.archive.bring_back()
        assert await sweep_restores(it.runtime) == 3
        async with it.runtime.database.work(it.person.organization_id) as session:
            await session.execute(text("update copy set restore_until = now() - interval '1 minute'"))
        it.archive.forget()
        await sweep_restores(it.runtime)
        assert await it.state() == ("archived", "archived")
        assert {(one.restore_state, one.restore_until) for one in await it.copies()} == {(None, None)}
        assert (await it.ask()).json()["media_state"] == "restoring", "it can be asked for again"


async def test_a_restored_copy_can_be_moved_out_of_the_archive_by_a_rule(
    tmp_path: Path, conninfo: str, ceph: Ceph, ceph_bucket: str
) -> None:
    async with archived(tmp_path, conninfo, ceph, ceph_bucket) as it:
        await write_rules(it.runtime, "*: local")
        await it.ask()
        it.archive.bring_back()
        await sweep_restores(it.runtime)
        await do_jobs(it.runtime)
        original = (await blobs_of(it.runtime, it.person))[0]
        await settle(it.runtime, it.person, original.id)
        assert set(await copies_of(it.runtime, it.person, original.id)) == {"local"}
        assert (await it.get("media/original")).content == SOUND


async def test_a_service_that_is_away_is_asked_later_and_many_workers_ask_as_one(
    tmp_path: Path, conninfo: str, ceph: Ceph, ceph_bucket: str
) -> None:
    async with archived(tmp_path, conninfo, ceph, ceph_bucket) as it:
        it.archive.away = True
        assert (await it.ask(days=5)).json()["media_state"] == "restoring"
        assert {one.restore_state for one in await it.copies()} == {RestoreState.ASKED}
        it.archive.away = False
        await asyncio.gather(*(sweep_restores(it.runtime, Following()) for _ in range(4)))
        assert {one.restore_state for one in await it.copies()} == {RestoreState.PENDING}
        assert sorted(it.archive.asked.values()) == [5, 5, 5], "for as long as was wanted"


async def test_a_service_that_is_away_in_the_midst_of_a_restore_delays_it_and_loses_nothing(
    tmp_path: Path, conninfo: str, ceph: Ceph, ceph_bucket: str
) -> None:
    async with archived(tmp_path, conninfo, ceph, ceph_bucket) as it:
        await it.ask()
        it.archive.away = True
        it.archive.bring_back()
        assert await sweep_restores(it.runtime, Following()) == 0
        assert await it.state() == ("restoring", "restoring")
        it.archive.away = False
        assert await sweep_restores(it.runtime, Following()) == 3

        it.archive.away = True
        refused = await it.get("media/original")
        assert refused.status_code == 503, "not that it was lost"
        original = (await blobs_of(it.runtime, it.person))[0]
        await write_rules(it.runtime, "*: local")
        with pytest.raises(StoreUnavailable):
            await settle(it.runtime, it.person, original.id)
        it.archive.away = False
        assert (await it.get("media/original")).content == SOUND
        await settle(it.runtime, it.person, original.id)
        assert set(await copies_of(it.runtime, it.person, original.id)) == {"local"}
        assert (await it.get("media/original")).content == SOUND


async def test_a_service_that_cannot_restore_says_so_and_nothing_is_noted(
    tmp_path: Path, conninfo: str, ceph: Ceph, ceph_bucket: str
) -> None:
    async with archived(tmp_path, conninfo, ceph, ceph_bucket) as it:
        it.archive.unable = True
        refused = await it.ask()
        assert (refused.status_code, refused.json()["error_code"]) == (502, "STORE_REFUSED")
        assert "cannot bring objects back" in refused.json()["message"]
        await sweep_restores(it.runtime)
        assert await it.state() == ("archived", "archived")


async def test_a_store_that_we_encrypt_hands_the_asking_on(ceph: Ceph, ceph_bucket: str) -> None:
    async with archive_in_front(ceph) as (front, archive):
        keys = Credentials(front.access_key, front.secret_key)
        config = S3StoreConfig(
            "s3", ceph_bucket, endpoint_url=front.endpoint_url, credentials=keys, encryption=None
        )
        store: Any = guard(EncryptedStore(S3Store(config), KnownKeys()))
        try:
            await store.put("a/b", one_piece(SOUND), size_bytes=len(SOUND), storage_class="GLACIER")
            with pytest.raises(StoreRefused, match="InvalidObjectState"):
                assert [piece async for piece in store.read("a/b")]
            await store.ask_restore("a/b", 2, "Standard")
            assert (await store.cold_facts("a/b")).state == ColdState.PENDING
            archive.bring_back()
            assert (await store.cold_facts("a/b")).state == ColdState.READY
            assert b"".join([piece async for piece in store.read("a/b")]) == SOUND
        finally:
            await store.close()


async def test_only_who_may_change_a_recording_asks_for_it_and_only_their_own(
    tmp_path: Path, conninfo: str, ceph: Ceph, ceph_bucket: str
) -> None:
    async with archived(tmp_path, conninfo, ceph, ceph_bucket) as it:
        viewer = await add_person(it.runtime, it.person.organization_id, Role.VIEWER)
        for other, status in ((viewer, 403), (await add_person(it.runtime), 404)):
            async with client_of(it.runtime, other) as client:
                answer = await client.post(f"/api/v1/recordings/{it.recording_id}/restore-media")
                assert answer.status_code == status
        assert (await it.ask(days=0)).status_code == 422
        assert it.archive.asked == {}


@pytest.mark.parametrize(
    ("header", "facts"),
    [
        ("", ColdFacts(ColdState.NOT_ASKED)),
        ('ongoing-request="true"', ColdFacts(ColdState.PENDING)),
        (
            'ongoing-request="false", expiry-date="Fri, 21 Dec 2012 00:00:00 GMT"',
            ColdFacts(ColdState.READY, datetime(2012, 12, 21, tzinfo=UTC)),
        ),
    ],
)
def test_the_header_of_amazon_is_read_as_documented(header: str, facts: ColdFacts) -> None:
    assert read_restore(header) == facts
