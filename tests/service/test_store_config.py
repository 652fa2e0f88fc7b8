"""Stores that a file describes: folders of their own on the wire, identities, rotated keys, KMS."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from reelkeep.accounts.models import Role
from reelkeep.errors import ReelkeepError, StoreRefused
from reelkeep.runtime import Runtime
from reelkeep.stores import credentials as overlap
from reelkeep.stores.protocol import TicketLimits
from reelkeep.stores.s3 import S3Store, S3StoreConfig
from reelkeep.stores.s3_encryption import Encryption
from reelkeep.stores.signer import Credentials
from reelkeep.wiring import open_runtime
from tests.fixtures.ceph import Ceph
from tests.fixtures.runtime import add_person, client_of, s3_flags, settings_for
from tests.fixtures.wire import form_body

SOUND = b"RIFF some sound"
LIMITS = TicketLimits("incoming/a", "audio/mp4", 60, 1000)


async def pieces(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def whole(store: Any, key: str) -> bytes:
    return b"".join([piece async for piece in store.read(key)])


@asynccontextmanager
async def installation(
    folder: Path, conninfo: str, text: str, name: str = "data", **flags: Any
) -> AsyncIterator[Runtime]:
    """An installation with a file of stores."""
    file = folder / f"{name}.toml"
    file.write_text(text)
    async with open_runtime(settings_for(folder / name, conninfo, stores_file=file, **flags)) as opened:
        yield opened


def disk(path: Path, name: str = "disk2", *more: str) -> str:
    return "\n".join([f"[stores.{name}]", 'kind = "local"', f'path = "{path}"', *more, ""])


# Folders


async def test_a_second_folder_is_reached_by_clients_under_its_own_bucket(
    tmp_path: Path, conninfo: str
) -> None:
    text = 'primary = "disk2"\n' + disk(tmp_path / "elsewhere")
    async with installation(tmp_path, conninfo, text) as runtime:
        store = runtime.stores.signing("disk2")
        ticket = store.ticket_post(LIMITS)
        async with client_of(runtime) as client:
            body, headers = form_body(ticket.fields, SOUND)
            assert (await client.post(ticket.url, content=body, headers=headers)).status_code == 204
            answer = await client.get(store.url_get("incoming/a", 60))
        assert answer.content == SOUND
        assert ticket.url.endswith("/s3/disk2")
        assert await whole(runtime.stores.primary, "incoming/a") == SOUND
        assert (tmp_path / "elsewhere" / "objects").is_dir()
        assert not (tmp_path / "data" / "stores" / "local" / "objects").exists()


async def test_a_recording_goes_into_the_store_that_the_file_names_first(
    tmp_path: Path, conninfo: str
) -> None:
    text = 'primary = "disk2"\n' + disk(tmp_path / "elsewhere")
    async with installation(tmp_path, conninfo, text) as runtime:
        person = await add_person(runtime)
        async with client_of(runtime, person) as client:
            asked = {"filename": "a.wav", "content_type": "audio/wav"}
            given = await client.post("/api/v1/recordings/upload/initiate", json=asked)
            assert given.status_code == 200, given.text
            assert given.json()["bucket"] == "disk2"


async def test_a_web_server_in_front_is_not_sent_for_files_that_it_cannot_reach(
    tmp_path: Path, conninfo: str
) -> None:
    text = disk(tmp_path / "elsewhere")
    async with (
        installation(tmp_path, conninfo, text, download_acceleration="x-accel-redirect") as runtime,
        client_of(runtime) as client,
    ):
        for name, handed_on in (("local", True), ("disk2", False)):
            await runtime.stores.get(name).put("a", pieces(SOUND))
            answer = await client.get(runtime.stores.signing(name).url_get("a", 60))
            assert answer.status_code == 200
            assert ("x-accel-redirect" in answer.headers) == handed_on
            assert answer.content == (b"" if handed_on else SOUND)


async def test_urls_signed_by_the_older_credentials_are_taken_on_the_wire(
    tmp_path: Path, conninfo: str
) -> None:
    old = disk(tmp_path / "disk2", "disk2", 'access_key_id = "old"', 'secret_access_key = "old-secret"')
    async with installation(tmp_path, conninfo, old) as runtime:
        await runtime.stores.get("disk2").put("a", pieces(SOUND))
        url = runtime.stores.signing("disk2").url_get("a", 600)
        assert "Credential=old" in url
    both = disk(
        tmp_path / "disk2",
        "disk2",
        'access_key_id = "new"',
        'secret_access_key = "new-secret"',
        'previous_access_key_id = "old"',
        'previous_secret_access_key = "old-secret"',
    )
    async with installation(tmp_path, conninfo, both) as runtime, client_of(runtime) as client:
        assert (await client.get(url)).content == SOUND
        fresh = runtime.stores.signing("disk2").url_get("a", 600)
        assert "Credential=new" in fresh
        assert (await client.get(fresh)).content == SOUND
    alone = both.partition("previous")[0]
    async with installation(tmp_path, conninfo, alone) as runtime, client_of(runtime) as client:
        assert (await client.get(url)).status_code == 403


# Identity


def shared(path: Path) -> str:
    return disk(path, "nas", "shared = true")


async def test_machines_that_see_the_same_folder_start(tmp_path: Path, conninfo: str) -> None:
    async with installation(tmp_path, conninfo, shared(tmp_path / "nas"), "one") as first:
        assert first.stores.get("nas").abilities.shared
        async with installation(tmp_path, conninfo, shared(tmp_path / "nas"), "two") as second:
            await first.stores.get("nas").put("a", pieces(SOUND))
            assert await whole(second.stores.get("nas"), "a") == SOUND


async def test_a_machine_whose_mount_is_missing_does_not_start(tmp_path: Path, conninfo: str) -> None:
    async with installation(tmp_path, conninfo, shared(tmp_path / "nas"), "one"):
        pass
    with pytest.raises(ReelkeepError, match=r"has no identity.*\. Mount the shared"):
        async with installation(tmp_path, conninfo, shared(tmp_path / "not-mounted"), "two"):
            pass
    assert not (tmp_path / "not-mounted" / "identity.json").exists()


async def test_a_machine_that_sees_another_disk_does_not_start(tmp_path: Path, conninfo: str) -> None:
    async with installation(tmp_path, conninfo, shared(tmp_path / "nas"), "one"):
        pass
    other = tmp_path / "other"
    other.mkdir()
    (other / "identity.json").write_text(
        json.dumps({"store": "nas", "id": "0198f7a0-0000-7000-8000-000000000000"})
    )
    with pytest.raises(ReelkeepError, match="identity of another store"):
        async with installation(tmp_path, conninfo, shared(other), "two"):
            pass
    (tmp_path / "nas" / "identity.json").write_text("{}")
    with pytest.raises(ReelkeepError, match="cannot be read"):
        async with installation(tmp_path, conninfo, shared(tmp_path / "nas"), "three"):
            pass


async def test_of_machines_that_start_at_once_on_different_folders_one_stays(
    tmp_path: Path, conninfo: str
) -> None:
    async def start(name: str, folder: str) -> bool:
        try:
            async with installation(tmp_path, conninfo, shared(tmp_path / folder), name):
                return True
        except ReelkeepError:
            return False

    async with installation(tmp_path, conninfo, ""):  # the tables are there
        pass
    started = await asyncio.gather(*(start(f"m{n}", f"folder{n}") for n in range(3)))
    assert sum(started) == 1


async def test_a_folder_of_one_machine_has_no_identity(tmp_path: Path, conninfo: str) -> None:
    async with installation(tmp_path, conninfo, disk(tmp_path / "own")):
        assert not (tmp_path / "own" / "identity.json").exists()


# What is told


#: Nothing listens there: what asks it anything finds it out.
R2_THAT_IS_OUT = (
    'primary = "r2"\n[stores.r2]\nkind = "s3"\nservice = "r2"\nbucket = "sound"\n'
    'endpoint_url = "https://127.0.0.1:1"\naccess_key_id = "hush1"\nsecret_access_key = "hush2"\n'
)


async def ticket_at(runtime: Runtime) -> Any:
    """A ticket for a small recording."""
    async with client_of(runtime, await add_person(runtime)) as client:
        asked = {"filename": "a.wav", "content_type": "audio/wav"}
        ticket = await client.post("/api/v1/recordings/upload/initiate", json=asked)
        assert ticket.status_code == 200, ticket.text
        return ticket.json()


async def test_a_ticket_is_a_form_only_where_the_store_that_takes_the_bytes_takes_forms(
    tmp_path: Path, conninfo: str
) -> None:
    async with installation(tmp_path, conninfo, R2_THAT_IS_OUT) as runtime:
        ticket = await ticket_at(runtime)
        assert ticket["upload_method"] == "put", "R2 takes no forms"
        assert ticket["upload_fields"] == {"content-type": "audio/wav"}
    async with installation(tmp_path, conninfo, 'fallback = "local"\n' + R2_THAT_IS_OUT) as runtime:
        ticket = await ticket_at(runtime)
        assert ticket["upload_method"] == "post", "R2 is out, and the fallback takes forms"


async def test_storage_info_tells_of_every_store_and_of_no_secret(tmp_path: Path, conninfo: str) -> None:
    async with installation(tmp_path, conninfo, 'fallback = "local"\n' + R2_THAT_IS_OUT) as runtime:
        person = await add_person(runtime)
        async with client_of(runtime, person) as client:
            answer = await client.get("/api/v1/storage/info")
            assert answer.status_code == 200
            told = answer.json()
            assert "hush" not in answer.text
            assert (told["primary"], told["fallback"]) == ("r2", "local")
            local, r2 = told["stores"]
            assert (local["name"], local["kind"], local["service"]) == ("local", "local", None)
            assert (r2["service"], r2["bucket"], r2["takes_forms"]) == ("r2", "sound", False)


async def test_the_older_storage_info_has_its_four_fields(
    tmp_path: Path, conninfo: str, ceph: Ceph, ceph_bucket: str
) -> None:
    async with open_runtime(settings_for(tmp_path / "a", conninfo)) as runtime:
        admin = await add_person(runtime)
        viewer = await add_person(runtime, admin.organization_id, Role.VIEWER)
        async with client_of(runtime, admin) as client:
            assert (await client.get("/audio/storage-info")).json() == {
                "storage_type": "local",
                "local_path": str(tmp_path / "a" / "stores" / "local"),
                "s3_bucket": None,
                "s3_enabled": False,
            }
        async with client_of(runtime, viewer) as client:
            assert (await client.get("/audio/storage-info")).json()["local_path"] is None
            assert (await client.get("/api/v1/storage/info")).status_code == 403
        async with client_of(runtime) as client:
            assert (await client.get("/audio/storage-info")).status_code == 401
    settings = settings_for(tmp_path / "a", conninfo, **s3_flags(ceph, ceph_bucket))
    async with open_runtime(settings) as runtime, client_of(runtime, admin) as client:
        told = (await client.get("/audio/storage-info")).json()
    assert (told["storage_type"], told["s3_bucket"], told["s3_enabled"]) == ("s3", ceph_bucket, True)


# Keys that are rotated, and KMS, at a real service


def config(ceph: Ceph, bucket: str, **changes: Any) -> S3StoreConfig:
    made = S3StoreConfig(
        "s3",
        bucket,
        endpoint_url=ceph.endpoint_url,
        prefix="kept/",
        credentials=Credentials(ceph.access_key, ceph.secret_key),
        encryption=None,
        retries_max=0,
    )
    return replace(made, **changes)


LARGE = bytes(9 * 1024 * 1024)


async def put_known(store: S3Store, key: str) -> None:
    """As what moves is put: in one request, from a body that cannot be had again."""
    digest = hashlib.sha256(LARGE).hexdigest()
    await store.put(key, pieces(LARGE), size_bytes=len(LARGE), sha256=digest)


@pytest.mark.s3
async def test_requests_and_urls_go_by_the_older_key_while_the_newer_is_not_taken(
    ceph: Ceph, ceph_bucket: str
) -> None:
    good, unborn = Credentials(ceph.access_key, ceph.secret_key), Credentials("not-yet", "secret")
    store = S3Store(config(ceph, ceph_bucket, credentials=unborn, previous_credentials=good))
    await store.put("a", pieces(SOUND))
    await store.put("large", pieces(LARGE))
    await put_known(store, "known")
    assert await whole(store, "a") == SOUND
    await store.copy("a", "b")
    assert [facts.key async for facts in store.list_objects()] == ["a", "b", "known", "large"]
    await store.check()
    async with httpx.AsyncClient() as client:
        assert (await client.get(store.url_get("a", 60))).content == SOUND
        ticket = store.ticket_post(LIMITS)
        body, headers = form_body(ticket.fields, SOUND)
        assert (await client.post(ticket.url, content=body, headers=headers)).status_code == 204
    await store.close()


@pytest.mark.s3
async def test_the_newer_key_signs_again_once_it_is_taken(
    ceph: Ceph, ceph_bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    current = Credentials("not-yet", "secret")
    good = Credentials(ceph.access_key, ceph.secret_key)
    older = Credentials(ceph.access_key, ceph.secret_key, None)
    monkeypatch.setattr(overlap, "TRIED_AGAIN_SECONDS", 0.0)
    monkeypatch.setattr(overlap, "SURE_SECONDS", 0.0)
    store = S3Store(config(ceph, ceph_bucket, credentials=lambda: current, previous_credentials=older))
    await store.put("a", pieces(SOUND))
    await put_known(store, "known")
    assert store._credentials.taken == 1
    current = good  # the service knows it now
    assert await whole(store, "a") == SOUND
    assert store._credentials.taken == 0
    await store.put("b", pieces(SOUND))
    await store.close()


@pytest.mark.s3
async def test_two_wrong_keys_are_refused_with_what_the_first_was_told(ceph: Ceph, ceph_bucket: str) -> None:
    wrong = Credentials("first-wrong", "x"), Credentials("second-wrong", "y")
    store = S3Store(config(ceph, ceph_bucket, credentials=wrong[0], previous_credentials=wrong[1]))
    for call in (
        lambda: store.put("a", pieces(SOUND)),
        lambda: put_known(store, "a"),
        lambda: whole(store, "a"),
        store.check,
    ):
        with pytest.raises(StoreRefused):
            await call()
    await store.close()


@pytest.mark.s3
async def test_what_asks_for_a_kms_key_lies_under_it(ceph: Ceph, ceph_bucket: str) -> None:
    """Against Ceph's own key service for tests; it cannot copy what it has encrypted."""
    store = S3Store(config(ceph, ceph_bucket, encryption=Encryption("aws:kms", "reelkeep-test")))
    await store.put("a", pieces(SOUND), size_bytes=len(SOUND))
    await store.put("large", pieces(LARGE))
    await put_known(store, "known")
    post, put = store.ticket_post(replace(LIMITS, key="post")), store.ticket_put(replace(LIMITS, key="put"))
    async with httpx.AsyncClient() as client:
        body, headers = form_body(post.fields, SOUND)
        assert (await client.post(post.url, content=body, headers=headers)).status_code == 204
        assert (await client.put(put.url, content=SOUND, headers=put.fields)).status_code == 200
        missing = {k: v for k, v in put.fields.items() if "kms" not in k}
        assert (await client.put(put.url, content=SOUND, headers=missing)).status_code == 403
    upload_id = await store.create_parts("parts")
    part = await store.put_part("parts", upload_id, 1, SOUND)
    await store.complete_parts("parts", upload_id, [(1, part.etag)])
    for key in ("a", "large", "post", "put", "parts"):
        told = ceph.client().head_object(Bucket=ceph_bucket, Key=f"kept/{key}")
        assert (told["ServerSideEncryption"], told["SSEKMSKeyId"]) == ("aws:kms", "reelkeep-test"), key
    assert await whole(store, "put") == SOUND
    await store.close()


async def test_a_secret_is_read_from_its_file_at_the_start(tmp_path: Path, conninfo: str) -> None:
    secret = tmp_path / "secret"
    with pytest.raises(ReelkeepError, match="cannot be read from"):
        text = (
            '[stores.a]\nkind = "s3"\nbucket = "b"\nendpoint_url = "http://127.0.0.1:9"\n'
            f'access_key_id = "k"\nsecret_access_key_file = "{secret}"\n'
        )
        async with installation(tmp_path, conninfo, text):
            pass
    secret.write_text("s3cret\n")
    secret.chmod(0o400)
    async with installation(tmp_path, conninfo, text) as runtime:
        assert "a" in runtime.stores.by_name
