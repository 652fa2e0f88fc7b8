"""Listing, trash, names, errors: what a client of the API meets."""

from typing import Any

import httpx
import pytest

from reelkeep.accounts.models import Role
from reelkeep.runtime import Runtime
from tests.fixtures.runtime import Person, add_person, client_of
from tests.service.test_uploads import SOUND, complete, initiate, send

LIST = "/api/v1/recordings/"


@pytest.fixture
async def somebody(runtime: Runtime) -> Person:
    """An administrator."""
    return await add_person(runtime)


async def ids(client: httpx.AsyncClient, **query: Any) -> list[str]:
    """The ids on one page."""
    answer = await client.get(LIST, params=query)
    assert answer.status_code == 200, answer.text
    return [item["id"] for item in answer.json()["items"]]


async def test_the_list_is_newest_first_and_a_cursor_misses_and_repeats_none(
    runtime: Runtime, somebody: Person
) -> None:
    async with client_of(runtime, somebody) as client:
        made = [(await initiate(client, filename=f"{n}.wav"))["recording_id"] for n in range(7)]
        seen: list[str] = []
        cursor = None
        while True:
            page = (
                await client.get(LIST, params={"limit": 3, **({"cursor": cursor} if cursor else {})})
            ).json()
            seen += [item["id"] for item in page["items"]]
            if cursor is None:
                made.append((await initiate(client))["recording_id"])  # arrives while somebody pages
            cursor = page["next_cursor"]
            if cursor is None:
                break
        assert seen == made[6::-1]
        assert await ids(client, limit=2, offset=1) == [made[6], made[5]]
        assert (await client.get(LIST)).json()["total"] == 8
        bad = await client.get(LIST, params={"cursor": "nonsense"})
        assert (bad.status_code, bad.json()["error_code"]) == (422, "INVALID_REQUEST")


async def test_the_list_is_filtered_by_what_clients_know(runtime: Runtime, somebody: Person) -> None:
    colleague = await add_person(runtime, somebody.organization_id, Role.MEMBER)
    async with client_of(runtime, somebody) as client, client_of(runtime, colleague) as other:
        a = (await initiate(client, appointment_id="a-1", title="Rex check-up"))["recording_id"]
        b = (await initiate(other, visit_id="v-1", recording_type="dictation", filename="100%_sure.wav"))[
            "recording_id"
        ]
        assert await ids(client, appointment_id="a-1") == [a]
        assert await ids(client, visit_id="v-1") == [b]
        assert await ids(client, recording_type="dictation") == [b]
        assert await ids(client, status="uploading") == [b, a]
        assert await ids(client, status="failed") == []
        assert await ids(client, q="rex") == [a]
        assert await ids(client, q="%") == [b], "a percent sign is a character, not a pattern"
        assert await ids(client, mine=True) == [a]
        wrong = await client.get(LIST, params={"status": "nonsense"})
        assert wrong.status_code == 422


async def test_a_deleted_recording_is_in_the_trash_and_comes_back(runtime: Runtime, somebody: Person) -> None:
    async with client_of(runtime, somebody) as client:
        ticket = await initiate(client)
        await send(client, ticket, SOUND)
        await complete(client, ticket)
        one = f"{LIST}{ticket['recording_id']}"

        assert (await client.delete(one)).status_code == 204
        assert (await client.delete(one)).status_code == 204
        assert await ids(client) == []
        assert await ids(client, deleted=True) == [ticket["recording_id"]]
        assert (await client.get(one)).json()["is_deleted"] is True
        assert (await client.get(f"{one}/download-url")).status_code == 404

        restored = await client.post(f"{one}/restore")
        assert restored.json()["is_deleted"] is False
        assert await ids(client) == [ticket["recording_id"]]
        assert (await client.get(f"{one}/download-url")).status_code == 200


async def test_a_title_can_be_given_and_taken_away(runtime: Runtime, somebody: Person) -> None:
    async with client_of(runtime, somebody) as client:
        one = f"{LIST}{(await initiate(client))['recording_id']}"
        assert (await client.patch(one, json={"title": "Rex"})).json()["title"] == "Rex"
        assert (await client.patch(one, json={"title": "  "})).json()["title"] is None


async def test_a_viewer_may_look_and_nothing_else(runtime: Runtime, somebody: Person) -> None:
    viewer = await add_person(runtime, somebody.organization_id, Role.VIEWER)
    async with client_of(runtime, somebody) as client, client_of(runtime, viewer) as watching:
        one = f"{LIST}{(await initiate(client))['recording_id']}"
        assert (await watching.get(one)).status_code == 200
        for answer in (
            await watching.delete(one),
            await watching.post(f"{one}/restore"),
            await watching.patch(one, json={"title": "x"}),
            await watching.post(f"{one}/steps/probe/rerun"),
            await watching.post(
                f"{LIST}upload/initiate", json={"filename": "a.wav", "content_type": "audio/wav"}
            ),
            await watching.post(f"{LIST}upload/complete/{one[-36:]}"),
        ):
            assert (answer.status_code, answer.json()["error_code"]) == (403, "FORBIDDEN")


WRONG = {
    "GET /api/v1/recordings/not-an-id": (422, "INVALID_REQUEST"),
    "GET /api/v1/recordings/01a1fbe7-1436-777c-85f1-80d1b90ab6cd": (404, "RECORDING_NOT_FOUND"),
    "GET /api/v1/nothing": (404, "NOT_FOUND"),
    "POST /api/v1/recordings/upload/initiate": (422, "INVALID_REQUEST"),
    "POST /api/v1/recordings/01a1fbe7-1436-777c-85f1-80d1b90ab6cd/steps/dance/rerun": (
        422,
        "INVALID_REQUEST",
    ),
    "PUT /api/v1/recordings/": (405, "METHOD_NOT_ALLOWED"),
}


@pytest.mark.parametrize("request_line", WRONG)
async def test_every_error_has_the_one_shape(runtime: Runtime, somebody: Person, request_line: str) -> None:
    method, path = request_line.split()
    async with client_of(runtime, somebody) as client:
        answer = await client.request(method, path)
    assert (answer.status_code, answer.json()["error_code"]) == WRONG[request_line]
    assert set(answer.json()) == {"message", "error_code", "details"}
    assert answer.headers["x-request-id"]


@pytest.mark.parametrize(
    "body",
    [
        b'{"filename": "a.wav", "content_type": "audio/wav", "estimated_duration_seconds": Infinity}',
        b'{"filename": "a.wav", "content_type": "audio/wav", "recording_metadata": {"x": NaN}}',
        b'{"filename": "a\\u0000.wav", "content_type": "audio/wav"}',
        b'{"filename": "a\\ud800.wav", "content_type": "audio/wav"}',
        b'{"filename": "a.wav", "content_type": "audio/wav", "recording_metadata": {"x": "'
        + b"y" * 20_000
        + b'"}}',
        b'{"filename": 7, "content_type": ["audio/wav"]}',
        b"[" * 5_000,
        b"not json",
        b"",
    ],
)
async def test_nonsense_is_refused_and_never_a_server_error(
    runtime: Runtime, somebody: Person, body: bytes
) -> None:
    async with client_of(runtime, somebody) as client:
        headers = {"Content-Type": "application/json"}
        answer = await client.post(f"{LIST}upload/initiate", content=body, headers=headers)
    assert answer.status_code in (400, 422)
    assert answer.json()["error_code"] == "INVALID_REQUEST"


async def test_a_body_that_no_request_needs_is_not_read(runtime: Runtime, somebody: Person) -> None:
    async def endless():  # type: ignore[no-untyped-def]
        for _ in range(1_000):
            yield b" " * 1_024

    async with client_of(runtime, somebody) as client:
        for content in (b" " * 300_000, endless()):
            answer = await client.post(f"{LIST}upload/initiate", content=content)
            assert (answer.status_code, answer.json()["error_code"]) == (413, "UPLOAD_TOO_LARGE")


async def test_nobody_gets_in_without_a_credential(runtime: Runtime) -> None:
    async with client_of(runtime) as client:
        for path in ("", "01a1fbe7-1436-777c-85f1-80d1b90ab6cd"):
            answer = await client.get(LIST + path)
            assert (answer.status_code, answer.json()["error_code"]) == (401, "UNAUTHENTICATED")
        assert (await client.get("/api/health/live")).status_code == 200
        assert (await client.get("/api/v1/info")).json()["needs_first_administrator"] is True


async def test_ready_says_what_is_missing(runtime: Runtime) -> None:
    async with client_of(runtime) as client:
        answer = await client.get("/api/health/ready")
    checks = {check["name"]: check for check in answer.json()["checks"]}
    assert answer.status_code == 503
    assert checks["database"]["ok"]
    assert checks["store local"]["ok"]
    assert not checks["worker"]["ok"]
    assert "reelkeep worker" in checks["worker"]["fix"]
