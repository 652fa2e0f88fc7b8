"""Storage disabled: nothing new is kept, one plain request is still analysed, what is there plays on."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import httpx
import pytest
from sqlalchemy import text

from reelkeep.blobs.keys import INCOMING
from reelkeep.http.tus.create import PATH
from reelkeep.runtime import Runtime
from reelkeep.uploads.leftovers import sweep_incoming
from reelkeep.uploads.sweep import sweep_uploads
from reelkeep.uploads.unkept import sweep_unkept
from tests.fixtures.backups import keep, played
from tests.fixtures.media import beeps, wav
from tests.fixtures.runtime import Person, client_of, do_jobs
from tests.service.test_backup_schedule import Later

ASK = {"filename": "a.wav", "content_type": "audio/wav", "recording_type": "visit_audio"}
INITIATE = "/api/v1/recordings/upload/initiate"


def disabled(runtime: Runtime) -> Runtime:
    """The same installation after the setting was changed."""
    return replace(runtime, settings=runtime.settings.model_copy(update={"storage_disabled": True}))


@asynccontextmanager
async def api_of(runtime: Runtime, person: Person) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(disabled(runtime), person) as client:
        yield client


async def objects(runtime: Runtime, kind: str = "original") -> int:
    """How many blobs of a kind are known."""
    async with runtime.database.owner() as session:
        found = await session.scalar(text("select count(*) from blob where kind = :kind"), {"kind": kind})
    return int(found or 0)


@pytest.mark.parametrize("method", ["POST", "PUT", "MULTIPART"])
async def test_no_ticket_is_given_and_the_answer_says_what_to_do(
    any_runtime: Runtime, person: Person, method: str
) -> None:
    async with api_of(any_runtime, person) as api:
        answer = await api.post(INITIATE, json=ASK | {"method": method.lower()})
    assert answer.status_code == 503, answer.text
    assert (answer.json()["error_code"], "plain request" in answer.json()["message"]) == (
        "STORAGE_DISABLED",
        True,
    )


async def test_a_tus_upload_is_refused(any_runtime: Runtime, person: Person) -> None:
    headers = {"Tus-Resumable": "1.0.0", "Upload-Length": "100", "Upload-Metadata": "filename YS53YXY="}
    async with api_of(any_runtime, person) as api:
        answer = await api.post(PATH, headers=headers)
    assert answer.status_code == 503, answer.text


async def test_one_plain_request_is_analysed_and_its_bytes_go(any_runtime: Runtime, person: Person) -> None:
    runtime = disabled(any_runtime)
    kept = await keep(runtime, person)
    async with client_of(runtime, person) as api:
        shown = (await api.get(f"/api/v1/recordings/{kept.recording_id}")).json()
        assert shown["status"] == "transcribed"
        assert [step["kind"] for step in shown["steps"]] == ["probe", "transcribe"]
        assert await sweep_unkept(runtime) == 1
        await do_jobs(runtime)
        assert await objects(runtime) == 0
        store = runtime.stores.primary
        left = [facts async for facts in store.list_objects()]
        assert all(facts.size_bytes < 5_000 for facts in left), left  # nothing that sounds
        shown = (await api.get(f"/api/v1/recordings/{kept.recording_id}")).json()
        assert (shown["status"], shown["original_removed"], shown["media_kept"]) == (
            "transcribed",
            True,
            False,
        )
        assert shown["duration_seconds"] == pytest.approx(1.0, abs=0.1)
        words = await api.get(f"/api/v1/recordings/{kept.recording_id}/transcript")
        assert words.status_code == 200
        assert await sweep_unkept(runtime) == 0


async def test_bytes_wait_until_the_transcript_is_there(any_runtime: Runtime, person: Person) -> None:
    runtime = disabled(any_runtime)
    await keep(runtime, person, processed=False)
    assert await sweep_unkept(runtime) == 0
    assert await objects(runtime) == 1


async def test_what_was_kept_before_plays_on(any_runtime: Runtime, person: Person) -> None:
    before = await keep(any_runtime, person)
    runtime = disabled(any_runtime)
    assert await sweep_unkept(runtime) == 0
    assert await played(runtime, person, before.recording_id) == before.body


async def test_uploads_that_were_half_done_are_ended_and_cleaned_away(
    any_runtime: Runtime, person: Person
) -> None:
    clock = Later()
    runtime = replace(disabled(any_runtime), clock=clock)
    async with client_of(any_runtime, person) as api:
        ticket = (await api.post(INITIATE, json=ASK)).json()
        recording_id = ticket["recording_id"]
    async with any_runtime.database.owner() as session:
        key = await session.scalar(text("select incoming_key from upload"))
    await any_runtime.stores.primary.put(str(key), _once(wav(beeps(1.0))), content_type="audio/wav")
    async with client_of(runtime, person) as api:
        answer = await api.post(f"/api/v1/recordings/upload/complete/{recording_id}")
        assert (answer.status_code, answer.json()["error_code"]) == (503, "STORAGE_DISABLED")
        clock.ahead = timedelta(minutes=10)
        await sweep_uploads(runtime)
        shown = (await api.get(f"/api/v1/recordings/{recording_id}")).json()
        assert (shown["status"], shown["error_code"]) == ("failed", "STORAGE_DISABLED")
        used = (await api.get("/api/v1/organization/usage")).json()
        assert (used["bytes_reserved"], used["uploads_open"]) == (0, 0)
    clock.ahead = timedelta(hours=2)
    await sweep_incoming(runtime)
    assert [facts.key async for facts in runtime.stores.primary.list_objects(INCOMING)] == []


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data
