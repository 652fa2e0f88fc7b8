"""A creation whose answer the client never heard: asked for again by its key, it is the same one."""

import asyncio
from typing import Any

import httpx

from reelkeep.runtime import Runtime
from tests.fixtures.runtime import Person, add_person, client_of
from tests.service.test_tus import PATH, SOUND, VERSION, create, head, metadata, patch, recordings

KEY = "f3f1c1de-7f6b-4a0e-9d55-b3a3d4b0f0aa"


def named(key: str | None = KEY, **told: str) -> str:
    """The first part of a recording."""
    place = {"session_id": "visit-7", "part_number": "1"}
    known = {} if key is None else {"upload_key": key}
    return metadata(filename="visit.wav", filetype="audio/wav", **place, **known, **told)


async def ask(client: httpx.AsyncClient, told: str, **headers: str) -> httpx.Response:
    """Ask for an upload of unknown length."""
    sent = {**VERSION, "Upload-Defer-Length": "1", "Upload-Metadata": told, **headers}
    return await client.post(PATH, headers=sent)


async def parts(client: httpx.AsyncClient) -> list[dict[str, Any]]:
    """Of the only session."""
    (session,) = (await client.get("/api/v1/sessions/")).json()["items"]
    whole: dict[str, Any] = (await client.get(f"/api/v1/sessions/{session['id']}")).json()
    return list(whole["parts"])


async def test_it_finds_the_upload_that_it_made_and_the_part_keeps_its_number(
    any_runtime: Runtime, person: Person
) -> None:
    async with client_of(any_runtime, person) as client:
        first = await ask(client, named())
        again = await ask(client, named(title="The name came meanwhile"))
        assert (first.status_code, again.status_code) == (201, 201)
        assert again.headers["location"] == first.headers["location"]
        assert again.headers["reelkeep-recording-id"] == first.headers["reelkeep-recording-id"]
        assert [part["part_number"] for part in await parts(client)] == [1]
        (recording,) = await recordings(any_runtime, person)
        assert "upload_key" not in recording.recording_metadata

        path = httpx.URL(again.headers["location"]).path
        whole = {"Upload-Length": str(len(SOUND))}
        assert (await patch(client, path, 0, SOUND, **whole)).status_code == 204
        late = await ask(client, named())
        assert late.headers["location"] == first.headers["location"]
        seen = await head(client, httpx.URL(late.headers["location"]).path)
        assert seen.headers["upload-offset"] == seen.headers["upload-length"] == str(len(SOUND))


async def test_many_at_once_begin_one_upload(any_runtime: Runtime, person: Person) -> None:
    async with client_of(any_runtime, person) as client:
        answers = await asyncio.gather(*(ask(client, named()) for _ in range(6)))
        assert {answer.status_code for answer in answers} == {201}
        assert len({answer.headers["location"] for answer in answers}) == 1
        assert len(await recordings(any_runtime, person)) == 1


async def test_with_bytes_that_are_there_already_it_tells_how_far_it_is(
    any_runtime: Runtime, person: Person
) -> None:
    body = {"Content-Type": "application/offset+octet-stream"}
    declared = {**VERSION, **body, "Upload-Length": str(len(SOUND)), "Upload-Metadata": named()}
    async with client_of(any_runtime, person) as client:
        first = await client.post(PATH, headers=declared, content=SOUND[:5000])
        again = await client.post(PATH, headers=declared, content=SOUND[:5000])
    assert [answer.headers["upload-offset"] for answer in (first, again)] == ["5000", "5000"]
    assert again.headers["location"] == first.headers["location"]


async def test_another_person_with_the_same_key_gets_another_upload(
    any_runtime: Runtime, person: Person
) -> None:
    colleague = await add_person(any_runtime, organization_id=person.organization_id)
    keyed = {"Upload-Metadata": metadata(filename="a.wav", filetype="audio/wav", upload_key=KEY)}
    async with client_of(any_runtime, person) as one, client_of(any_runtime, colleague) as other:
        assert await create(one, **keyed) != await create(other, **keyed)


async def test_a_key_that_is_none_is_refused(any_runtime: Runtime, person: Person) -> None:
    async with client_of(any_runtime, person) as client:
        answer = await ask(client, named("x" * 101))
        assert (answer.status_code, answer.json()["error_code"]) == (400, "INVALID_REQUEST")
