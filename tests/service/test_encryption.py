"""Recordings in stores that we encrypt, over a folder and a real S3: in, processed, played, shredded."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import select, text

from reelkeep.backups.backup_key import load_keys
from reelkeep.backups.blob_bytes import opened_bytes
from reelkeep.backups.blob_list import unpacked
from reelkeep.backups.drill import drill
from reelkeep.backups.erasures import keep_erasures
from reelkeep.backups.layout import BLOB_LIST
from reelkeep.backups.make import read_part
from reelkeep.backups.restore import choose_backup
from reelkeep.blobs.data_keys import LooseKeys
from reelkeep.blobs.keys import blob_key
from reelkeep.blobs.master_keys import load_master_keys, master_key_uses, rewrap_data_keys
from reelkeep.blobs.models import Blob, Copy, DataKeyRow
from reelkeep.clock import new_id
from reelkeep.errors import Conflict, ErrorCode, KeyRefused, ReelkeepError, WrongBytes
from reelkeep.placement.check import check_store
from reelkeep.placement.reconcile import Outcome, reconcile_blob
from reelkeep.placement.scrub import Unread, scrub
from reelkeep.recordings.models import Erased, Hold, Recording
from reelkeep.recordings.shred import shred_recording
from reelkeep.runtime import Runtime
from reelkeep.stores.protocol import SignsUrls, Store, TakesParts
from reelkeep.stores.traffic import traffic_of
from reelkeep.uploads.key_scope import recording_of_key
from reelkeep.wiring import open_runtime
from tests.fixtures.backups import back_up, keep, place_of, played, restored
from tests.fixtures.media import beeps, wav
from tests.fixtures.runtime import Person, add_person, client_of, do_jobs, settings_for
from tests.fixtures.several_stores import blobs_of, copies_of, write_rules
from tests.service.test_uploads import complete, initiate, send

SOUND = wav(beeps(20.0))
KEY_A, KEY_B = "a" * 64, "b" * 64
API = "/api/v1/recordings"


def keys_file(folder: Path, *lines: str) -> Path:
    """A file of master keys."""
    path = folder / "master.keys"
    path.write_text("\n".join(lines) + "\n")
    return path


@asynccontextmanager
async def encrypted(
    tmp_path: Path,
    conninfo: str,
    *lines: str,
    section: str = "[stores.local]\nencrypted = true\n",
    **flags: Any,
) -> AsyncIterator[Runtime]:
    """An installation whose store is encrypted with these master keys."""
    stores = tmp_path / "stores.toml"
    stores.write_text(section)
    given = {"stores_file": stores, "encryption_key_file": keys_file(tmp_path, *(lines or (f"a {KEY_A}",)))}
    async with open_runtime(settings_for(tmp_path / "data", conninfo, **{**given, **flags})) as opened:
        yield opened


@pytest.fixture(params=["local", pytest.param("s3", marks=pytest.mark.s3)])
async def runtime(request: pytest.FixtureRequest, tmp_path: Path, conninfo: str) -> AsyncIterator[Runtime]:
    """An installation whose primary store we encrypt."""
    section, flags = "[stores.local]\nencrypted = true\n", {}
    if request.param == "s3":
        ceph, bucket = request.getfixturevalue("ceph"), request.getfixturevalue("ceph_bucket")
        flags = {"store": "cloud"}
        section = (
            f'[stores.cloud]\nkind = "s3"\nservice = "ceph"\nencrypted = true\nbucket = "{bucket}"\n'
            f'endpoint_url = "{ceph.endpoint_url}"\nregion = "us-east-1"\n'
            f'access_key_id = "{ceph.access_key}"\nsecret_access_key = "{ceph.secret_key}"\n'
        )
    async with encrypted(tmp_path, conninfo, section=section, **flags) as opened:
        yield opened


@pytest.fixture
async def person(runtime: Runtime) -> Person:
    return await add_person(runtime)


def inside(store: Store) -> Store:
    """The store that sees encrypted bytes alone."""
    found: Store = store._inside._inside  # type: ignore[attr-defined]
    return found


async def whole(store: Store, key: str) -> bytes:
    return b"".join([piece async for piece in store.read(key)])


async def all_bytes(runtime: Runtime) -> dict[str, bytes]:
    """What the store really has, by key."""
    store = inside(runtime.stores.primary)
    return {facts.key: await whole(store, facts.key) async for facts in store.list_objects()}


async def take(client: httpx.AsyncClient, **fields: Any) -> dict[str, Any]:
    """A recording by a ticket."""
    ticket = await initiate(client, **fields)
    assert (await send(client, ticket, SOUND)).status_code in (200, 204)
    answer = await complete(client, ticket)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


@pytest.mark.parametrize("method", ["post", "put"])
async def test_a_ticket_brings_the_bytes_through_us_and_says_so(
    runtime: Runtime, person: Person, method: str
) -> None:
    assert not isinstance(runtime.stores.primary, SignsUrls | TakesParts)
    async with client_of(runtime, person) as client:
        ticket = await initiate(client, method=method, sha256=hashlib.sha256(SOUND).hexdigest())
        assert (ticket["upload_method"], ticket["upload_via"]) == (method, "reelkeep")
        assert ticket["upload_url"].startswith(runtime.settings.base_url)
        client.headers.pop("Authorization")
        sent = await send(client, ticket, SOUND)
        assert sent.status_code in (200, 204) and sent.headers["etag"]
        assert sent.headers["access-control-allow-origin"] == "*"
        client.headers.update(person.headers)
        recording = (await complete(client, ticket)).json()
    assert recording["sha256"] == hashlib.sha256(SOUND).hexdigest()
    assert recording["file_size_bytes"] == len(SOUND)
    kept = await all_bytes(runtime)
    assert list(kept) == [recording["s3_key"]]
    assert SOUND[2000:2100] not in kept[recording["s3_key"]]
    assert await whole(runtime.stores.primary, recording["s3_key"]) == SOUND


async def test_a_recording_is_processed_and_played_with_ranges(runtime: Runtime, person: Person) -> None:
    async with client_of(runtime, person) as client:
        recording = await take(client)
        await do_jobs(runtime)
        done = (await client.get(f"{API}/{recording['id']}")).json()
        assert (done["status"], done["playback_ready"]) == ("transcribed", True)
        link = (await client.get(f"{API}/{recording['id']}/download-url")).json()
        assert link["via"] == "reelkeep"
        found = await client.get(link["download_url"], headers={"Range": "bytes=300000-300099"})
        assert (found.status_code, found.content) == (206, SOUND[300_000:300_100])
        assert (await client.get(link["download_url"])).content == SOUND
    rows = await keys_of(runtime, person)
    assert [str(row.recording_id) for row in rows] == [recording["id"]]


async def keys_of(runtime: Runtime, person: Person) -> list[DataKeyRow]:
    async with runtime.database.work(person.organization_id) as session:
        return list(await session.scalars(select(DataKeyRow)))


async def test_a_broken_tus_upload_goes_on_and_never_lies_in_the_open(
    runtime: Runtime, person: Person
) -> None:
    tus = {"Tus-Resumable": "1.0.0"}
    moving = {**tus, "Content-Type": "application/offset+octet-stream"}
    async with client_of(runtime, person) as client:
        ticket = await initiate(client, method="tus", size_bytes=len(SOUND))
        assert ticket["upload_via"] == "reelkeep"
        first = await client.patch(
            ticket["upload_url"], content=SOUND[:300_000], headers={**moving, "Upload-Offset": "0"}
        )
        assert first.status_code == 204, first.text
        for kept in (await all_bytes(runtime)).values():
            assert SOUND[2000:2100] not in kept
        offset = (await client.head(ticket["upload_url"], headers=tus)).headers["upload-offset"]
        assert offset == "300000"
        rest = await client.patch(
            ticket["upload_url"], content=SOUND[300_000:], headers={**moving, "Upload-Offset": offset}
        )
        assert rest.status_code == 204, rest.text
        recording = (await client.get(f"{API}/{ticket['recording_id']}")).json()
    assert recording["sha256"] == hashlib.sha256(SOUND).hexdigest()
    assert list(await all_bytes(runtime)) == [recording["s3_key"]]


async def test_a_plain_request_is_taken(runtime: Runtime, person: Person) -> None:
    async with client_of(runtime, person) as client:
        answer = await client.post(f"{API}/upload", files={"file": ("a.wav", SOUND, "audio/wav")})
        assert answer.status_code == 201, answer.text
    assert await whole(runtime.stores.primary, answer.json()["s3_key"]) == SOUND


async def test_a_ticket_takes_no_other_bytes_than_it_is_for(runtime: Runtime, person: Person) -> None:
    async with client_of(runtime, person) as client:
        declared = await initiate(client, method="put", size_bytes=len(SOUND), sha256="0" * 64)
        for body, code in (
            (SOUND + b"x", "UPLOAD_TOO_LARGE"),
            (SOUND[:-1], "UPLOAD_SIZE_MISMATCH"),
            (SOUND, "UPLOAD_DIGEST_MISMATCH"),
        ):
            answer = await send(client, declared, body)
            assert answer.json()["error_code"] == code
        answer = await client.put(
            declared["upload_url"], content=SOUND, headers={"Content-Type": "text/html"}
        )
        assert answer.json()["error_code"] == "TYPE_MISMATCH"
        assert (await complete(client, declared)).json()["error_code"] == "UPLOAD_INCOMPLETE"
        url = declared["upload_url"]
        other = "A" if url[-1] != "A" else "B"
        assert (await client.put(url[:-1] + other, content=SOUND)).status_code == 404
        multipart = {"filename": "a.wav", "content_type": "audio/wav", "method": "multipart"}
        refused = await client.post(f"{API}/upload/initiate", json=multipart)
        assert (refused.status_code, refused.json()["error_code"]) == (409, "UPLOAD_METHOD")
        taken = await take(client)
        ended = await initiate(client)
        async with runtime.database.work(person.organization_id) as session:
            await session.execute(text("update upload set expires_at = now() - interval '1 minute'"))
        assert (await send(client, ended, SOUND)).json()["error_code"] == "UPLOAD_EXPIRED"
    assert list(await all_bytes(runtime)) == [taken["s3_key"]]


async def test_a_shredded_recording_cannot_be_read_from_any_copy(runtime: Runtime, person: Person) -> None:
    async with client_of(runtime, person) as client:
        recording, other = await take(client), await take(client, title="other")
        link = (await client.get(f"{API}/{recording['id']}/download-url")).json()["download_url"]
        kept_elsewhere = await all_bytes(runtime)
        done = await shred_recording(runtime, person.organization_id, UUID(recording["id"]), person.user_id)
        assert (done.unreadable_in, done.readable_in) == ([runtime.stores.primary_name], [])
        answer = await client.get(link)
        assert (answer.status_code, answer.json()["error_code"]) == (410, "KEY_ERASED")
        assert await all_bytes(runtime) == kept_elsewhere  # the bytes are there and nobody can read them
        with pytest.raises(KeyRefused) as refused:
            await whole(runtime.stores.primary, recording["s3_key"])
        assert refused.value.code == ErrorCode.KEY_ERASED
        assert await whole(runtime.stores.primary, other["s3_key"]) == SOUND
        assert (await client.get(f"{API}/{recording['id']}")).json()["is_deleted"]
        # That nobody can read one recording says nothing of the store.
        assert not runtime.stores.primary.health.is_open  # type: ignore[attr-defined]
        assert await whole(runtime.stores.primary, (await take(client))["s3_key"]) == SOUND
    erased = [row for row in await keys_of(runtime, person) if row.erased_at]
    assert [(str(row.recording_id), row.wrapped) for row in erased] == [(recording["id"], None)]
    async with runtime.database.work(person.organization_id) as session:
        assert str(await session.scalar(select(Erased.recording_id))) == recording["id"]
    again = await shred_recording(runtime, person.organization_id, UUID(recording["id"]), None)
    assert again == done


async def test_nothing_new_is_kept_of_a_shredded_recording(runtime: Runtime, person: Person) -> None:
    async with client_of(runtime, person) as client:
        ticket = await initiate(client)
        await shred_recording(runtime, person.organization_id, UUID(ticket["recording_id"]), None)
        answer = await send(client, ticket, SOUND)
    assert (answer.status_code, answer.json()["error_code"]) == (410, "KEY_ERASED")


async def test_a_held_recording_is_not_shredded(runtime: Runtime, person: Person) -> None:
    async with client_of(runtime, person) as client:
        recording = await take(client)
    hold = Hold(
        organization_id=person.organization_id, recording_id=UUID(recording["id"]), reason="a lawsuit"
    )
    async with runtime.database.work(person.organization_id) as session:
        session.add(hold)
    with pytest.raises(Conflict) as refused:
        await shred_recording(runtime, person.organization_id, UUID(recording["id"]), None)
    assert refused.value.code == ErrorCode.RECORDING_HELD
    assert await whole(runtime.stores.primary, recording["s3_key"]) == SOUND


async def test_another_organizations_key_opens_nothing(runtime: Runtime, person: Person) -> None:
    stranger = await add_person(runtime)
    async with client_of(runtime, person) as client:
        mine = await take(client)
    async with client_of(runtime, stranger) as client:
        theirs = await take(client)
    store = inside(runtime.stores.primary)
    await store.put(theirs["s3_key"], store.read(mine["s3_key"]))
    with pytest.raises(WrongBytes):
        await whole(runtime.stores.primary, theirs["s3_key"])


async def test_a_row_that_is_moved_to_another_recording_opens_nothing(
    runtime: Runtime, person: Person
) -> None:
    async with client_of(runtime, person) as client:
        recording = await take(client)
    async with runtime.database.work(person.organization_id) as session:
        await session.execute(text("update data_key set recording_id = gen_random_uuid()"))
    assert runtime.key_ring
    runtime.key_ring.forget()
    with pytest.raises(ReelkeepError) as refused:
        await whole(runtime.stores.primary, recording["s3_key"])
    assert refused.value.code == ErrorCode.ENCRYPTION_KEY


async def test_a_key_names_its_recording_also_where_a_host_uses_ids_of_ours(
    runtime: Runtime, person: Person
) -> None:
    async with client_of(runtime, person) as client:
        first = UUID((await initiate(client))["recording_id"])
        second = UUID(
            (await initiate(client, recording_metadata={"customer_id": str(first)}))["recording_id"]
        )
    organization, blob = person.organization_id, new_id()
    keys = {
        blob_key(organization, second, blob): second,
        f"recordings/{organization}/{first}/20260101/s/{second}/{blob}.m4a": second,
        f"recordings/{organization}/{second}/x/{first}_{blob}.m4a": second,
        f"recordings/{organization}/none/{first}/{blob}.m4a": first,
    }
    async with runtime.database.work(organization) as session:
        for key, recording_id in keys.items():
            assert await recording_of_key(session, organization, key) == recording_id, key


async def test_bytes_that_a_client_encrypted_are_kept_unseen(runtime: Runtime, person: Person) -> None:
    opaque = hashlib.shake_256(b"opaque").digest(100_000)
    fields = {"client_encrypted": True, "content_type": "application/octet-stream", "filename": "visit.m4a"}
    async with client_of(runtime, person) as client:
        ticket = await initiate(client, **fields)
        assert (await send(client, ticket, opaque)).status_code == 204
        recording = (await complete(client, ticket)).json()
        assert (recording["client_encrypted"], recording["status"]) == (True, "processed")
        assert recording["steps"] == [] and recording["mime_type"] == "application/octet-stream"
        await do_jobs(runtime)
        again = (await client.get(f"{API}/{recording['id']}")).json()
        assert (again["status"], again["playback_ready"]) == ("processed", False)
        link = (await client.get(f"{API}/{recording['id']}/download-url")).json()["download_url"]
        assert (await client.get(link)).content == opaque
        rerun = await client.post(f"{API}/{recording['id']}/steps/transcribe/rerun", json={})
        assert rerun.json()["error_code"] == "RECORDING_STATE"
        form = {"client_encrypted": "true"}
        files = {"file": ("visit.m4a", opaque, "application/octet-stream")}
        plain = await client.post(f"{API}/upload", data=form, files=files)
        assert (plain.status_code, plain.json()["client_encrypted"]) == (201, True)
        said = {"filename": "a.wav", "content_type": "audio/wav", "client_encrypted": True}
        assert (await client.post(f"{API}/upload/initiate", json=said)).json()[
            "error_code"
        ] == "UNSUPPORTED_TYPE"
        unsaid = {"filename": "a.bin", "content_type": "application/octet-stream"}
        assert (await client.post(f"{API}/upload/initiate", json=unsaid)).status_code == 415


# Master keys


async def test_rotating_wraps_every_key_anew_and_touches_no_bytes(tmp_path: Path, conninfo: str) -> None:
    async with encrypted(tmp_path, conninfo, f"a {KEY_A}") as runtime:
        person = await add_person(runtime)
        async with client_of(runtime, person) as client:
            recordings = [await take(client, title=str(n)) for n in range(3)]
        before = await all_bytes(runtime)
        await shred_recording(runtime, person.organization_id, UUID(recordings[0]["id"]), None)
    async with encrypted(tmp_path, conninfo, f"b {KEY_B}", f"a {KEY_A}") as runtime:
        keys = load_master_keys(runtime.settings)
        assert [(use.id, use.data_keys) for use in await master_key_uses(runtime.database, keys)] == [
            ("a", 2),
            ("b", 0),
        ]
        said: list[tuple[int, int]] = []
        assert await rewrap_data_keys(runtime.database, keys, lambda *done: said.append(done)) == 2
        assert said == [(2, 2)]
        assert await rewrap_data_keys(runtime.database, keys, lambda *_: None) == 0
    async with encrypted(tmp_path, conninfo, f"b {KEY_B}") as runtime:
        assert await all_bytes(runtime) == before
        for recording in recordings[1:]:
            assert await whole(runtime.stores.primary, recording["s3_key"]) == SOUND
        with pytest.raises(KeyRefused):
            await whole(runtime.stores.primary, recordings[0]["s3_key"])


async def test_it_does_not_start_without_the_right_master_key(tmp_path: Path, conninfo: str) -> None:
    async with encrypted(tmp_path, conninfo, f"a {KEY_A}") as runtime:
        person = await add_person(runtime)
        async with client_of(runtime, person) as client:
            await take(client)
    for lines, told in (
        ((f"a {KEY_B}",), "not the one that had this id before"),
        ((f"b {KEY_B}",), "'a' is missing and 1 recordings can be read with it alone"),
        (("# none",), "has no master key"),
        (("a short",), "line 1, is no master key"),
    ):
        with pytest.raises(ReelkeepError, match=told) as refused:
            async with encrypted(tmp_path, conninfo, *lines):
                pass
        assert KEY_B not in refused.value.message and "short" not in refused.value.message
    with pytest.raises(ReelkeepError, match="there is no master key"):
        async with encrypted(tmp_path, conninfo, encryption_key_file=None):
            pass
    async with encrypted(
        tmp_path, conninfo, encryption_key_file=None, encryption_keys=f"b:{KEY_B},a:{KEY_A}"
    ) as runtime:
        assert [key.id for key in load_master_keys(runtime.settings)] == ["b", "a"]


async def test_a_store_with_recordings_does_not_change_between_plain_and_encrypted(
    tmp_path: Path, conninfo: str
) -> None:
    async with encrypted(tmp_path, conninfo, section=""):
        pass
    async with encrypted(tmp_path, conninfo) as runtime:  # nothing lies there yet
        person = await add_person(runtime)
        async with client_of(runtime, person) as client:
            await take(client)
    with pytest.raises(ReelkeepError, match="cannot become unencrypted"):
        async with encrypted(tmp_path, conninfo, section=""):
            pass


async def test_what_belongs_to_no_organization_is_readable_without_the_database(
    tmp_path: Path, conninfo: str
) -> None:
    async with encrypted(tmp_path, conninfo, f"b {KEY_B}", f"a {KEY_A}") as runtime:
        loose = LooseKeys(load_master_keys(runtime.settings))
        for key in ("check/doctor-1", f"backups/{new_id()}/blobs/1"):
            assert runtime.key_ring
            made = await runtime.key_ring.key_for(key)
            assert await loose.key_of(made.id, key) == made
        older = await LooseKeys(loose.master_keys[1:]).key_for("check/x")
        assert await loose.key_of(older.id, "check/x") == older
        with pytest.raises(KeyRefused):
            await loose.key_for(f"recordings/{new_id()}/{new_id()}/{new_id()}")


async def test_two_that_begin_at_once_share_one_key(tmp_path: Path, conninfo: str) -> None:
    async with encrypted(tmp_path, conninfo) as one, encrypted(tmp_path, conninfo) as other:
        person = await add_person(one)
        async with client_of(one, person) as client:
            recording_id = UUID((await initiate(client))["recording_id"])
        rings = [one.key_ring, other.key_ring] * 4
        keys = [blob_key(person.organization_id, recording_id, new_id()) for _ in rings]
        found = await asyncio.gather(*(ring.key_for(k) for ring, k in zip(rings, keys, strict=True) if ring))
        assert len({key.id for key in found}) == len({key.secret for key in found}) == 1


async def test_copies_tell_what_they_are(runtime: Runtime, person: Person) -> None:
    async with client_of(runtime, person) as client:
        recording = await take(client)
    async with runtime.database.work(person.organization_id) as session:
        blob = await session.scalar(select(Blob))
        copy = await session.scalar(select(Copy))
        row = await session.get(Recording, (person.organization_id, UUID(recording["id"])))
    assert blob and copy and row
    assert blob.size_bytes == len(SOUND) and blob.sha256 == hashlib.sha256(SOUND).digest()
    assert (copy.store, row.client_encrypted) == (runtime.stores.primary_name, False)


async def test_a_backup_of_a_shredded_recording_cannot_be_read_with_the_backups_key(
    tmp_path: Path, conninfo: str, empty_conninfo: str
) -> None:
    place = str(tmp_path / "backups")
    async with encrypted(tmp_path, conninfo) as runtime:
        person = await add_person(runtime)
        shredded = await keep(runtime, person, 1.0, processed=False)
        kept = await keep(runtime, person, 2.0, processed=False)
        await back_up(runtime, place)
        async with place_of(runtime, place) as (found, keys):
            source = await choose_backup(found, keys, None)
            listed = [blob async for blob in unpacked(read_part(source, BLOB_LIST))]
            for blob in listed:
                opened = b"".join([piece async for piece in opened_bytes(runtime, source, blob)])
                assert hashlib.sha256(opened).hexdigest() == blob.sha256
            assert not (await drill(runtime, source, 10)).blobs_bad
            await shred_recording(runtime, person.organization_id, UUID(shredded.recording_id), None)
            unreadable = []
            for blob in listed:
                try:
                    assert [piece async for piece in opened_bytes(runtime, source, blob)]
                except KeyRefused as error:
                    unreadable.append((blob.sha256, error.code))
            digest = hashlib.sha256(shredded.body).hexdigest()
            assert unreadable == [(digest, ErrorCode.KEY_ERASED)]
            await keep_erasures(runtime, found.store, keys)
        backup_key = load_keys(runtime.settings).path
        flags = {
            "stores_file": runtime.settings.stores_file,
            "encryption_key_file": runtime.settings.encryption_key_file,
            "backup_key_file": backup_key,
        }
    elsewhere = settings_for(tmp_path / "other machine", empty_conninfo, **flags)
    async with restored(elsewhere, place) as (again, told):
        assert told.blobs.missing == 0
        assert await played(again, person, kept.recording_id) == kept.body
        async with again.database.work(person.organization_id) as session:
            rows = {str(row.recording_id): row for row in await session.scalars(select(DataKeyRow))}
            gone = await session.get(Recording, (person.organization_id, UUID(shredded.recording_id)))
        assert gone is None and rows[shredded.recording_id].wrapped is None
        assert rows[kept.recording_id].wrapped is not None


async def test_the_check_of_all_copies_comes_past_a_shredded_one(runtime: Runtime, person: Person) -> None:
    async with client_of(runtime, person) as client:
        recording, other = await take(client), await take(client, title="other")
    await shred_recording(runtime, person.organization_id, UUID(recording["id"]), None)
    name = runtime.stores.primary_name
    drift = await check_store(runtime, name, verify=True)
    assert (drift.is_clean, drift.verified, drift.unreadable, drift.foreign) == (True, 1, 1, 0)
    sealed = bytearray(await whole(inside(runtime.stores.primary), other["s3_key"]))
    sealed[70_000] ^= 1
    await inside(runtime.stores.primary).put(other["s3_key"], pieces(bytes(sealed)))
    drift = await check_store(runtime, name, verify=True)
    assert (drift.damaged, drift.verified, drift.unreadable) == (1, 1, 1)


async def test_a_copy_whose_key_was_erased_is_not_verified_and_holds_up_no_reading_of_the_others(
    tmp_path: Path, conninfo: str
) -> None:
    flags = {"sweep_seconds": 86_400, "scrub_days": 1}
    async with encrypted(tmp_path, conninfo, **flags) as runtime:
        person = await add_person(runtime)
        async with client_of(runtime, person) as client:
            shredded, other = await take(client), await take(client, title="other")
        await forget_reading(runtime, person)
        await shred_recording(runtime, person.organization_id, UUID(shredded["id"]), None)
        settings = runtime.settings.model_copy(update={"sweep_seconds": 1})
        slowly, unread = replace(runtime, settings=settings), Unread()
        assert [await scrub(slowly, unread) for _ in range(3)] == [1, 1, 0], "one at a time, none twice"
        async with runtime.database.work(person.organization_id) as session:
            read = {copy.key: copy.verified_at for copy in await session.scalars(select(Copy))}
        assert read[shredded["s3_key"]] is None
        assert read[other["s3_key"]] is not None


async def test_a_description_that_nobody_can_read_keeps_its_other_copy_and_does_not_go_round(
    tmp_path: Path, conninfo: str
) -> None:
    second = f'[stores.second]\nkind = "local"\npath = "{tmp_path / "second"}"\nshared = true\n'
    section = f"[stores.local]\nencrypted = true\n{second}encrypted = true\n"
    async with encrypted(tmp_path, conninfo, section=section) as runtime:
        person = await add_person(runtime)
        await write_rules(runtime, "*: local, second")
        async with client_of(runtime, person) as client:
            recording = await take(client)
        await do_jobs(runtime)
        blob = (await blobs_of(runtime, person, "sidecar"))[0]
        await reconcile_blob(runtime, person.organization_id, blob.id)
        assert set(await copies_of(runtime, person, blob.id)) == {"local", "second"}
        await forget_reading(runtime, person)
        await shred_recording(runtime, person.organization_id, UUID(recording["id"]), None)
        await write_rules(runtime, "*: local")
        traffic = traffic_of(runtime.stores.get("local"))
        assert traffic is not None
        traffic.take()
        assert await reconcile_blob(runtime, person.organization_id, blob.id) == Outcome.WAITING
        assert sum(counts.requests for counts in traffic.take().values()) <= 2
        assert set(await copies_of(runtime, person, blob.id)) == {"local", "second"}


async def forget_reading(runtime: Runtime, person: Person) -> None:
    """As if no copy had ever been read."""
    async with runtime.database.work(person.organization_id) as session:
        await session.execute(text("update copy set verified_at = null"))


async def pieces(body: bytes) -> AsyncIterator[bytes]:
    yield body
