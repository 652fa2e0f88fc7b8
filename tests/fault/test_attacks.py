"""Attacks that once got through: hostile requests, races, lost work and damaged files."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from contextvars import Context
from pathlib import Path
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from reelkeep.blobs.find import locate
from reelkeep.errors import ErrorCode, ReelkeepError
from reelkeep.http.app import build_app
from reelkeep.http.requests import HEADER
from reelkeep.recordings import change
from reelkeep.recordings.advance import lock_recording
from reelkeep.recordings.models import StepKind
from reelkeep.recordings.queries import get_recording
from reelkeep.renditions.read import READ_SECONDS_MAX
from reelkeep.runtime import Runtime
from reelkeep.stores.protocol import OpensFiles
from reelkeep.uploads.leftovers import sweep_incoming
from reelkeep.uploads.sweep import sweep_uploads
from reelkeep.wiring import SECRET_FILE, open_runtime
from tests.fixtures.runtime import BASE_URL, Person, add_person, client_of, do_jobs, settings_for
from tests.service.test_jobs import jobs
from tests.service.test_processing import look, states, take_in
from tests.service.test_runs import recording_of, step_of, uploaded
from tests.service.test_sweep import later
from tests.service.test_uploads import SOUND, complete, initiate, keys, send

LIST = "/api/v1/recordings/"
INITIATE = "/api/v1/recordings/upload/initiate"


@pytest.fixture
async def somebody(runtime: Runtime) -> Person:
    """An administrator."""
    return await add_person(runtime)


@pytest.mark.parametrize("query", ["q=%00", "appointment_id=a%00", "visit_id=%00", "recording_type=%00"])
async def test_a_filter_that_no_database_can_keep_is_refused(
    runtime: Runtime, somebody: Person, query: str
) -> None:
    async with client_of(runtime, somebody) as client:
        answer = await client.get(f"{LIST}?{query}")
    assert (answer.status_code, answer.json()["error_code"]) == (422, "INVALID_REQUEST")


@pytest.mark.parametrize("window", ["start=0&end=inf", "start=nan&end=1", "start=0&end=-1"])
async def test_a_window_without_end_is_refused(runtime: Runtime, somebody: Person, window: str) -> None:
    recording_id = await uploaded(runtime, somebody)
    await do_jobs(runtime)
    async with client_of(runtime, somebody) as client:
        answer = await client.get(f"{LIST}{recording_id}/peaks?{window}")
    assert (answer.status_code, answer.json()["error_code"]) == (422, "INVALID_REQUEST")


@pytest.mark.parametrize("depth", [60, 600, 900])
@pytest.mark.parametrize(("opens", "closes"), [("[", "]"), ('{"a":', "}")])
async def test_json_nested_without_end_is_refused(
    runtime: Runtime, somebody: Person, depth: int, opens: str, closes: str
) -> None:
    nested = opens * depth + "1" + closes * depth
    body = f'{{"filename": "a.wav", "content_type": "audio/wav", "recording_metadata": {{"a": {nested}}}}}'
    async with client_of(runtime, somebody) as client:
        answer = await client.post(INITIATE, content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 422, answer.text
    assert "nested" in answer.json()["message"]


@pytest.mark.parametrize(
    "content_type",
    ["audio/\r\nX-Evil: 1", "audio/wav;\r\nX-Evil: 1", "audio/*", "audio/ü", "audio/", "audio/a b"],
)
async def test_a_type_that_is_no_media_type_gets_no_ticket(
    runtime: Runtime, somebody: Person, content_type: str
) -> None:
    async with client_of(runtime, somebody) as client:
        answer = await client.post(INITIATE, json={"filename": "a.wav", "content_type": content_type})
    assert (answer.status_code, answer.json()["error_code"]) == (415, "UNSUPPORTED_TYPE")


async def test_what_nobody_expected_is_answered_with_its_request_id_and_logged_with_it(
    runtime: Runtime,
) -> None:
    app = build_app(runtime)

    async def breaks(_request: Request) -> Response:
        raise RuntimeError("nobody expected this")

    app.router.routes.insert(0, Route("/api/v1/breaks", breaks))
    transport = httpx.ASGITransport(app)  # raises here what would break a real connection
    with capture_logs(processors=[merge_contextvars]) as lines:
        async with httpx.AsyncClient(transport=transport, base_url=BASE_URL) as client:
            answer = await client.get("/api/v1/breaks")
    assert (answer.status_code, answer.json()["error_code"]) == (500, "INTERNAL_ERROR")
    told = [line for line in lines if line["event"] == "request failed unexpectedly"]
    assert [line["request_id"] for line in told] == [answer.headers[HEADER]]


async def test_completing_late_keeps_what_the_client_says_though_the_sweep_sealed_first(
    any_runtime: Runtime, person: Person
) -> None:
    async with client_of(any_runtime, person) as client:
        ticket = await initiate(client, recording_metadata={"room": 3})
        await send(client, ticket, SOUND)
        assert await sweep_uploads(later(any_runtime, minutes=3)) == 1

        answer = await complete(
            client,
            ticket,
            file_size_bytes=len(SOUND),
            duration_seconds=1.0,
            recording_metadata={"app": "vet"},
        )
        assert answer.status_code == 200
        assert answer.json()["recording_metadata"] == {"room": 3, "app": "vet"}
        assert answer.json()["duration_seconds"] == 1.0

        other = await complete(client, ticket, file_size_bytes=len(SOUND) + 1)
        assert other.json()["error_code"] == "UPLOAD_SIZE_MISMATCH", "it must keep its own copy"


async def test_bytes_that_can_never_be_sealed_do_not_stay_for_ever(
    any_runtime: Runtime, person: Person
) -> None:
    async with client_of(any_runtime, person) as client:
        ticket = await initiate(client, size_bytes=len(SOUND))
        store = any_runtime.stores.primary

        async def short():  # type: ignore[no-untyped-def]
            yield SOUND[:-10]

        await store.put(ticket["s3_key"], short(), content_type="audio/wav")
    await sweep_uploads(later(any_runtime, hours=3))
    shown = await look(any_runtime, person, ticket["recording_id"])
    assert (shown["status"], shown["error_code"]) == ("failed", "UPLOAD_SIZE_MISMATCH")
    assert await sweep_incoming(later(any_runtime, days=6)) == 0
    assert await sweep_incoming(later(any_runtime, days=8)) == 1
    assert await keys(any_runtime, "incoming/") == []


async def test_asking_again_and_again_fills_no_queue(runtime: Runtime, somebody: Person) -> None:
    recording_id = await uploaded(runtime, somebody)
    async with client_of(runtime, somebody) as client:
        for _ in range(5):
            rerun = await client.post(f"{LIST}{recording_id}/steps/transcribe/rerun")
            assert rerun.status_code == 200
            await client.delete(f"{LIST}{recording_id}")
            await client.post(f"{LIST}{recording_id}/restore")
    assert sorted(await jobs(runtime)) == [("media", "todo"), ("speech", "todo")]
    await do_jobs(runtime)
    shown = await look(runtime, somebody, str(recording_id))
    assert set(states(shown).values()) == {"done"}


async def test_a_restore_at_the_moment_of_the_seal_leaves_no_recording_behind(
    runtime: Runtime, somebody: Person
) -> None:
    """The restore looks at the recording before the seal commits, and commits after its job is done."""
    organization_id = somebody.organization_id
    async with client_of(runtime, somebody) as client:
        ticket = await initiate(client)
        await send(client, ticket, SOUND)
        await client.delete(f"{LIST}{ticket['recording_id']}")
        recording_id = UUID(ticket["recording_id"])

        async with runtime.database.work(organization_id) as session:
            await change.restore(session, organization_id, recording_id, None)
            sealing = asyncio.create_task(complete(client, ticket), context=Context())
            done, _ = await asyncio.wait([sealing], timeout=1.0)
            assert not done, "the seal waits for the restore"
        assert (await sealing).status_code == 200
    await do_jobs(runtime)
    shown = await look(runtime, somebody, str(recording_id))
    assert (shown["status"], set(states(shown).values())) == ("transcribed", {"done"})


async def test_a_locked_recording_is_as_it_is_now_and_not_as_it_was_read_before(
    runtime: Runtime, somebody: Person
) -> None:
    recording_id = await uploaded(runtime, somebody)
    organization_id = somebody.organization_id

    async def trash() -> None:
        async with client_of(runtime, somebody) as client:
            assert (await client.delete(f"{LIST}{recording_id}")).status_code == 204

    async with runtime.database.work(organization_id) as session:
        await get_recording(session, organization_id, recording_id)
        await asyncio.create_task(trash(), context=Context())  # another request's
        locked = await lock_recording(session, organization_id, recording_id)
        assert locked is not None
        assert locked.deleted_at is not None


async def test_a_recording_too_large_for_scratch_fails_with_the_reason(tmp_path: Path, conninfo: str) -> None:
    settings = settings_for(tmp_path / "data", conninfo, scratch_bytes_max=10_000)
    async with open_runtime(settings) as runtime:
        person = await add_person(runtime)
        recording_id = await take_in(runtime, person, SOUND)
        await do_jobs(runtime)
        shown = await look(runtime, person, recording_id)
    assert (shown["status"], shown["error_code"]) == ("failed", "MEDIA_LIMIT")
    assert "REELKEEP_SCRATCH_BYTES_MAX" in shown["processing_error"]


@pytest.mark.parametrize("damage", ["gone", "short"])
async def test_sealed_bytes_that_somebody_damaged_are_told_and_not_used(
    runtime: Runtime, somebody: Person, damage: str
) -> None:
    recording_id = await uploaded(runtime, somebody)
    recording = await recording_of(runtime, somebody, recording_id)
    assert recording.original_blob_id is not None
    async with runtime.database.work(somebody.organization_id) as session:
        located = await locate(session, somebody.organization_id, recording.original_blob_id)
    store = runtime.stores.primary
    assert isinstance(store, OpensFiles)
    path = store.path_of(located.key)
    path.unlink() if damage == "gone" else os.truncate(path, 1_000)

    await do_jobs(runtime)

    step = await step_of(runtime, somebody, recording_id, StepKind.PROBE)
    expected = ErrorCode.OBJECT_NOT_FOUND if damage == "gone" else ErrorCode.WRONG_BYTES
    assert (step.state, step.error_code, step.attempts) == ("failed", expected, 1)
    assert "backup" in (step.error_message or "")


async def test_a_damaged_secret_is_never_signed_with(tmp_path: Path, conninfo: str) -> None:
    data = tmp_path / "data"
    async with open_runtime(settings_for(data, conninfo)):
        pass
    (data / SECRET_FILE).write_bytes(b"")
    with pytest.raises(ReelkeepError, match="damaged"):
        async with open_runtime(settings_for(data, conninfo)):
            pass


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_start_that_is_under_way_is_stopped_by_a_signal(tmp_path: Path, number: signal.Signals) -> None:
    data = tmp_path / "data"
    command = [sys.executable, "-m", "reelkeep", "serve", "--data", str(data), "--port", "0"]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 60
        while not (data / "pg").exists():  # the database is being made: more than a second to go
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.send_signal(number)
        assert process.wait(30) == 0
        assert "ready at" not in (tmp_path / "log").read_text()
    finally:
        process.kill()


async def test_a_waveform_is_not_waited_for_when_the_store_hangs(tmp_path: Path, conninfo: str) -> None:
    """The bytes never come: a gateway that takes the connection and says nothing."""
    silent = socket.create_server(("127.0.0.1", 0))
    flags = {
        "s3_bucket": "silent",
        "s3_endpoint_url": f"http://127.0.0.1:{silent.getsockname()[1]}",
        "s3_access_key_id": "key",
        "s3_secret_access_key": "secret",
    }
    async with open_runtime(settings_for(tmp_path / "data", conninfo, **flags)) as runtime:
        person = await add_person(runtime)
        recording_id = await uploaded(runtime, person)
        await do_jobs(runtime)
        async with runtime.database.owner() as session:
            await session.execute(text("update copy set store = 's3'"))
        began = time.monotonic()
        async with client_of(runtime, person) as client:
            answer = await client.get(f"{LIST}{recording_id}/peaks")
    silent.close()
    assert time.monotonic() - began < 2 * READ_SECONDS_MAX
    assert (answer.status_code, answer.json()["error_code"]) == (503, "STORE_UNAVAILABLE")
