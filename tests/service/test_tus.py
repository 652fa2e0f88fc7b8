"""tus, request by request: over a local folder and over a real S3."""

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import pytest
from sqlalchemy import select, update

from reelkeep.events.models import Event
from reelkeep.recordings.models import Recording
from reelkeep.runtime import Runtime
from reelkeep.uploads.models import Upload
from reelkeep.uploads.sweep import sweep_uploads
from tests.fixtures.media import beeps, wav
from tests.fixtures.runtime import Person, add_person, client_of
from tests.service.test_sweep import later
from tests.service.test_uploads import download, keys

SOUND = wav(beeps(1.0))
PATH = "/api/v1/uploads/tus"
VERSION = {"Tus-Resumable": "1.0.0"}
BYTES = {**VERSION, "Content-Type": "application/offset+octet-stream"}


def metadata(**told: str) -> str:
    """`Upload-Metadata`."""
    return ",".join(f"{name} {base64.b64encode(value.encode()).decode()}" for name, value in told.items())


NAMED = metadata(filename="visit.wav", filetype="audio/wav")


async def create(client: httpx.AsyncClient, length: int | None = len(SOUND), **headers: str) -> str:
    """Begin an upload; the path of its address."""
    answer = await begin(client, length, **headers)
    assert answer.status_code == 201, answer.text
    return httpx.URL(answer.headers["location"]).path


async def begin(client: httpx.AsyncClient, length: int | None, **headers: str) -> httpx.Response:
    """Ask for an upload."""
    declared = {"Upload-Defer-Length": "1"} if length is None else {"Upload-Length": str(length)}
    sent = {**VERSION, "Upload-Metadata": NAMED, **declared, **headers}
    return await client.post(PATH, headers=sent)


async def patch(
    client: httpx.AsyncClient, path: str, offset: int, body: Any, **headers: str
) -> httpx.Response:
    """Send bytes."""
    sent = {**BYTES, "Upload-Offset": str(offset), **headers}
    return await client.patch(path, content=body, headers=sent)


async def head(client: httpx.AsyncClient, path: str) -> httpx.Response:
    """Ask where to go on."""
    return await client.head(path, headers=VERSION)


async def recordings(runtime: Runtime, person: Person) -> list[Recording]:
    """All of the organization's."""
    async with runtime.database.work(person.organization_id) as session:
        return list(await session.scalars(select(Recording).order_by(Recording.id)))


async def is_in_the_trash_alone(
    runtime: Runtime, person: Person, client: httpx.AsyncClient, recording_id: str
) -> None:
    """Nobody sees a recording that its client took back among the others, and the events say why."""
    assert (await client.get("/api/v1/recordings/")).json()["items"] == []
    (trashed,) = (await client.get("/api/v1/recordings/", params={"deleted": True})).json()["items"]
    assert (trashed["id"], trashed["error_code"]) == (recording_id, "UPLOAD_DISCARDED")
    async with runtime.database.work(person.organization_id) as session:
        kinds = list(await session.scalars(select(Event.kind).order_by(Event.seq)))
    assert kinds[-3:] == ["upload.discarded", "recording.failed", "recording.deleted"]


async def upload_row(runtime: Runtime, person: Person) -> Upload:
    """The only upload."""
    async with runtime.database.work(person.organization_id) as session:
        return (await session.scalars(select(Upload))).one()


def replace_settings(runtime: Runtime, **values: Any) -> Runtime:
    """The same installation under other settings."""
    return replace(runtime, settings=runtime.settings.model_copy(update=values))


async def pieces(*parts: bytes) -> AsyncIterator[bytes]:
    """A body without a length."""
    for part in parts:
        yield part


async def test_an_upload_in_three_goes_comes_back_the_same(any_runtime: Runtime, person: Person) -> None:
    async with client_of(any_runtime, person) as signed_in, client_of(any_runtime) as client:
        path = await create(signed_in)
        third = len(SOUND) // 3
        for start in (0, third):
            answer = await patch(client, path, start, SOUND[start : start + third])
            assert answer.status_code == 204, answer.text
            assert answer.headers["upload-offset"] == str(start + third)
            assert "upload-expires" in answer.headers
            seen = await head(client, path)
            assert (seen.status_code, seen.headers["upload-offset"]) == (200, str(start + third))
            assert seen.headers["upload-length"] == str(len(SOUND))
            assert seen.headers["cache-control"] == "no-store"
        answer = await patch(client, path, 2 * third, SOUND[2 * third :])
        assert (answer.status_code, answer.headers["upload-offset"]) == (204, str(len(SOUND)))

        (recording,) = await recordings(any_runtime, person)
        assert answer.headers["reelkeep-recording-id"] == str(recording.id)
        assert (recording.status, recording.size_bytes) == ("uploaded", len(SOUND))
        assert await download(signed_in, str(recording.id)) == SOUND
        seen = await head(client, path)
        assert (seen.status_code, seen.headers["upload-offset"]) == (200, str(len(SOUND)))
    assert await keys(any_runtime, "incoming/") == []
    assert [facts.key async for facts in any_runtime.stores.primary.list_growths("incoming/")] == []


async def test_bytes_that_come_with_the_creation_are_taken_and_sealed(
    any_runtime: Runtime, person: Person
) -> None:
    async with client_of(any_runtime, person) as client:
        headers = {**BYTES, "Upload-Length": str(len(SOUND)), "Upload-Metadata": NAMED}
        part = await client.post(PATH, content=SOUND[:1000], headers=headers)
        assert (part.status_code, part.headers["upload-offset"]) == (201, "1000")
        whole = await client.post(PATH, content=SOUND, headers=headers)
        assert (whole.status_code, whole.headers["upload-offset"]) == (201, str(len(SOUND)))
    uploading, sealed = await recordings(any_runtime, person)
    assert (uploading.status, sealed.status) == ("uploading", "uploaded")
    assert sealed.size_bytes == len(SOUND)


async def test_what_metadata_tells_is_the_recordings(runtime: Runtime) -> None:
    person = await add_person(runtime)
    told = metadata(
        filename="Besuch – 7ä.wav",
        filetype="audio/wav",
        recording_type="visit_audio",
        title="First visit",
        appointment_id="a-1",
        visit_id="v-1",
        duration_seconds="12.5",
        sha256=hashlib.sha256(SOUND).hexdigest(),
        transcribe="false",
        session_id="s-1",
        part_number="2",
        device="Pixel",
        name="Besuch",
    )
    async with client_of(runtime, person) as client:
        path = await create(client, None, **{"Upload-Metadata": told})
        await patch(client, path, 0, SOUND, **{"Upload-Length": str(len(SOUND))})
    (recording,) = await recordings(runtime, person)
    assert recording.original_filename == "Besuch – 7ä.wav"
    assert (recording.recording_type, recording.title) == ("visit_audio", "First visit")
    assert (recording.appointment_id, recording.visit_id) == ("a-1", "v-1")
    assert (recording.duration_seconds, recording.transcribe) == (12.5, False)
    assert (recording.part_number, recording.recording_metadata) == (2, {"device": "Pixel"})
    assert recording.sha256_declared == hashlib.sha256(SOUND).digest()


async def test_a_length_may_be_declared_at_the_end_or_in_the_midst(
    any_runtime: Runtime, person: Person
) -> None:
    async with client_of(any_runtime, person) as client:
        path = await create(client, None)
        assert (await patch(client, path, 0, pieces(SOUND[:500], SOUND[500:5000]))).status_code == 204
        seen = await head(client, path)
        assert (seen.headers["upload-defer-length"], "upload-length" in seen.headers) == ("1", False)
        length = {"Upload-Length": str(len(SOUND))}
        assert (await patch(client, path, 5000, SOUND[5000:-7], **length)).status_code == 204
        other = {"Upload-Length": str(len(SOUND) + 1)}
        assert (await patch(client, path, len(SOUND) - 7, SOUND[-7:], **other)).status_code == 400
        assert (await patch(client, path, len(SOUND) - 7, SOUND[-7:], **length)).status_code == 204
        whole = await create(client, None)
        assert (await patch(client, whole, 0, SOUND)).status_code == 204
        # All bytes are here, and then it is said that this was all.
        assert (await patch(client, whole, len(SOUND), b"", **length)).status_code == 204
    assert [r.status for r in await recordings(any_runtime, person)] == ["uploaded", "uploaded"]


@pytest.mark.parametrize("algorithm", ["sha1", "sha256"])
async def test_bytes_that_a_checksum_does_not_fit_never_count(
    any_runtime: Runtime, person: Person, algorithm: str
) -> None:
    def promised(data: bytes) -> dict[str, str]:
        digest = base64.b64encode(hashlib.new(algorithm, data).digest()).decode()
        return {"Upload-Checksum": f"{algorithm} {digest}"}

    async with client_of(any_runtime, person) as client:
        path = await create(client)
        assert (await patch(client, path, 0, SOUND[:1000], **promised(SOUND[:1000]))).status_code == 204
        damaged = bytes(90_000 - 1000)
        answer = await patch(client, path, 1000, damaged, **promised(SOUND[1000:90_000]))
        assert (answer.status_code, answer.json()["error_code"]) == (460, "WRONG_BYTES")
        assert (await head(client, path)).headers["upload-offset"] == "1000"
        assert (await patch(client, path, 1000, b"x", **{"Upload-Checksum": "md5 x"})).status_code == 400
        # The rest without one, over the place where the damaged bytes lay.
        assert (await patch(client, path, 1000, SOUND[1000:])).status_code == 204
        (recording,) = await recordings(any_runtime, person)
        assert await download(client, str(recording.id)) == SOUND


async def test_bytes_at_another_offset_are_refused_with_the_right_one(runtime: Runtime) -> None:
    person = await add_person(runtime)
    async with client_of(runtime, person) as client:
        path = await create(client)
        await patch(client, path, 0, SOUND[:1000])
        for wrong in (0, 999, 1001):
            answer = await patch(client, path, wrong, SOUND[wrong:2000])
            assert (answer.status_code, answer.headers["upload-offset"]) == (409, "1000")
            assert answer.json()["details"]["offset"] == 1000


async def test_more_bytes_than_were_declared_are_refused_and_nothing_that_came_is_lost(
    any_runtime: Runtime, person: Person
) -> None:
    async with client_of(any_runtime, person) as client:
        path = await create(client, 1000)
        answer = await patch(client, path, 0, SOUND[:1001])
        assert (answer.status_code, answer.json()["error_code"]) == (413, "UPLOAD_TOO_LARGE")
        assert (await head(client, path)).headers["upload-offset"] == "0", "refused before it was read"
        # Without a length, the last piece that would make it whole does not count when more follows.
        answer = await patch(client, path, 0, pieces(SOUND[:600], SOUND[600:1000], SOUND[1000:1001]))
        assert answer.status_code == 413
        assert (await head(client, path)).headers["upload-offset"] == "600"
    (recording,) = await recordings(any_runtime, person)
    assert recording.status == "uploading"


async def test_a_deferred_length_has_a_limit(runtime: Runtime) -> None:
    small = replace_settings(runtime, upload_size_bytes_max=5000)
    person = await add_person(small)
    async with client_of(small, person) as client:
        path = await create(client, None)
        answer = await patch(client, path, 0, pieces(SOUND[:4000], SOUND[4000:6000]))
        assert (answer.status_code, answer.json()["error_code"]) == (413, "UPLOAD_TOO_LARGE")
        assert "remedy" in answer.json()["details"]
        assert (await head(client, path)).headers["upload-offset"] == "4000"
        answer = await patch(client, path, 4000, b"", **{"Upload-Length": "6000"})
        assert answer.status_code == 413
        assert (await begin(client, 5001)).status_code == 413


async def test_refused_content_is_gone_for_good_and_never_looks_like_success(
    any_runtime: Runtime, person: Person
) -> None:
    no_sound = b"%PDF-1.7 and so on" * 100
    async with client_of(any_runtime, person) as client:
        path = await create(client, len(no_sound))
        answer = await patch(client, path, 0, no_sound)
        assert (answer.status_code, answer.json()["error_code"]) == (410, "UNSUPPORTED_TYPE")
        assert (await head(client, path)).status_code == 410
        assert (await patch(client, path, len(no_sound), b"")).status_code == 410
    (recording,) = await recordings(any_runtime, person)
    assert (recording.status, recording.failure_code) == ("failed", "UNSUPPORTED_TYPE")


async def test_a_digest_that_the_file_does_not_have_is_no_success(runtime: Runtime) -> None:
    person = await add_person(runtime)
    told = f"{NAMED},{metadata(sha256=hashlib.sha256(b'other').hexdigest())}"
    async with client_of(runtime, person) as client:
        path = await create(client, **{"Upload-Metadata": told})
        answer = await patch(client, path, 0, SOUND)
        assert (answer.status_code, answer.json()["error_code"]) == (410, "UPLOAD_DIGEST_MISMATCH")
        assert (await head(client, path)).status_code == 410
        assert (await patch(client, path, len(SOUND), b"")).json()["error_code"] == "UPLOAD_DIGEST_MISMATCH"
    (recording,) = await recordings(runtime, person)
    assert (recording.status, recording.failure_code) == ("failed", "UPLOAD_DIGEST_MISMATCH")


async def test_the_address_alone_is_the_authority(runtime: Runtime) -> None:
    person, other = await add_person(runtime), await add_person(runtime)
    async with client_of(runtime, person) as client:
        path = await create(client)
    async with client_of(runtime, other) as client:
        assert (await patch(client, path, 0, SOUND[:10])).status_code == 204
        assert (await begin(client, 10)).status_code == 201
    forged = path[:-1] + ("A" if path[-1] != "A" else "B")
    stolen = f"{PATH}/{'A' * 64}"
    async with client_of(runtime) as client:
        for wrong in (forged, stolen, f"{PATH}/x", f"{PATH}/ä"):
            assert (await head(client, wrong)).status_code == 404
            answer = await patch(client, wrong, 10, SOUND[10:20])
            assert (answer.status_code, answer.json()["error_code"]) == (404, "UPLOAD_NOT_FOUND")
            assert (await client.delete(wrong, headers=VERSION)).status_code == 404
        assert (await begin(client, 10)).status_code == 401
    assert (await upload_row(runtime, person)).organization_id == person.organization_id


async def test_names_are_repeated_to_those_who_may_read_them_and_to_nobody_else(runtime: Runtime) -> None:
    person, stranger = await add_person(runtime), await add_person(runtime)
    async with client_of(runtime, person) as client:
        path = await create(client)
        await patch(client, path, 0, SOUND[:10])
        assert (await head(client, path)).headers["upload-metadata"] == NAMED
        wrong = {"authorization": "Bearer nonsense"}
        for other in ({}, stranger.headers, wrong, {"authorization": "Basic x"}):
            client.headers.pop("authorization", None)
            seen = await client.head(path, headers={**VERSION, **other})
            assert (seen.status_code, seen.headers["upload-offset"]) == (200, "10")
            assert "upload-metadata" not in seen.headers
        await patch(client, path, 10, SOUND[10:])
        assert (await upload_row(runtime, person)).tus_metadata is None


async def test_a_discarded_upload_leaves_nothing_and_is_gone(any_runtime: Runtime, person: Person) -> None:
    async with client_of(any_runtime, person) as client:
        path = await create(client)
        await patch(client, path, 0, SOUND[:2000])
        assert (await client.delete(path, headers=VERSION)).status_code == 204
        assert (await head(client, path)).status_code == 410
        answer = await patch(client, path, 2000, SOUND[2000:])
        assert (answer.status_code, answer.json()["error_code"]) == (410, "UPLOAD_DISCARDED")
        assert (await client.delete(path, headers=VERSION)).status_code == 410
        (recording,) = await recordings(any_runtime, person)
        await is_in_the_trash_alone(any_runtime, person, client, str(recording.id))
    assert await keys(any_runtime) == []
    assert [facts.key async for facts in any_runtime.stores.primary.list_growths()] == []


async def test_a_sealed_upload_is_not_discarded_by_its_address(runtime: Runtime) -> None:
    person = await add_person(runtime)
    async with client_of(runtime, person) as client:
        path = await create(client)
        await patch(client, path, 0, SOUND)
        answer = await client.delete(path, headers=VERSION)
        assert (answer.status_code, answer.json()["error_code"]) == (403, "RECORDING_STATE")
        (recording,) = await recordings(runtime, person)
        assert await download(client, str(recording.id)) == SOUND
        assert (await patch(client, path, len(SOUND), b"")).status_code == 204
        assert (await patch(client, path, 5, b"x")).headers["upload-offset"] == str(len(SOUND))


async def test_post_speaks_for_methods_that_cannot_be_sent(runtime: Runtime) -> None:
    person = await add_person(runtime)
    async with client_of(runtime, person) as client:
        path = await create(client)
        sent = {**BYTES, "Upload-Offset": "0", "X-HTTP-Method-Override": "PATCH"}
        assert (await client.post(path, content=SOUND[:9], headers=sent)).status_code == 204
        sent = {**VERSION, "X-HTTP-Method-Override": "DELETE"}
        assert (await client.post(path, headers=sent)).status_code == 204
        assert (await client.post(path, headers=VERSION)).status_code == 405


async def test_options_and_versions(runtime: Runtime) -> None:
    person = await add_person(runtime)
    async with client_of(runtime, person) as client:
        path = await create(client)
        for place in (PATH, path):
            told = (await client.options(place)).headers
            assert (told["tus-version"], told["tus-resumable"]) == ("1.0.0", "1.0.0")
            assert "creation-defer-length" in told["tus-extension"].split(",")
            assert told["tus-max-size"] == str(runtime.settings.upload_size_bytes_max)
            assert told["tus-checksum-algorithm"] == "sha1,sha256"
            answer = await client.post(place, headers={"Tus-Resumable": "0.2.2"})
            assert (answer.status_code, answer.headers["tus-version"]) == (412, "1.0.0")
        assert (await client.head(path)).status_code == 412


@pytest.mark.parametrize(
    "headers",
    [
        {"Upload-Length": "-1"},
        {"Upload-Length": "1e3"},
        {"Upload-Length": "10", "Upload-Defer-Length": "1"},
        {"Upload-Defer-Length": "2"},
        {},
        {"Upload-Length": "10", "Upload-Metadata": "filename ###"},
        {"Upload-Length": "10", "Upload-Concat": "partial"},
    ],
)
async def test_a_wrong_creation_is_400_and_leaves_nothing(runtime: Runtime, headers: dict[str, str]) -> None:
    person = await add_person(runtime)
    async with client_of(runtime, person) as client:
        answer = await client.post(PATH, headers={**VERSION, "Upload-Metadata": NAMED, **headers})
    assert (answer.status_code, answer.json()["error_code"]) == (400, "INVALID_REQUEST")
    assert await recordings(runtime, person) == []


async def test_what_a_creation_may_not_have_is_said_as_everywhere(runtime: Runtime) -> None:
    person = await add_person(runtime)
    async with client_of(runtime, person) as client:
        empty = await begin(client, 0)
        assert (empty.status_code, empty.json()["error_code"]) == (422, "UPLOAD_EMPTY")
        text = await begin(
            client, 10, **{"Upload-Metadata": metadata(filename="a.txt", filetype="text/plain")}
        )
        assert (text.status_code, text.json()["error_code"]) == (415, "UNSUPPORTED_TYPE")
        nameless = await begin(client, 10, **{"Upload-Metadata": metadata(title="x" * 201)})
        assert (nameless.status_code, nameless.headers["tus-resumable"]) == (422, "1.0.0")


async def test_pages_of_allowed_origins_may_speak_tus(runtime: Runtime) -> None:
    open_to = replace_settings(runtime, cors_origins=["https://app.example.org"])
    async with client_of(open_to) as client:
        asked = {
            "Origin": "https://app.example.org",
            "Access-Control-Request-Method": "PATCH",
            "Access-Control-Request-Headers": "tus-resumable,upload-offset,content-type,x-request-id",
        }
        answer = await client.options(f"{PATH}/x", headers=asked)
        assert answer.status_code == 200
        assert answer.headers["access-control-max-age"] == "86400"
        for name in ("tus-resumable", "upload-metadata", "upload-checksum", "x-http-method-override"):
            assert name in answer.headers["access-control-allow-headers"].lower()
        answer = await client.head(f"{PATH}/x", headers={**VERSION, "Origin": "https://app.example.org"})
        exposed = answer.headers["access-control-expose-headers"].lower()
        for name in ("location", "upload-offset", "upload-length", "upload-expires", "reelkeep-recording-id"):
            assert name in exposed


async def test_an_expired_upload_is_gone_and_a_used_one_lives_on(runtime: Runtime) -> None:
    person = await add_person(runtime)
    async with client_of(runtime, person) as client:
        path = await create(client)
        await patch(client, path, 0, SOUND[:10])
    before = (await upload_row(runtime, person)).expires_at
    ahead = later(runtime, days=5)
    async with client_of(ahead) as client:
        await patch(client, path, 10, SOUND[10:20])
    after = (await upload_row(runtime, person)).expires_at
    assert (after - before).total_seconds() == pytest.approx(5 * 24 * 3600, abs=60)
    await sweep_uploads(later(runtime, days=11))
    async with client_of(runtime) as client:
        assert (await head(client, path)).headers["upload-offset"] == "20"
    await sweep_uploads(later(runtime, days=13))
    async with client_of(runtime) as client:
        assert (await head(client, path)).status_code == 410
        answer = await patch(client, path, 20, SOUND[20:])
        assert (answer.status_code, answer.json()["error_code"]) == (410, "UPLOAD_EXPIRED")


async def test_a_live_recording_whose_device_never_came_back_is_kept_with_what_came(
    any_runtime: Runtime, person: Person
) -> None:
    async with client_of(any_runtime, person) as client:
        path = await create(client, None)
        await patch(client, path, 0, SOUND[:-1000])
        await sweep_uploads(later(any_runtime, days=8))
        (recording,) = await recordings(any_runtime, person)
        assert (recording.status, recording.size_bytes) == ("uploaded", len(SOUND) - 1000)
        assert await download(client, str(recording.id)) == SOUND[:-1000]
        assert (await head(client, path)).headers["upload-length"] == str(len(SOUND) - 1000)


async def test_an_upload_whole_but_not_sealed_is_never_answered_as_success_before_it_is(
    runtime: Runtime,
) -> None:
    """As when the server died between the last byte and the seal, and then the store is away."""
    person = await add_person(runtime)
    async with client_of(runtime, person) as client:
        path = await create(client)
        await patch(client, path, 0, SOUND[:-1])
    row = await upload_row(runtime, person)
    store = runtime.stores.primary
    async with store.growing(row.incoming_key, row.growth) as growing:
        await growing.write(SOUND[-1:])
        await growing.flush()
    objects = runtime.settings.data / "stores" / "local" / "objects"
    hidden = objects.with_name("hidden")
    if objects.exists():
        objects.rename(hidden)
    objects.write_text("in the way")
    async with client_of(runtime) as client:
        seen = await head(client, path)
        assert (seen.status_code, "retry-after" in seen.headers) == (423, True)
        answer = await patch(client, path, len(SOUND), b"")
        assert (answer.status_code, "retry-after" in answer.headers) == (503, True)
        objects.unlink()
        seen = await head(client, path)
        assert (seen.status_code, seen.headers["upload-offset"]) == (200, str(len(SOUND)))
    (recording,) = await recordings(runtime, person)
    assert recording.status == "uploaded"


async def test_no_log_line_has_an_address(runtime: Runtime, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    person = await add_person(runtime)
    async with client_of(runtime, person) as client:
        path = await create(client)
        await patch(client, path, 0, SOUND)
        await head(client, path)
    told = caplog.text
    assert "/api/v1/uploads/tus/…" in told
    assert path.rpartition("/")[2] not in told


async def test_many_that_look_at_a_whole_upload_at_once_all_learn_that_it_is_sealed(
    any_runtime: Runtime, person: Person
) -> None:
    """One seals, and tidies up under the others' hands."""
    async with client_of(any_runtime, person) as client:
        path = await create(client)
        await patch(client, path, 0, SOUND[:-1])
        row = await upload_row(any_runtime, person)
        async with any_runtime.stores.primary.growing(row.incoming_key, row.growth) as growing:
            await growing.write(SOUND[-1:])
            notes = await growing.flush()
        async with any_runtime.database.work(person.organization_id) as session:
            await session.execute(update(Upload).values(growth=notes))
        seen = await asyncio.gather(*(head(client, path) for _ in range(8)))
        assert [answer.status_code for answer in seen] == [200] * 8
        assert {answer.headers["upload-offset"] for answer in seen} == {str(len(SOUND))}
    (recording,) = await recordings(any_runtime, person)
    assert recording.status == "uploaded"
    assert len(await keys(any_runtime, "recordings/")) == 1
