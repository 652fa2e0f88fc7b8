"""Recordings by reference: a URL in, a sealed recording out, over each kind of store."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import select, text

from reelkeep.runtime import Runtime
from reelkeep.uploads import fetch, fetch_bytes
from reelkeep.uploads.fetch import fetch_upload
from reelkeep.uploads.leftovers import sweep_incoming
from reelkeep.uploads.models import Upload
from reelkeep.worker import build_app as build_queue
from tests.fixtures.media import beeps, wav
from tests.fixtures.origin import ETAG, Origin, origin
from tests.fixtures.runtime import Person, add_person, client_of, do_jobs
from tests.service.test_sweep import later

SOUND = wav(beeps(3))
BIG = wav(beeps(40))


@pytest.fixture
def fetching(any_runtime: Runtime) -> Runtime:
    """An installation that may fetch from loopback, where the test's server is, and is not patient."""
    return changed(any_runtime, fetch_private_networks=True, upload_idle_seconds=1)


def changed(runtime: Runtime, **settings: Any) -> Runtime:
    """The same installation under other settings."""
    return replace(runtime, settings=runtime.settings.model_copy(update=settings))


async def ask(client: httpx.AsyncClient, url: str, **fields: Any) -> dict[str, Any]:
    """Ask for a fetch; the recording."""
    answer = await client.post("/api/v1/recordings/upload/from-url", json={"url": url, **fields})
    assert answer.status_code == 202, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def do_fetches(runtime: Runtime) -> None:
    """Do every fetch that is due, and nothing else."""
    queue = build_queue(runtime)
    async with queue.open_async():
        await queue.run_worker_async(
            queues=["fetch"], wait=False, install_signal_handlers=False, listen_notify=False
        )


async def do_all(runtime: Runtime) -> None:
    """Do every fetch, those too that wait before they try again."""
    for _ in range(fetch.ATTEMPTS_MAX + 1):
        await do_fetches(runtime)
        async with runtime.database.owner() as session:
            await session.execute(text("update jobs.procrastinate_jobs set scheduled_at = null"))


async def shown(client: httpx.AsyncClient, recording_id: str) -> dict[str, Any]:
    """The recording as it is now."""
    found: dict[str, Any] = (await client.get(f"/api/v1/recordings/{recording_id}")).json()
    return found


async def original(client: httpx.AsyncClient, recording_id: str) -> bytes:
    """The bytes that were kept."""
    url = (await client.get(f"/api/v1/recordings/{recording_id}/download-url")).json()["download_url"]
    if url.startswith(str(client.base_url)):
        return (await client.get(url, headers={"Authorization": ""})).content
    async with httpx.AsyncClient() as outside:
        return (await outside.get(url)).content


async def upload_row(runtime: Runtime, person: Person, recording_id: str) -> Upload:
    """The fetch's row."""
    async with runtime.database.work(person.organization_id) as session:
        query = select(Upload).where(Upload.recording_id == UUID(recording_id))
        return (await session.scalars(query)).one()


async def left_in_store(runtime: Runtime) -> list[str]:
    """What lies under `incoming/`, grown or whole."""
    store = runtime.stores.primary
    found = [facts.key async for facts in store.list_objects("incoming/")]
    grown = [facts.key async for facts in store.list_growths("incoming/")]  # type: ignore[attr-defined]
    return found + grown


async def test_a_file_at_a_url_becomes_a_recording(fetching: Runtime, person: Person) -> None:
    async with origin(SOUND) as server, client_of(fetching, person) as client:
        asked = await ask(client, server.url("/2026/visit%20one.wav?sig=secret"), title="Rex", visit_id="v-1")
        assert (asked["status"], asked["filename"]) == ("uploading", "visit one.wav")

        await do_jobs(fetching)

        found = await shown(client, asked["id"])
        assert found["status"] in ("processed", "transcribed"), found["processing_error"]
        assert (found["title"], found["visit_id"], found["mime_type"]) == ("Rex", "v-1", "audio/wav")
        assert (found["filename"], found["file_size_bytes"]) == ("visit one.wav", len(SOUND))
        assert await original(client, asked["id"]) == SOUND
    row = await upload_row(fetching, person, asked["id"])
    assert (row.state, row.source_url) == ("sealed", None)
    assert "secret" not in str(row.fetch)
    assert [(one.headers["host"], one.path) for one in server.asked] == [
        (f"127.0.0.1:{server.port}", "/2026/visit%20one.wav?sig=secret")
    ]
    assert await left_in_store(fetching) == []


@pytest.mark.parametrize(
    ("headers", "fields", "filename", "kind"),
    [
        ({"Content-Type": "audio/x-wav"}, {}, "visit.wav", "audio/x-wav"),
        ({"Content-Type": "application/octet-stream"}, {}, "visit.wav", "audio/wav"),
        ({}, {}, "visit.wav", "audio/wav"),
        ({"Content-Type": "text/plain"}, {}, "visit.wav", "audio/wav"),
        (
            {"Content-Disposition": "attachment; filename*=UTF-8''Gr%C3%BC%C3%9Fe.wav"},
            {},
            "Grüße.wav",
            "audio/wav",
        ),
        (
            {"Content-Disposition": 'inline; filename="a.wav"'},
            {"filename": "mine.wav"},
            "mine.wav",
            "audio/wav",
        ),
        ({"Content-Type": "audio/mpeg"}, {"content_type": "audio/wave"}, "visit.wav", "audio/wave"),
    ],
)
async def test_the_name_and_the_type_are_the_clients_then_the_servers_then_what_is_found(
    runtime: Runtime, headers: dict[str, str], fields: dict[str, str], filename: str, kind: str
) -> None:
    person, fetching = await add_person(runtime), changed(runtime, fetch_private_networks=True)
    async with origin(SOUND) as server, client_of(fetching, person) as client:
        server.headers = headers
        asked = await ask(client, server.url(), transcribe=False, **fields)
        await do_fetches(fetching)
        found = await shown(client, asked["id"])
    assert (found["filename"], found["mime_type"], found["status"]) == (filename, kind, "uploaded")


async def test_redirects_are_followed_and_a_password_stays_with_its_host(
    runtime: Runtime,
) -> None:
    person, fetching = await add_person(runtime), changed(runtime, fetch_private_networks=True)
    async with origin(SOUND) as first, origin(SOUND) as second, client_of(fetching, person) as client:
        first.answers = [(302, {"Location": "/again"}), (307, {"Location": second.url("/files/a.wav")})]
        asked = await ask(client, f"http://me:hush%21@127.0.0.1:{first.port}/get?id=5")
        assert "hush" not in str(asked)
        await do_fetches(fetching)
        found = await shown(client, asked["id"])
    assert (found["status"], found["filename"]) == ("uploaded", "a.wav")
    assert [one.headers.get("authorization") for one in first.asked] == ["Basic bWU6aHVzaCE="] * 2
    assert "authorization" not in second.asked[0].headers


async def test_a_redirect_to_a_private_address_is_refused_and_nothing_is_asked_of_it(
    runtime: Runtime,
) -> None:
    """The first host is public by its name's address; where it sends us is not."""
    person = await add_person(runtime)
    async with origin(SOUND) as inside, client_of(runtime, person) as client:
        asked = await ask(client, "http://media.example.org/a.wav")

        async def rebound(_host: str, _port: int) -> Sequence[str]:
            return ["127.0.0.1"]

        await fetch_upload(runtime, person.organization_id, UUID(asked["id"]), resolve=rebound)
        found = await shown(client, asked["id"])
        assert (found["status"], found["error_code"]) == ("failed", "FETCH_REFUSED")

        fetching = changed(runtime, fetch_private_networks=True)
        async with origin(SOUND) as outside, client_of(fetching, person) as other:
            outside.answers = [(301, {"Location": "ftp://example.org/a.wav"})]
            asked = await ask(other, outside.url())
            await do_fetches(fetching)
            found = await shown(other, asked["id"])
            assert (found["error_code"], "ftp" in found["processing_error"]) == ("FETCH_REFUSED", False)

            outside.answers = [(302, {"Location": f"/{n}"}) for n in range(9)]
            asked = await ask(other, outside.url())
            await do_fetches(fetching)
            found = await shown(other, asked["id"])
            assert found["error_code"] == "FETCH_REFUSED"
            assert "more than 5 times" in found["processing_error"]
    assert inside.asked == []
    assert (await upload_row(runtime, person, asked["id"])).source_url is None


@pytest.mark.parametrize(
    "url",
    [
        *(
            "http://127.0.0.1:{port}/a.wav",
            "http://[::ffff:127.0.0.1]:{port}/a.wav",
            "http://localhost:{port}/",
        ),
        *("ftp://example.org/a.wav", "file:///etc/passwd", "http://169.254.169.254/latest/meta-data/"),
    ],
)
async def test_an_address_that_is_closed_by_itself_is_refused_before_anything_is_written(
    runtime: Runtime, url: str
) -> None:
    person = await add_person(runtime)
    async with origin(SOUND) as server, client_of(runtime, person) as client:
        body = {"url": url.format(port=server.port)}
        answer = await client.post("/api/v1/recordings/upload/from-url", json=body)
        assert (answer.status_code, answer.json()["error_code"]) == (422, "FETCH_REFUSED")
        assert (await client.get("/api/v1/recordings/")).json()["total"] == 0
    assert server.asked == []


@pytest.mark.parametrize("host", ["2130706433", "0x7f.1", "localtest"])
async def test_a_name_that_turns_out_to_be_loopback_is_refused_by_the_worker(
    runtime: Runtime, host: str
) -> None:
    person = await add_person(runtime)

    async def known(name: str, port: int) -> Sequence[str]:
        return ["::ffff:127.0.0.1"] if name == "localtest" else await fetch.resolve(name, port)

    async with origin(SOUND) as server, client_of(runtime, person) as client:
        asked = await ask(client, server.url(host=host))
        await fetch_upload(runtime, person.organization_id, UUID(asked["id"]), resolve=known)
        found = await shown(client, asked["id"])
    assert (found["status"], found["error_code"]) == ("failed", "FETCH_REFUSED")
    assert server.asked == []


async def test_a_connection_cut_again_and_again_is_gone_on_with_where_it_broke(
    fetching: Runtime, person: Person
) -> None:
    async with origin(BIG) as server, client_of(fetching, person) as client:
        server.cuts = [300_000, 1_000_000, 700_001, 0]
        asked = await ask(client, server.url(), transcribe=False)
        await do_fetches(fetching)
        assert (await shown(client, asked["id"]))["status"] == "uploaded"
        assert await original(client, asked["id"]) == BIG
    starts = [int(one.headers.get("range", "bytes=0-")[6:-1]) for one in server.asked]
    assert starts[0] == 0
    assert starts[1] >= 200_000
    assert starts == sorted(starts)
    assert all(one.headers["if-range"] == ETAG for one in server.asked[1:])
    assert await left_in_store(fetching) == []


@pytest.mark.parametrize("how", ["no ranges", "no validator", "another version", "lies about the range"])
async def test_where_the_rest_cannot_be_had_it_begins_again_and_never_mixes_two_files(
    runtime: Runtime, how: str
) -> None:
    person = await add_person(runtime)
    fetching = changed(runtime, fetch_private_networks=True)
    async with origin(BIG) as server, client_of(fetching, person) as client:
        server.cuts = [1_500_000]
        if how == "no ranges":
            server.ranges = False
        if how == "no validator":
            server.headers.pop("ETag")
        asked = await ask(client, server.url(), transcribe=False)
        if how == "another version":
            await _after_first(server, lambda: _new_version(server))
        if how == "lies about the range":
            server.answers = []
            await _after_first(server, lambda: server.answers.append((206, {"Content-Range": "bytes 7-8/9"})))
        await do_all(fetching)
        found = await shown(client, asked["id"])
        assert found["status"] == "uploaded", found["processing_error"]
        assert await original(client, asked["id"]) == server.body


async def _after_first(server: Origin, change: Any) -> None:
    serve = server._send

    class Changing(Origin):
        __slots__ = ()

    async def send(writer: Any, part: bytes) -> None:
        await serve(writer, part)
        if len(server.asked) == 1:
            change()

    Changing._send = staticmethod(send)  # type: ignore[method-assign,assignment]
    server.__class__ = Changing


def _new_version(server: Origin) -> None:
    server.body = wav(beeps(41))
    server.headers["ETag"] = '"version-2"'


@pytest.mark.parametrize(
    ("answer", "code", "words"),
    [
        ((404, {}), "FETCH_FAILED", "answered 404"),
        ((403, {}), "FETCH_FAILED", "may have expired"),
        ((410, {}), "FETCH_FAILED", "gone"),
        ((206, {"Content-Range": "bytes 0-1/2"}), "FETCH_FAILED", "a part of the file"),
        (
            (200, {"Content-Type": "text/html; charset=utf-8"}),
            "UNSUPPORTED_TYPE",
            "address of the file itself",
        ),
        ((200, {"Content-Encoding": "gzip"}), "FETCH_FAILED", "compressed"),
        ((200, {"Content-Length": "6000000000"}), "UPLOAD_TOO_LARGE", "the limit is"),
        ((200, {}), "UPLOAD_EMPTY", "empty"),
    ],
)
async def test_what_no_second_try_mends_fails_at_once_with_the_reason(
    runtime: Runtime, answer: tuple[int, dict[str, str]], code: str, words: str
) -> None:
    person, fetching = await add_person(runtime), changed(runtime, fetch_private_networks=True)
    async with origin(SOUND) as server, client_of(fetching, person) as client:
        server.answers = [answer]
        asked = await ask(client, server.url("/a?token=hush"))
        await do_fetches(fetching)
        found = await shown(client, asked["id"])
        usage = await upload_row(fetching, person, asked["id"])
    assert (found["status"], found["error_code"]) == ("failed", code)
    assert words in found["processing_error"]
    assert "hush" not in str(found)
    assert (usage.source_url, usage.size_bytes_reserved, len(server.asked)) == (None, 0, 1)
    assert await left_in_store(fetching) == []


async def test_a_server_in_trouble_is_asked_again_later_and_given_up_after_some_tries(
    runtime: Runtime,
) -> None:
    person, fetching = await add_person(runtime), changed(runtime, fetch_private_networks=True)
    async with origin(SOUND) as server, client_of(fetching, person) as client:
        server.answers = [(503, {"Retry-After": "1"}), (429, {})]
        asked = await ask(client, server.url(), transcribe=False)
        await do_fetches(fetching)
        assert (await shown(client, asked["id"]))["status"] == "uploading"
        await do_all(fetching)
        assert (await shown(client, asked["id"]))["status"] == "uploaded"
        assert len(server.asked) == 3

        server.answers = [(500, {})] * 99
        asked = await ask(client, server.url())
        await do_all(fetching)
        found = await shown(client, asked["id"])
    assert (found["status"], found["error_code"]) == ("failed", "FETCH_FAILED")
    assert f"tried {fetch.ATTEMPTS_MAX} times" in found["processing_error"]


async def test_a_failed_fetch_is_done_again_with_its_address(fetching: Runtime, person: Person) -> None:
    async with origin(SOUND) as server, client_of(fetching, person) as client:
        server.answers = [(404, {})]
        asked = await ask(client, server.url(), title="Rex")
        path = f"/api/v1/recordings/{asked['id']}/fetch/retry"
        early = await client.post(path, json={"url": server.url()})
        assert (early.status_code, early.json()["error_code"]) == (409, "RECORDING_STATE")
        await do_fetches(fetching)
        assert (await shown(client, asked["id"]))["status"] == "failed"

        stranger = await add_person(fetching)
        async with client_of(fetching, stranger) as other:
            assert (await other.post(path, json={"url": server.url()})).status_code == 404
        assert (await client.post(path, json={"url": "http://"})).status_code == 422
        again = await client.post(path, json={"url": server.url()})
        assert (again.status_code, again.json()["status"]) == (202, "uploading")
        await do_fetches(fetching)

        found = await shown(client, asked["id"])
        assert (found["status"], found["title"]) == ("uploaded", "Rex")
        assert await original(client, asked["id"]) == SOUND
        late = await client.post(path, json={"url": server.url()})
        assert (late.status_code, late.json()["error_code"]) == (409, "RECORDING_STATE")


async def test_a_server_that_falls_silent_or_drips_for_ever_holds_no_worker(runtime: Runtime) -> None:
    person = await add_person(runtime)
    patient = changed(runtime, fetch_private_networks=True, upload_idle_seconds=1, fetch_seconds_max=3)
    async with origin(BIG) as server, client_of(patient, person) as client:
        server.hangs = [400_000, 900_000]
        asked = await ask(client, server.url())
        await do_fetches(patient)
        assert (await shown(client, asked["id"]))["status"] == "uploaded"
        assert await original(client, asked["id"]) == BIG
        assert len(server.asked) == 3

        server.pace = 60_000
        asked = await ask(client, server.url())
        await do_fetches(patient)
        found = await shown(client, asked["id"])
    assert (found["status"], found["error_code"]) == ("failed", "FETCH_FAILED")
    assert "within 3 seconds" in found["processing_error"]
    assert await left_in_store(patient) == []


@pytest.mark.parametrize("tells_length", [True, False])
async def test_more_bytes_than_may_come_are_refused_whatever_was_declared(
    runtime: Runtime, tells_length: bool
) -> None:
    person = await add_person(runtime)
    small = changed(runtime, fetch_private_networks=True, upload_size_bytes_max=1_000_000)
    async with origin(BIG) as server, client_of(small, person) as client:
        server.tells_length = tells_length
        asked = await ask(client, server.url())
        await do_fetches(small)
        found = await shown(client, asked["id"])
    assert (found["status"], found["error_code"]) == ("failed", "UPLOAD_TOO_LARGE")
    assert await left_in_store(small) == []


async def test_a_worker_that_dies_at_any_moment_is_followed_by_one_that_goes_on(
    fetching: Runtime, person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The job is cut after a longer and longer while, until it gets through."""
    monkeypatch.setattr(fetch_bytes, "KEEP_BYTES", 200_000)
    monkeypatch.setattr(fetch, "ATTEMPTS_MAX", 10_000)
    async with origin(BIG) as server, client_of(fetching, person) as client:
        asked = await ask(client, server.url(), transcribe=False)
        recording_id = UUID(asked["id"])
        cut, seconds = 0, 0.003
        while True:
            task = asyncio.create_task(fetch_upload(fetching, person.organization_id, recording_id))
            await asyncio.wait({task}, timeout=seconds)
            if task.done():
                await task
                break
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            cut, seconds = cut + 1, seconds * 1.3
        assert cut > 3
        assert (await shown(client, asked["id"]))["status"] == "uploaded"
        assert await original(client, asked["id"]) == BIG
    row = await upload_row(fetching, person, asked["id"])
    assert (row.state, row.source_url) == ("sealed", None)
    # One that died after the seal and before it had tidied up leaves that to the sweep.
    await sweep_incoming(later(fetching, days=10))
    assert await left_in_store(fetching) == []


async def test_of_two_workers_that_have_one_fetch_only_the_later_one_writes(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first was taken for dead, and wakes up."""
    monkeypatch.setattr(fetch_bytes, "KEEP_BYTES", 50_000)
    person = await add_person(runtime)
    fetching = changed(runtime, fetch_private_networks=True)
    async with origin(BIG) as server, client_of(fetching, person) as client:
        server.pace = 2_000_000
        asked = await ask(client, server.url(), transcribe=False)
        recording_id = UUID(asked["id"])
        first = asyncio.create_task(fetch_upload(fetching, person.organization_id, recording_id))
        await server.begun.wait()
        server.pace = None
        second = asyncio.create_task(fetch_upload(fetching, person.organization_id, recording_id))
        await asyncio.gather(first, second, return_exceptions=True)
        await do_all(fetching)
        assert (await shown(client, asked["id"]))["status"] == "uploaded"
        assert await original(client, asked["id"]) == BIG
