"""A ticket, the bytes, the seal: over a local folder and over a real S3."""

import asyncio
import hashlib
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import func, select

from reelkeep.blobs.models import Blob, Copy
from reelkeep.errors import ReelkeepError
from reelkeep.recordings.models import Recording, Step
from reelkeep.runtime import Runtime
from reelkeep.uploads.models import Upload
from reelkeep.uploads.seal import Claims, seal
from tests.fixtures.media import beeps, wav
from tests.fixtures.runtime import Person, add_person, client_of

SOUND = wav(beeps(1.0))
OTHER_SOUND = wav(beeps(2.0))


async def initiate(client: httpx.AsyncClient, **fields: Any) -> dict[str, Any]:
    """A ticket."""
    body = {"filename": "visit.wav", "content_type": "audio/wav", **fields}
    answer = await client.post("/api/v1/recordings/upload/initiate", json=body)
    assert answer.status_code == 200, answer.text
    given: dict[str, Any] = answer.json()
    return given


async def send(client: httpx.AsyncClient, ticket: dict[str, Any], body: bytes) -> httpx.Response:
    """Send the bytes as the ticket says; to another server when it lies there."""
    if ticket["upload_url"].startswith(str(client.base_url)):
        return await _send(client, ticket, body)
    async with httpx.AsyncClient() as outside:
        return await _send(outside, ticket, body)


async def _send(client: httpx.AsyncClient, ticket: dict[str, Any], body: bytes) -> httpx.Response:
    if ticket["upload_method"] == "put":
        return await client.put(ticket["upload_url"], content=body, headers=ticket["upload_fields"])
    files = {"file": ("any name.wav", body, "audio/wav")}
    return await client.post(ticket["upload_url"], data=ticket["upload_fields"], files=files)


async def complete(client: httpx.AsyncClient, ticket: dict[str, Any], **told: Any) -> httpx.Response:
    """Ask for the seal."""
    return await client.post(f"/api/v1/recordings/upload/complete/{ticket['recording_id']}", json=told)


async def download(client: httpx.AsyncClient, recording_id: str) -> bytes:
    """The original, by its signed URL."""
    answer = await client.get(f"/api/v1/recordings/{recording_id}/download-url")
    url = answer.json()["download_url"]
    if url.startswith(str(client.base_url)):
        return (await client.get(url, headers={"Authorization": ""})).content
    async with httpx.AsyncClient() as outside:
        return (await outside.get(url)).content


async def count(runtime: Runtime, person: Person, table: type[Any]) -> int:
    """Rows of the organization."""
    async with runtime.database.work(person.organization_id) as session:
        return await session.scalar(select(func.count()).select_from(table)) or 0


async def keys(runtime: Runtime, prefix: str = "") -> list[str]:
    """Every key in the store that takes new bytes."""
    return [facts.key async for facts in runtime.stores.primary.list_objects(prefix)]


@pytest.mark.parametrize("method", ["post", "put"])
async def test_bytes_that_are_sent_and_completed_come_back_the_same(
    any_runtime: Runtime, person: Person, method: str
) -> None:
    async with client_of(any_runtime, person) as client:
        ticket = await initiate(client, method=method)
        assert ticket["s3_key"].startswith("incoming/")
        assert (await send(client, ticket, SOUND)).status_code in (200, 204)

        answer = await complete(client, ticket, file_size_bytes=len(SOUND))

        assert answer.status_code == 200, answer.text
        sealed = answer.json()
        assert sealed["status"] == "uploaded"
        assert sealed["s3_key"].startswith("recordings/")
        assert sealed["file_size_bytes"] == len(SOUND)
        assert await download(client, ticket["recording_id"]) == SOUND
    assert await keys(any_runtime, "incoming/") == []


async def test_completing_twice_and_at_once_seals_once(any_runtime: Runtime, person: Person) -> None:
    async with client_of(any_runtime, person) as client:
        ticket = await initiate(client)
        await send(client, ticket, SOUND)

        answers = await asyncio.gather(*(complete(client, ticket) for _ in range(4)))
        again = await complete(client, ticket)

    assert [answer.status_code for answer in (*answers, again)] == [200] * 5
    assert await count(any_runtime, person, Blob) == 1
    assert await count(any_runtime, person, Copy) == 1
    assert await count(any_runtime, person, Step) == 4
    assert len(await keys(any_runtime, "recordings/")) == 1


async def test_a_ticket_used_again_after_the_seal_changes_nothing_that_was_sealed(
    any_runtime: Runtime, person: Person
) -> None:
    async with client_of(any_runtime, person) as client:
        ticket = await initiate(client)
        await send(client, ticket, SOUND)
        await complete(client, ticket)

        assert (await send(client, ticket, OTHER_SOUND)).status_code == 204
        assert (await complete(client, ticket)).status_code == 200

        assert await download(client, ticket["recording_id"]) == SOUND


async def test_completing_before_the_bytes_are_there_says_so_and_the_ticket_still_works(
    any_runtime: Runtime, person: Person
) -> None:
    async with client_of(any_runtime, person) as client:
        ticket = await initiate(client)

        early = await complete(client, ticket)
        assert (early.status_code, early.json()["error_code"]) == (409, "UPLOAD_INCOMPLETE")

        await send(client, ticket, SOUND)
        assert (await complete(client, ticket)).status_code == 200


async def test_fewer_bytes_than_the_client_has_are_not_sealed_and_may_be_sent_again(
    any_runtime: Runtime, person: Person
) -> None:
    async with client_of(any_runtime, person) as client:
        ticket = await initiate(client)
        await send(client, ticket, SOUND[:-100])

        short = await complete(client, ticket, file_size_bytes=len(SOUND))
        assert (short.status_code, short.json()["error_code"]) == (409, "UPLOAD_SIZE_MISMATCH")
        assert short.json()["details"]["size_bytes"] == len(SOUND) - 100

        await send(client, ticket, SOUND)
        assert (await complete(client, ticket, file_size_bytes=len(SOUND))).status_code == 200


async def test_what_is_in_the_file_is_looked_at_and_not_believed(
    any_runtime: Runtime, person: Person
) -> None:
    async with client_of(any_runtime, person) as client:
        for body, code in (
            (b"<html>no sound</html>" * 40, "UNSUPPORTED_TYPE"),
            (b"fLaC" + SOUND, "TYPE_MISMATCH"),
        ):
            ticket = await initiate(client)
            await send(client, ticket, body)
            answer = await complete(client, ticket)
            assert (answer.status_code, answer.json()["error_code"]) == (415, code)

            shown = (await client.get(f"/api/v1/recordings/{ticket['recording_id']}")).json()
            assert (shown["status"], shown["error_code"]) == ("failed", code)
            again = await complete(client, ticket)
            assert again.json()["error_code"] == code
    assert await keys(any_runtime, "recordings/") == []


async def test_a_put_over_the_limit_is_not_sealed(any_runtime: Runtime, person: Person) -> None:
    smaller = any_runtime.settings.model_copy(update={"upload_size_bytes_max": len(SOUND) - 1})
    limited = Runtime(
        smaller,
        any_runtime.database,
        any_runtime.stores,
        any_runtime.engines,
        any_runtime.secrets,
        any_runtime.clock,
        any_runtime.scratch,
    )
    async with client_of(limited, person) as client:
        ticket = await initiate(client, method="put")
        await send(client, ticket, SOUND)

        answer = await complete(client, ticket)

    assert (answer.status_code, answer.json()["error_code"]) == (413, "UPLOAD_TOO_LARGE")
    assert answer.json()["details"]["size_bytes_max"] == len(SOUND) - 1


async def test_a_declared_digest_that_differs_is_found_out(any_runtime: Runtime, person: Person) -> None:
    """At the seal where the store knows the digest, else when the first step reads all bytes."""
    promised = hashlib.sha256(SOUND).hexdigest()
    async with client_of(any_runtime, person) as client:
        ticket = await initiate(client, method="put", sha256=promised)
        forged = {**ticket, "upload_fields": dict(ticket["upload_fields"])}
        sent = await send(client, forged, OTHER_SOUND)
        answer = await complete(client, ticket)
        if sent.status_code == 200 and answer.status_code == 200:
            await _process(any_runtime, person)
            shown = (await client.get(f"/api/v1/recordings/{ticket['recording_id']}")).json()
            assert (shown["status"], shown["error_code"]) == ("failed", "UPLOAD_DIGEST_MISMATCH")
        else:
            assert answer.json()["error_code"] in ("UPLOAD_DIGEST_MISMATCH", "UPLOAD_INCOMPLETE")


async def _process(runtime: Runtime, _person: Person) -> None:
    from tests.fixtures.runtime import do_jobs

    await do_jobs(runtime)


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"content_type": "text/plain"}, 415, "UNSUPPORTED_TYPE"),
        ({"size_bytes": 10**15}, 413, "UPLOAD_TOO_LARGE"),
        ({"filename": ""}, 422, "INVALID_REQUEST"),
        ({"filename": "nul\x00.wav"}, 422, "INVALID_REQUEST"),
        ({"sha256": "abc"}, 422, "INVALID_REQUEST"),
        ({"method": "ftp"}, 422, "INVALID_REQUEST"),
    ],
)
async def test_a_ticket_that_cannot_be_given_is_refused_with_the_reason(
    runtime: Runtime, fields: dict[str, Any], status: int, code: str
) -> None:
    person = await add_person(runtime)
    async with client_of(runtime, person) as client:
        body = {"filename": "visit.wav", "content_type": "audio/wav", **fields}
        answer = await client.post("/api/v1/recordings/upload/initiate", json=body)
    assert (answer.status_code, answer.json()["error_code"]) == (status, code)
    assert set(answer.json()) == {"message", "error_code", "details"}
    assert await count(runtime, person, Recording) == 0


async def test_another_organization_can_neither_see_nor_complete_an_upload(
    any_runtime: Runtime, person: Person
) -> None:
    stranger = await add_person(any_runtime)
    async with client_of(any_runtime, person) as client, client_of(any_runtime, stranger) as other:
        ticket = await initiate(client)
        await send(client, ticket, SOUND)

        assert (await complete(other, ticket)).status_code == 404
        assert (await other.get(f"/api/v1/recordings/{ticket['recording_id']}")).status_code == 404
        assert (await other.get("/api/v1/recordings/")).json()["total"] == 0
        assert (await complete(client, ticket)).status_code == 200
        for path in ("", "/download-url", "/playback-url", "/peaks", "/transcript"):
            hidden = await other.get(f"/api/v1/recordings/{ticket['recording_id']}{path}")
            assert (hidden.status_code, hidden.json()["error_code"]) == (404, "RECORDING_NOT_FOUND")


async def test_dying_at_any_moment_of_the_seal_loses_nothing_and_seals_once(
    any_runtime: Runtime, person: Person
) -> None:
    """The request is cut after 0, 1, 2, … turns of the event loop, until it is no longer cut."""
    async with client_of(any_runtime, person) as client:
        ticket = await initiate(client)
        await send(client, ticket, SOUND)
        recording_id = UUID(ticket["recording_id"])
        cut_short = 0
        for turns in range(0, 4000, 7):
            task = asyncio.create_task(seal(any_runtime, person.organization_id, recording_id, Claims()))
            for _ in range(turns):
                await asyncio.sleep(0)
                if task.done():
                    break
            if task.done():
                break
            task.cancel()
            with pytest.raises((asyncio.CancelledError, ReelkeepError)):
                await task
            cut_short += 1
            async with any_runtime.database.work(person.organization_id) as session:
                upload = (await session.scalars(select(Upload))).one()
                blobs = await session.scalar(select(func.count()).select_from(Blob))
            assert blobs == (1 if upload.state == "sealed" else 0)
            if upload.state == "sealed":
                break
        assert cut_short > 3
        assert (await complete(client, ticket)).status_code == 200
        assert await download(client, ticket["recording_id"]) == SOUND
    assert await count(any_runtime, person, Blob) == 1
    assert await count(any_runtime, person, Step) == 4
