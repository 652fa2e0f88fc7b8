"""Uploads in parts by small JSON requests and by signed ones: over a local folder and over a real S3."""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import select, text

from reelkeep.blobs.usage import Used
from reelkeep.errors import ReelkeepError
from reelkeep.runtime import Runtime
from reelkeep.stores.protocol import PART_BYTES_MIN, PART_NUMBER_MAX
from reelkeep.uploads.leftovers import sweep_incoming
from reelkeep.uploads.models import Upload, UploadState
from reelkeep.uploads.multipart import begin_multipart
from reelkeep.uploads.parts import part_size_for, taking_parts
from reelkeep.uploads.seal import Claims, seal
from reelkeep.uploads.sweep import sweep_uploads
from reelkeep.wiring import open_runtime
from tests.fixtures.runtime import Person, add_person, client_of, do_jobs, settings_for
from tests.fixtures.usage import usage_of
from tests.service.test_sweep import events_of, later, upload_and_status
from tests.service.test_tus import is_in_the_trash_alone
from tests.service.test_uploads import SOUND, complete, download, initiate, keys

PATH = "/api/v1/recordings/upload/multipart"
#: A sound, and silence after it: more than a part.
LONG = SOUND + bytes(PART_BYTES_MIN)
PIECES = (LONG[:PART_BYTES_MIN], LONG[PART_BYTES_MIN:])


async def begin(client: httpx.AsyncClient, **fields: Any) -> dict[str, Any]:
    """A multipart upload."""
    body = {"filename": "visit.wav", "content_type": "audio/wav", "transcribe": False, **fields}
    answer = await client.post(PATH, json=body)
    assert answer.status_code == 200, answer.text
    begun: dict[str, Any] = answer.json()
    return begun


async def sign(client: httpx.AsyncClient, begun: dict[str, Any], numbers: Sequence[int]) -> dict[int, str]:
    """Where parts go."""
    answer = await client.post(f"{PATH}/{begun['recording_id']}/parts", json={"part_numbers": list(numbers)})
    assert answer.status_code == 200, answer.text
    return {part["part_number"]: part["url"] for part in answer.json()["parts"]}


async def put(client: httpx.AsyncClient, url: str, body: bytes) -> httpx.Response:
    """Send bytes to a signed address, which may be another server's."""
    if url.startswith(str(client.base_url)):
        return await client.put(url, content=body, headers={"Authorization": ""})
    async with httpx.AsyncClient() as outside:
        return await outside.put(url, content=body)


async def send_parts(
    client: httpx.AsyncClient, begun: dict[str, Any], pieces: dict[int, bytes]
) -> list[dict[str, Any]]:
    """Send parts all at once; what S3 says of each."""
    urls = await sign(client, begun, list(pieces))
    answers = await asyncio.gather(*(put(client, urls[number], body) for number, body in pieces.items()))
    assert [answer.status_code for answer in answers] == [200] * len(pieces)
    etags = zip(pieces, (answer.headers["etag"] for answer in answers), strict=True)
    return [{"PartNumber": number, "ETag": etag} for number, etag in etags]


async def finish(
    client: httpx.AsyncClient, begun: dict[str, Any], parts: list[dict[str, Any]], **told: Any
) -> httpx.Response:
    """Ask for the parts to be put together and sealed."""
    return await client.post(f"{PATH}/{begun['recording_id']}/complete", json={"parts": parts, **told})


async def stale(runtime: Runtime) -> list[str]:
    """Multipart uploads that the store knows of."""
    store = taking_parts(runtime.stores.primary)
    return [one.upload_id async for one in store.list_part_uploads("incoming/")]


async def test_parts_out_of_order_at_once_and_again_become_one_recording(
    any_runtime: Runtime, person: Person
) -> None:
    async with client_of(any_runtime, person) as client:
        begun = await begin(client, size_bytes=len(LONG))
        assert begun["key"].startswith("incoming/")
        assert begun["part_size_bytes"] >= PART_BYTES_MIN
        await send_parts(client, begun, {1: bytes(PART_BYTES_MIN)})  # sent again below
        parts = await send_parts(client, begun, {2: PIECES[1], 1: PIECES[0]})
        listed = (await client.get(f"{PATH}/{begun['recording_id']}/parts")).json()
        assert [(one["PartNumber"], one["Size"]) for one in listed] == [
            (1, PART_BYTES_MIN),
            (2, len(PIECES[1])),
        ]
        assert {one["ETag"] for one in listed} == {one["ETag"] for one in parts}

        answers = [await finish(client, begun, parts, file_size_bytes=len(LONG)) for _ in range(2)]

        assert [answer.status_code for answer in answers] == [200, 200], answers[0].text
        assert answers[0].json()["file_size_bytes"] == len(LONG)
        assert await download(client, begun["recording_id"]) == LONG
    assert await keys(any_runtime, "incoming/") == []
    assert await stale(any_runtime) == []
    assert await usage_of(any_runtime, person) == Used(len(LONG), 0, 0)


async def test_parts_that_are_wrong_are_told_and_can_be_mended(any_runtime: Runtime, person: Person) -> None:
    async with client_of(any_runtime, person) as client:
        begun = await begin(client)
        small = await send_parts(client, begun, {1: LONG[:1000], 2: LONG[1000:]})
        for parts in (
            small,
            [{"PartNumber": 1, "ETag": "0" * 32}],
            [small[0], {"PartNumber": 3, "ETag": small[1]["ETag"]}],
            [small[0], small[0]],
        ):
            answer = await finish(client, begun, parts)
            assert (answer.status_code, answer.json()["error_code"]) == (409, "PART_INVALID"), parts
        assert (await finish(client, begun, [])).status_code == 422

        parts = await send_parts(client, begun, {1: PIECES[0], 2: PIECES[1]})
        assert (await finish(client, begun, parts)).status_code == 200
        assert await download(client, begun["recording_id"]) == LONG


async def test_an_aborted_upload_leaves_nothing_and_aborting_twice_is_harmless(
    any_runtime: Runtime, person: Person
) -> None:
    async with client_of(any_runtime, person) as client:
        begun = await begin(client, size_bytes=len(LONG))
        await send_parts(client, begun, {1: PIECES[0]})
        for _ in range(2):
            assert (await client.delete(f"{PATH}/{begun['recording_id']}")).status_code == 204
        assert await stale(any_runtime) == []
        assert await usage_of(any_runtime, person) == Used()
        for answer in (
            await client.post(f"{PATH}/{begun['recording_id']}/parts", json={"part_numbers": [1]}),
            await finish(client, begun, [{"PartNumber": 1, "ETag": "x"}]),
            await client.post(f"/api/v1/recordings/upload/renew/{begun['recording_id']}"),
        ):
            assert (answer.status_code, answer.json()["error_code"]) == (410, "UPLOAD_DISCARDED")
        assert await events_of(any_runtime, person, begun["recording_id"]) == ["upload.discarded"]
        await is_in_the_trash_alone(any_runtime, person, client, begun["recording_id"])

        sealed = await begin(client)
        parts = await send_parts(client, sealed, {1: SOUND})
        assert (await finish(client, sealed, parts)).status_code == 200
        late = await client.delete(f"{PATH}/{sealed['recording_id']}")
        assert (late.status_code, late.json()["error_code"]) == (409, "RECORDING_STATE")
        assert await download(client, sealed["recording_id"]) == SOUND


async def test_another_organization_can_do_nothing_with_it(any_runtime: Runtime, person: Person) -> None:
    stranger = await add_person(any_runtime)
    async with client_of(any_runtime, person) as client, client_of(any_runtime, stranger) as other:
        begun = await begin(client)
        recording_id = begun["recording_id"]
        signed = {"method": "PUT", "key": begun["key"], "uploadId": begun["upload_id"], "partNumber": 1}
        answers = [
            await other.get(f"{PATH}/{recording_id}/parts"),
            await other.post(f"{PATH}/{recording_id}/parts", json={"part_numbers": [1]}),
            await other.delete(f"{PATH}/{recording_id}"),
            await finish(other, begun, [{"PartNumber": 1, "ETag": "x"}]),
            await other.post(f"/api/v1/recordings/upload/renew/{recording_id}"),
            await other.post("/api/v1/recordings/upload/sign", json={**signed, "recording_id": recording_id}),
            await other.post("/api/v1/recordings/upload/sign", json=signed),
        ]
        assert {(one.status_code, one.json()["error_code"]) for one in answers} == {(404, "UPLOAD_NOT_FOUND")}
        own = await begin(other)
        crossed = {**signed, "recording_id": own["recording_id"]}
        answer = await other.post("/api/v1/recordings/upload/sign", json=crossed)
        assert (answer.status_code, answer.json()["error_code"]) == (409, "UPLOAD_METHOD")


async def test_only_the_requests_of_an_upload_are_signed(any_runtime: Runtime, person: Person) -> None:
    async with client_of(any_runtime, person) as client:
        ticket = await initiate(client, method="multipart")
        assert ticket["upload_method"] == "multipart"
        assert ticket["part_size_bytes"] >= PART_BYTES_MIN

        async def signed(**wish: Any) -> httpx.Response:
            body = {"recording_id": ticket["recording_id"], "key": "any/name", **wish}
            return await client.post("/api/v1/recordings/upload/sign", json=body)

        for wish in (
            {"method": "GET"},
            {"method": "DELETE"},
            {"method": "PUT", "partNumber": 1},
            {"method": "PUT", "uploadId": "x", "key": ticket["s3_key"]},
            {"method": "GET", "uploadId": "x", "partNumber": 1, "key": ticket["s3_key"]},
            {"method": "GET", "uploadId": "x"},
        ):
            answer = await signed(**wish)
            assert (answer.status_code, answer.json()["error_code"]) == (409, "UPLOAD_METHOD"), wish
        put_it = (await signed(method="PUT")).json()
        assert put_it["key"] == ticket["s3_key"]
        assert (await put(client, put_it["url"], SOUND)).status_code == 200
        assert (await complete(client, ticket)).status_code == 200
        late = await signed(method="PUT")
        assert (late.status_code, late.json()["error_code"]) == (409, "RECORDING_STATE")


async def test_a_browser_that_speaks_s3_itself_is_sealed_also_when_it_never_comes_back(
    any_runtime: Runtime, person: Person
) -> None:
    async with client_of(any_runtime, person) as client:
        ticket = await initiate(client, method="multipart")

        async def do(method: str, body: bytes = b"", **wish: Any) -> httpx.Response:
            asked = {"key": ticket["s3_key"], "method": method, **wish}
            url = (await client.post("/api/v1/recordings/upload/sign", json=asked)).json()["url"]
            if url.startswith(str(client.base_url)):
                return await client.request(method, url, content=body, headers={"Authorization": ""})
            async with httpx.AsyncClient() as outside:
                return await outside.request(method, url, content=body)

        begun = [(await do("POST")).text for _ in range(2)]  # the first answer was lost on the way
        ids = [re.search(r"<UploadId>(.+)</UploadId>", answer)[1] for answer in begun]  # type: ignore[index]
        etags = [
            (await do("PUT", piece, uploadId=ids[1], partNumber=number)).headers["etag"]
            for number, piece in enumerate(PIECES, 1)
        ]
        listed = (await do("GET", uploadId=ids[1])).text
        assert listed.count("<Part>") == 2
        xml = "".join(
            f"<Part><PartNumber>{n}</PartNumber><ETag>{etag}</ETag></Part>" for n, etag in enumerate(etags, 1)
        )
        done = await do(
            "POST", f"<CompleteMultipartUpload>{xml}</CompleteMultipartUpload>".encode(), uploadId=ids[1]
        )
        assert done.status_code == 200, done.text

        await sweep_uploads(later(any_runtime, minutes=3))
        assert await download(client, ticket["recording_id"]) == LONG
        assert await events_of(any_runtime, person, ticket["recording_id"]) == ["upload.sealed"]
    assert await stale(any_runtime) == [ids[0]]
    await sweep_incoming(later(any_runtime, days=2))
    assert await stale(any_runtime) == []


async def test_parts_that_are_all_there_are_put_together_by_the_sweep_once_it_is_quiet(
    any_runtime: Runtime, person: Person
) -> None:
    async with client_of(any_runtime, person) as client:
        whole, holey, short = [await begin(client, size_bytes=len(LONG)) for _ in range(3)]
        await send_parts(client, whole, {1: PIECES[0], 2: PIECES[1]})
        await send_parts(client, holey, {1: PIECES[0], 3: PIECES[1]})
        await send_parts(client, short, {1: PIECES[0], 2: PIECES[1][:-1]})

        await sweep_uploads(later(any_runtime, minutes=3))
        assert (await upload_and_status(any_runtime, person, whole["recording_id"]))[0] == "open", "not yet"
        await sweep_uploads(later(any_runtime, minutes=20))
        assert await download(client, whole["recording_id"]) == LONG
        for begun in (holey, short):
            assert (await upload_and_status(any_runtime, person, begun["recording_id"]))[0] == "open"

        await sweep_uploads(later(any_runtime, days=8))
        for begun in (holey, short):
            ended = await upload_and_status(any_runtime, person, begun["recording_id"])
            assert ended == (UploadState.EXPIRED, "failed", "UPLOAD_EXPIRED")
            told = await events_of(any_runtime, person, begun["recording_id"])
            assert told == ["upload.expired"]
        assert await usage_of(any_runtime, person) == Used(len(LONG), 0, 0)

        assert len(await stale(any_runtime)) == 2, "a ticket can still be renewed"
        await sweep_incoming(later(any_runtime, days=7, hours=12))
        assert len(await stale(any_runtime)) == 2
        await sweep_incoming(later(any_runtime, days=9))
        assert await stale(any_runtime) == []
        answer = await client.post(f"/api/v1/recordings/upload/renew/{holey['recording_id']}")
        assert (answer.status_code, answer.json()["error_code"]) == (410, "UPLOAD_EXPIRED")


async def test_dying_between_the_store_and_the_row_leaves_nothing_that_is_not_cleaned_away(
    any_runtime: Runtime, person: Person
) -> None:
    from reelkeep.recordings.create import NewRecording

    new = NewRecording("visit.wav", "audio/wav", size_bytes=len(LONG), transcribe=False)
    for turns in range(0, 900, 40):
        work = begin_multipart(any_runtime, person.organization_id, person.user_id, new)
        task = asyncio.create_task(work)
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        await usage_of(any_runtime, person)
    late = later(any_runtime, days=10)
    while await sweep_uploads(late):
        pass
    await sweep_incoming(late)
    assert await stale(any_runtime) == []
    assert await usage_of(any_runtime, person) == Used()


async def test_dying_at_any_moment_of_completing_loses_nothing_and_seals_once(
    any_runtime: Runtime, person: Person
) -> None:
    async with client_of(any_runtime, person) as client:
        begun = await begin(client, size_bytes=len(LONG))
        parts = await send_parts(client, begun, {1: PIECES[0], 2: PIECES[1]})
        claims = Claims(parts=tuple((part["PartNumber"], part["ETag"].strip('"')) for part in parts))
        recording_id = UUID(begun["recording_id"])
        cut_short = 0
        for turns in range(0, 4000, 23):
            task = asyncio.create_task(seal(any_runtime, person.organization_id, recording_id, claims))
            for _ in range(turns):
                await asyncio.sleep(0)
            if task.done():
                break
            task.cancel()
            with pytest.raises((asyncio.CancelledError, ReelkeepError)):
                await task
            cut_short += 1
            await usage_of(any_runtime, person)
        assert cut_short > 3
        assert (await finish(client, begun, parts)).status_code == 200
        assert await download(client, begun["recording_id"]) == LONG
    assert await usage_of(any_runtime, person) == Used(len(LONG), 0, 0)


async def test_completing_that_outlasts_the_request_is_finished_by_a_job_that_knows_the_parts(
    any_runtime: Runtime, person: Person
) -> None:
    hurried = replace(any_runtime, settings=any_runtime.settings.model_copy(update={"seal_seconds_max": 0}))
    async with client_of(any_runtime, person) as client, client_of(hurried, person) as impatient:
        begun = await begin(client)  # no size: nothing but the named parts tells that this is all
        parts = await send_parts(client, begun, {1: PIECES[0], 2: PIECES[1]})
        answer = await finish(impatient, begun, parts)
        assert (answer.status_code, answer.json()["error_code"]) == (503, "SEAL_PENDING")
        assert answer.json()["details"]["retry_after"] > 0
        await do_jobs(any_runtime)
        assert (await upload_and_status(any_runtime, person, begun["recording_id"]))[0] == "sealed"
        assert (await finish(client, begun, parts)).status_code == 200
        assert await download(client, begun["recording_id"]) == LONG


async def test_an_expired_ticket_is_renewed_with_its_parts_kept_and_its_space_held_again(
    any_runtime: Runtime, person: Person
) -> None:
    async with client_of(any_runtime, person) as client:
        begun = await begin(client, size_bytes=len(LONG))
        first = await send_parts(client, begun, {1: PIECES[0]})
        await sweep_uploads(later(any_runtime, days=8))
        assert await usage_of(any_runtime, person) == Used()
        answer = await client.get(f"{PATH}/{begun['recording_id']}/parts")
        assert (answer.status_code, answer.json()["error_code"]) == (410, "UPLOAD_EXPIRED")

        renewed = (await client.post(f"/api/v1/recordings/upload/renew/{begun['recording_id']}")).json()

        assert (renewed["upload_id"], renewed["s3_key"]) == (begun["upload_id"], begun["key"])
        assert await usage_of(any_runtime, person) == Used(0, len(LONG), 1)
        listed = (await client.get(f"{PATH}/{begun['recording_id']}/parts")).json()
        assert [one["PartNumber"] for one in listed] == [1]
        parts = first + await send_parts(client, begun, {2: PIECES[1]})
        assert (await finish(client, begun, parts)).status_code == 200
        assert await download(client, begun["recording_id"]) == LONG
        told = await events_of(any_runtime, person, begun["recording_id"])
        assert told == ["upload.expired", "upload.renewed", "upload.sealed"]


async def test_parts_that_the_store_let_go_of_are_begun_anew(any_runtime: Runtime, person: Person) -> None:
    async with client_of(any_runtime, person) as client:
        begun = await begin(client, size_bytes=len(LONG))
        await taking_parts(any_runtime.stores.primary).abort_parts(begun["key"], begun["upload_id"])
        gone = await client.get(f"{PATH}/{begun['recording_id']}/parts")
        assert (gone.status_code, gone.json()["error_code"]) == (410, "UPLOAD_EXPIRED")

        renewed = (await client.post(f"/api/v1/recordings/upload/renew/{begun['recording_id']}")).json()
        assert renewed["upload_id"] not in (None, begun["upload_id"])
        parts = await send_parts(client, begun, {1: PIECES[0], 2: PIECES[1]})
        assert (await finish(client, begun, parts)).status_code == 200


@pytest.mark.parametrize("method", ["post", "put"])
async def test_an_expired_form_or_put_is_renewed_under_the_same_key(
    any_runtime: Runtime, person: Person, method: str
) -> None:
    from tests.service.test_uploads import send

    async with client_of(any_runtime, person) as client:
        ticket = await initiate(client, method=method, size_bytes=len(SOUND), transcribe=False)
        await sweep_uploads(later(any_runtime, hours=2))
        renewed = (await client.post(f"/api/v1/recordings/upload/renew/{ticket['recording_id']}")).json()
        assert renewed["s3_key"] == ticket["s3_key"]
        shown = (await client.get(f"/api/v1/recordings/{ticket['recording_id']}")).json()
        assert (shown["status"], shown["error_code"]) == ("uploading", None)
        await send(client, renewed, SOUND)
        assert (await complete(client, renewed)).status_code == 200
        late = await client.post(f"/api/v1/recordings/upload/renew/{ticket['recording_id']}")
        assert (late.status_code, late.json()["error_code"]) == (409, "RECORDING_STATE")
    assert await usage_of(any_runtime, person) == Used(len(SOUND), 0, 0)


async def test_renewing_at_once_holds_the_space_once_and_only_within_the_quota(runtime: Runtime) -> None:
    from tests.service.test_quota import limit

    person = await add_person(runtime)
    async with client_of(runtime, person) as client:
        ticket = await initiate(client, size_bytes=1000)
        await sweep_uploads(later(runtime, hours=2))
        path = f"/api/v1/recordings/upload/renew/{ticket['recording_id']}"

        await limit(runtime, person, quota_bytes=999)
        refused = await client.post(path)
        assert (refused.status_code, refused.json()["error_code"]) == (403, "QUOTA_EXCEEDED")
        assert await usage_of(runtime, person) == Used()

        await limit(runtime, person, quota_bytes=1000)
        answers = await asyncio.gather(*(client.post(path) for _ in range(5)))
        assert [answer.status_code for answer in answers] == [200] * 5
    assert await usage_of(runtime, person) == Used(0, 1000, 1)


def test_parts_fit_whatever_size_there_is() -> None:
    for size in (1, PART_BYTES_MIN, 10**9, 5 * 1024**4):
        part = part_size_for(size, 5 * 1024**4)
        assert part >= PART_BYTES_MIN
        assert part * PART_NUMBER_MAX >= size
    assert part_size_for(None, 5 * 1024**4) * PART_NUMBER_MAX >= 5 * 1024**4


async def test_the_row_of_an_upload_in_parts_keeps_nothing_of_them_once_it_is_sealed(
    runtime: Runtime,
) -> None:
    person = await add_person(runtime)
    hurried = replace(runtime, settings=runtime.settings.model_copy(update={"seal_seconds_max": 0}))
    async with client_of(runtime, person) as client, client_of(hurried, person) as impatient:
        begun = await begin(client)
        parts = await send_parts(client, begun, {1: SOUND})
        await finish(impatient, begun, parts)
        assert (await finish(client, begun, parts)).status_code == 200
    async with runtime.database.work(person.organization_id) as session:
        upload = (await session.scalars(select(Upload))).one()
        jobs = await session.scalar(text("select count(*) from upload where growth <> '{}'::jsonb"))
    assert (upload.state, upload.growth, jobs) == (UploadState.SEALED, {}, 0)


async def test_a_store_that_is_away_says_when_to_come_again_and_ends_no_upload(
    tmp_path: Path, conninfo: str
) -> None:
    away = {"store": "s3", "s3_bucket": "away", "s3_endpoint_url": "http://127.0.0.1:9"}
    keys = {"s3_access_key_id": "nobody", "s3_secret_access_key": "knows"}
    async with open_runtime(settings_for(tmp_path / "data", conninfo, **away, **keys)) as runtime:
        person = await add_person(runtime)
        async with client_of(runtime, person) as client:
            body = {"filename": "visit.wav", "content_type": "audio/wav", "size_bytes": 1000}
            answer = await client.post(PATH, json=body)
            assert (answer.status_code, answer.json()["error_code"]) == (503, "STORE_UNAVAILABLE")
            assert int(answer.headers["Retry-After"]) == answer.json()["details"]["retry_after"] > 0
            assert await usage_of(runtime, person) == Used(), "no ticket, no space held"

            ticket = await initiate(client)
            await sweep_uploads(later(runtime, days=2))
            state = await upload_and_status(runtime, person, ticket["recording_id"])
            assert state == (UploadState.OPEN, "uploading", None), "its bytes may be there"
