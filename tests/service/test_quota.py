"""Space and limits: reserved with the ticket, settled at the seal, given back at the end."""

import asyncio
from dataclasses import replace
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import update

from reelkeep.blobs.models import Usage
from reelkeep.blobs.usage import Used
from reelkeep.runtime import Runtime
from reelkeep.uploads.estimate import UNKNOWN_BYTES
from reelkeep.uploads.models import UploadState
from reelkeep.uploads.set_limits import set_limits
from reelkeep.uploads.sweep import sweep_uploads
from tests.fixtures.runtime import Person, add_person, client_of, do_jobs
from tests.fixtures.usage import usage_of
from tests.service.test_sweep import later, upload_and_status
from tests.service.test_uploads import SOUND, complete, initiate, send

NOTHING = Used()


async def limit(runtime: Runtime, person: Person, recording_type: str = "", **values: Any) -> None:
    """Set limits as the operator does."""
    await set_limits(runtime, person.organization_id, recording_type, values, by_operator=True)


async def ask(client: httpx.AsyncClient, **fields: Any) -> httpx.Response:
    """Ask for a ticket."""
    body = {"filename": "visit.wav", "content_type": "audio/wav", **fields}
    return await client.post("/api/v1/recordings/upload/initiate", json=body)


async def test_fifty_tickets_at_once_against_a_quota_for_ten_give_exactly_ten(runtime: Runtime) -> None:
    person = await add_person(runtime)
    await limit(runtime, person, quota_bytes=10_000)
    async with client_of(runtime, person) as client:
        answers = await asyncio.gather(*(ask(client, size_bytes=1000) for _ in range(50)))

    assert sorted(answer.status_code for answer in answers) == [200] * 10 + [403] * 40
    assert await usage_of(runtime, person) == Used(0, 10_000, 10)
    refused = next(answer.json() for answer in answers if answer.status_code == 403)
    assert refused["error_code"] == "QUOTA_EXCEEDED"
    assert refused["details"] == {"used": 0, "reserved": 10_000, "quota": 10_000, "wanted": 1000}


async def test_the_first_ticket_of_all_may_not_be_over_the_quota_either(runtime: Runtime) -> None:
    person = await add_person(runtime)
    await limit(runtime, person, quota_bytes=999)
    async with client_of(runtime, person) as client:
        answer = await ask(client, size_bytes=1000)
    assert (answer.status_code, answer.json()["error_code"]) == (403, "QUOTA_EXCEEDED")
    assert await usage_of(runtime, person) == NOTHING


async def test_space_is_held_by_size_else_by_duration_and_type_else_by_a_stated_default(
    runtime: Runtime,
) -> None:
    held = []
    for fields in (
        {"size_bytes": 12_345},
        {"estimated_duration_seconds": 600},
        {"estimated_duration_seconds": 600, "content_type": "audio/webm;codecs=opus"},
        {"estimated_duration_seconds": 600, "content_type": "video/mp4"},
        {},
    ):
        person = await add_person(runtime)
        async with client_of(runtime, person) as client:
            assert (await ask(client, **fields)).status_code == 200
        held.append((await usage_of(runtime, person)).bytes_reserved)
    by_size, wav, opus, video, unknown = held
    assert by_size == 12_345
    assert opus < wav < video
    assert wav >= 600 * 48_000 * 2 * 2, "a wav of that length fits"
    assert unknown == UNKNOWN_BYTES


async def test_what_was_held_is_settled_at_the_seal_and_renditions_count_too(
    any_runtime: Runtime, person: Person
) -> None:
    async with client_of(any_runtime, person) as client:
        ticket = await initiate(client)
        assert (await usage_of(any_runtime, person)).bytes_reserved == UNKNOWN_BYTES
        await send(client, ticket, SOUND)
        await asyncio.gather(*(complete(client, ticket) for _ in range(3)))
        assert await usage_of(any_runtime, person) == Used(len(SOUND), 0, 0)

        await do_jobs(any_runtime)
        shown = (await client.get(f"/api/v1/recordings/{ticket['recording_id']}")).json()
        assert shown["playback_ready"]
        assert shown["peaks_ready"]
    assert (await usage_of(any_runtime, person)).bytes_used > len(SOUND)


async def test_what_was_held_is_given_back_when_refused_and_when_expired(
    any_runtime: Runtime, person: Person
) -> None:
    async with client_of(any_runtime, person) as client:
        refused, expired = await initiate(client, size_bytes=22), await initiate(client, size_bytes=1000)
        await send(client, refused, b"<html>not a sound</html>"[:22])
        assert (await complete(client, refused)).status_code == 415
        assert await usage_of(any_runtime, person) == Used(0, 1000, 1)

        late = later(any_runtime, hours=2)
        await asyncio.gather(sweep_uploads(late), sweep_uploads(late))
        assert await usage_of(any_runtime, person) == NOTHING
        ended = await upload_and_status(any_runtime, person, expired["recording_id"])
        assert ended == (UploadState.EXPIRED, "failed", "UPLOAD_EXPIRED")


async def test_more_than_was_held_is_sealed_only_while_the_quota_has_room_and_waits_else(
    any_runtime: Runtime, person: Person
) -> None:
    async with client_of(any_runtime, person) as client:
        ticket = await initiate(client, estimated_duration_seconds=0.001)
        held = (await usage_of(any_runtime, person)).bytes_reserved
        sound = SOUND + bytes(held)
        await send(client, ticket, sound)
        await limit(any_runtime, person, quota_bytes=held)

        answer = await complete(client, ticket)
        assert (answer.status_code, answer.json()["error_code"]) == (403, "QUOTA_EXCEEDED")
        assert await usage_of(any_runtime, person) == Used(0, held, 1)

        await limit(any_runtime, person, quota_bytes=len(sound))
        assert (await complete(client, ticket)).status_code == 200
    assert await usage_of(any_runtime, person) == Used(len(sound), 0, 0)


async def test_too_many_open_uploads_and_too_many_tickets_a_minute_say_when_to_come_again(
    runtime: Runtime,
) -> None:
    person = await add_person(runtime)
    await limit(runtime, person, uploads_open_max=2)
    async with client_of(runtime, person) as client:
        answers = await asyncio.gather(*(ask(client, size_bytes=10) for _ in range(6)))
        assert sorted(answer.status_code for answer in answers) == [200, 200, 429, 429, 429, 429]
        refused = next(answer for answer in answers if answer.status_code == 429)
        assert refused.json()["error_code"] == "UPLOADS_OPEN_MAX"
        assert int(refused.headers["Retry-After"]) == refused.json()["details"]["retry_after"] > 0

        await limit(runtime, person, uploads_open_max=100, tickets_per_minute_max=4)
        await _as_if_a_minute_passed(runtime, person)
        answers = await asyncio.gather(*(ask(client, size_bytes=10) for _ in range(6)))
        assert sorted(answer.status_code for answer in answers) == [200] * 4 + [429] * 2
        refused = next(answer for answer in answers if answer.status_code == 429)
        assert refused.json()["error_code"] == "RATE_LIMITED"
        assert 0 < refused.json()["details"]["retry_after"] <= 60

        await _as_if_a_minute_passed(runtime, person)
        assert (await ask(client, size_bytes=10)).status_code == 200
    assert await usage_of(runtime, person) == Used(0, 70, 7)


async def _as_if_a_minute_passed(runtime: Runtime, person: Person) -> None:
    async with runtime.database.work(person.organization_id) as session:
        await session.execute(update(Usage).values(minute=None))


async def test_each_recording_type_has_limits_of_its_own_and_the_others_keep_theirs(
    any_runtime: Runtime, person: Person
) -> None:
    await limit(any_runtime, person, size_bytes_max=2000)
    await limit(
        any_runtime, person, "note", size_bytes_max=100, duration_seconds_max=60, content_types=["audio/mp4"]
    )
    async with client_of(any_runtime, person) as client:
        for fields, status, code in (
            ({"size_bytes": 2000}, 200, None),
            ({"size_bytes": 2001}, 413, "UPLOAD_TOO_LARGE"),
            ({"size_bytes": 100, "recording_type": "note"}, 415, "UNSUPPORTED_TYPE"),
            (
                {"size_bytes": 101, "recording_type": "note", "content_type": "audio/mp4"},
                413,
                "UPLOAD_TOO_LARGE",
            ),
            (
                {"estimated_duration_seconds": 61, "recording_type": "note", "content_type": "audio/mp4"},
                413,
                "MEDIA_TOO_LONG",
            ),
            ({"size_bytes": 100, "recording_type": "note", "content_type": "audio/mp4"}, 200, None),
        ):
            answer = await ask(client, **fields)
            assert (answer.status_code, answer.json().get("error_code")) == (status, code)
            if status == 413:
                assert "parts" in answer.json()["details"]["remedy"]


async def test_real_size_and_content_are_held_to_the_limits_at_the_seal(
    any_runtime: Runtime, person: Person
) -> None:
    await limit(any_runtime, person, size_bytes_max=len(SOUND) - 1)
    await limit(any_runtime, person, "any", content_types=["application/octet-stream", "audio/mpeg"])
    async with client_of(any_runtime, person) as client:
        large = await initiate(client, method="put")
        await send(client, large, SOUND)
        answer = await complete(client, large)
        assert (answer.status_code, answer.json()["error_code"]) == (413, "UPLOAD_TOO_LARGE")

        await limit(any_runtime, person, size_bytes_max=None)
        unsaid = await initiate(client, recording_type="any", content_type="application/octet-stream")
        await send(client, unsaid, SOUND)
        answer = await complete(client, unsaid)
        assert (answer.status_code, answer.json()["error_code"]) == (415, "UNSUPPORTED_TYPE")
        assert answer.json()["details"]["content_type"] == "audio/wav"
    assert await usage_of(any_runtime, person) == NOTHING


async def test_the_real_duration_is_held_to_the_types_limit_when_it_is_known(runtime: Runtime) -> None:
    person = await add_person(runtime)
    await limit(runtime, person, "short", duration_seconds_max=1)
    async with client_of(runtime, person) as client:
        from tests.service.test_uploads import OTHER_SOUND

        tickets = [await initiate(client, recording_type=kind) for kind in ("short", "other")]
        for ticket in tickets:
            await send(client, ticket, OTHER_SOUND)  # two seconds
            assert (await complete(client, ticket)).status_code == 200
        await do_jobs(runtime)
        short, other = [
            (await client.get(f"/api/v1/recordings/{ticket['recording_id']}")).json() for ticket in tickets
        ]
    assert (short["status"], short["error_code"]) == ("failed", "MEDIA_TOO_LONG")
    assert other["error_code"] is None


async def test_a_file_too_large_for_one_request_is_told_to_come_in_parts(runtime: Runtime) -> None:
    person = await add_person(runtime)
    roomy = replace(
        runtime, settings=runtime.settings.model_copy(update={"upload_size_bytes_max": 20 * 1024**3})
    )
    async with client_of(roomy, person) as client:
        for method, status in (("post", 413), ("put", 413), ("multipart", 200), ("tus", 200)):
            answer = await ask(client, method=method, size_bytes=6 * 1024**3)
            assert answer.status_code == status, answer.text
        assert answer.json()["upload_method"] == "tus"
        refused = (await ask(client, size_bytes=6 * 1024**3)).json()
    assert refused["error_code"] == "UPLOAD_TOO_LARGE"
    assert refused["details"]["remedy"] == "use multipart or tus"


async def test_the_same_bytes_again_are_told_of_and_kept_all_the_same(
    any_runtime: Runtime, person: Person
) -> None:
    stranger = await add_person(any_runtime)
    async with client_of(any_runtime, stranger) as other:
        foreign = await initiate(other)
        await send(other, foreign, SOUND)
        await complete(other, foreign)
    async with client_of(any_runtime, person) as client:
        first, second, third = [await initiate(client, transcribe=False) for _ in range(3)]
        answers = []
        for ticket in (first, second):
            await send(client, ticket, SOUND)
            answers.append((await complete(client, ticket)).json())
        await do_jobs(any_runtime)
        shown = [
            (await client.get(f"/api/v1/recordings/{t['recording_id']}")).json() for t in (first, second)
        ]
        assert [one["duplicate_of"] for one in shown] == [None, first["recording_id"]]
        if answers[1]["sha256"]:  # known at the seal: told at once
            assert answers[1]["duplicate_of"] == first["recording_id"]
        listed = (await client.get("/api/v1/recordings/")).json()["items"]
        assert {one["id"]: one["duplicate_of"] for one in listed}[second["recording_id"]] == first[
            "recording_id"
        ]

        for ticket in (first, second):
            await client.delete(f"/api/v1/recordings/{ticket['recording_id']}")
        await send(client, third, SOUND)
        await complete(client, third)
        await do_jobs(any_runtime)
        alone = (await client.get(f"/api/v1/recordings/{third['recording_id']}")).json()
        assert alone["duplicate_of"] is None, "those in the trash do not count"


async def test_two_seals_of_the_same_bytes_at_once_are_found_out_afterwards(runtime: Runtime) -> None:
    person = await add_person(runtime)
    async with client_of(runtime, person) as client:
        tickets = [await initiate(client, transcribe=False) for _ in range(4)]
        for ticket in tickets:
            await send(client, ticket, SOUND)
        await asyncio.gather(*(complete(client, ticket) for ticket in tickets))
        await do_jobs(runtime)
        found = [(await client.get(f"/api/v1/recordings/{t['recording_id']}")).json() for t in tickets]
    firsts = [one["id"] for one in found if one["duplicate_of"] is None]
    assert len(firsts) == 1
    assert {one["duplicate_of"] for one in found} == {None, firsts[0]}


@pytest.mark.parametrize("role", ["manager", "member", "viewer"])
async def test_only_an_administrator_sees_and_sets_limits(runtime: Runtime, role: str) -> None:
    from reelkeep.accounts.models import Role

    admin = await add_person(runtime)
    person = await add_person(runtime, admin.organization_id, Role(role))
    async with client_of(runtime, person) as client:
        for answer in (
            await client.get("/api/v1/organization/limits"),
            await client.put("/api/v1/organization/limits", json={"size_bytes_max": 1}),
        ):
            assert (answer.status_code, answer.json()["error_code"]) == (403, "FORBIDDEN")
        assert (await client.get("/api/v1/organization/usage")).status_code == 200


async def test_an_administrator_may_be_stricter_than_the_operator_and_never_looser(runtime: Runtime) -> None:
    person, stranger = await add_person(runtime), await add_person(runtime)
    await limit(runtime, person, quota_bytes=1000)
    async with client_of(runtime, person) as client, client_of(runtime, stranger) as other:

        async def put(**body: Any) -> httpx.Response:
            return await client.put("/api/v1/organization/limits", json=body)

        for loose in (
            {"quota_bytes": 1001},
            {"quota_bytes": None},
            {"quota_bytes": 1000, "uploads_open_max": 10**6},
            {"quota_bytes": 1000, "size_bytes_max": runtime.settings.upload_size_bytes_max + 1},
            {"quota_bytes": 1000, "content_types": ["application/*"]},
        ):
            answer = await put(**loose)
            assert (answer.status_code, answer.json()["error_code"]) == (403, "FORBIDDEN"), loose
        for wrong in (
            {"recording_type": "note", "quota_bytes": 10},
            {"quota_bytes": 1000, "content_types": ["audio"]},
            {"quota_bytes": 1000, "duration_seconds_max": 10**9},
        ):
            answer = await put(**wrong)
            assert (answer.status_code, answer.json()["error_code"]) == (422, "INVALID_REQUEST"), wrong

        assert (await put(quota_bytes=900, size_bytes_max=500)).status_code == 200
        assert (await put(recording_type="note", content_types=["audio/mp4"])).status_code == 200
        told = (await client.get("/api/v1/organization/limits")).json()
        assert [row["recording_type"] for row in told["limits"]] == ["", "note"]
        assert (told["in_force"]["quota_bytes"], told["in_force"]["size_bytes_max"]) == (900, 500)
        assert told["limits"][1]["size_bytes_max"] is None
        assert told["usage"] == {
            "bytes_used": 0,
            "bytes_reserved": 0,
            "uploads_open": 0,
            "quota_bytes": 900,
        }
        assert (await put(recording_type="note")).json()["limits"][-1]["recording_type"] == ""
        assert (await other.get("/api/v1/organization/limits")).json()["limits"] == []


async def test_dying_at_any_moment_of_a_ticket_leaves_usage_exact(runtime: Runtime) -> None:
    person = await add_person(runtime)
    async with client_of(runtime, person) as client:
        ended = cut_short = 0
        for turns in range(0, 400, 9):
            task = asyncio.create_task(ask(client, size_bytes=7))
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            try:
                await task
                ended += 1
            except asyncio.CancelledError:
                cut_short += 1
            await usage_of(runtime, person)
        assert cut_short > 3
        assert UUID((await initiate(client))["recording_id"])
