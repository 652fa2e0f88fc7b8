"""Resumable uploads over connections that break, hang, come twice and lie, and over stores that fail."""

import asyncio
import json
import random
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from reelkeep.runtime import Runtime
from reelkeep.wiring import open_runtime
from tests.fixtures.ceph import Ceph
from tests.fixtures.front import Fault, front_of
from tests.fixtures.live import Line, Spoken, live
from tests.fixtures.media import beeps, wav
from tests.fixtures.runtime import Person, add_person, client_of, s3_flags, settings_for
from tests.service.test_tus import recordings, replace_settings
from tests.service.test_uploads import download

URL = "/api/v1/recordings/upload"
SOUND = wav(beeps(20.0))
VERSION = {"Upload-Draft-Interop-Version": "8"}
WHOLE, PART = {"Upload-Complete": "?1"}, {"Upload-Complete": "?0"}
WAV = {"Content-Type": "audio/wav"}
PARTIAL = {"Content-Type": "application/partial-upload"}


@asynccontextmanager
async def phone_at(runtime: Runtime, person: Person) -> AsyncIterator["Phone"]:
    """A phone at a server that sends `104`."""
    async with live(replace_settings(runtime, upload_interim_responses=True)) as url:
        yield Phone(runtime, person, url)


class Phone:
    """A client of one file, on as many connections as it likes."""

    def __init__(self, runtime: Runtime, person: Person, url: str) -> None:
        self.runtime, self.person, self.url = runtime, person, url
        self.path = ""

    async def begin(self, file: bytes, sent: int, **more: object) -> Line:
        """The optimistic request, so many of its bytes sent; its address is learned by `104`."""
        line = await Line.to(self.url)
        told = {"Content-Length": len(file), **WAV, **WHOLE, **VERSION, **self.person.headers, **more}
        await line.ask("POST", URL, told)
        await line.send(file[:sent])
        interim = await line.answer()
        assert interim.status == 104
        self.path = urlsplit(interim.headers["location"]).path
        return line

    async def hang(self, offset: int, data: bytes, length: int, **more: object) -> Line:
        """A PATCH that has sent some of its body and stays open."""
        line = await Line.to(self.url)
        told = {"Upload-Offset": offset, "Content-Length": length, **PARTIAL, **WHOLE, **VERSION, **more}
        await line.ask("PATCH", self.path, told)
        await line.send(data)
        return line

    async def rest(self, offset: int, body: bytes, **more: object) -> Spoken:
        """A PATCH, whole."""
        line = await self.hang(offset, body, len(body), **more)
        answer = await line.answer()
        await line.close()
        return answer

    async def offset(self) -> int:
        """What HEAD says."""
        return int((await self.head()).headers["upload-offset"])

    async def head(self) -> Spoken:
        """HEAD."""
        async with httpx.AsyncClient(base_url=self.url, timeout=30) as client:
            answer = await client.head(self.path, headers=VERSION)
        return Spoken(answer.status_code, dict(answer.headers))

    async def kept(self, answer: Spoken) -> bytes:
        """The bytes of the recording that an answer tells of."""
        assert answer.status == 201, answer
        assert answer.headers["upload-complete"] == "?1"
        async with client_of(self.runtime, self.person) as client:
            return await download(client, json.loads(answer.body)["id"])


async def until(true: Callable[[], Awaitable[bool]]) -> None:
    """Wait for something that is bound to happen."""
    async with asyncio.timeout(20):
        while not await true():  # noqa: ASYNC110 - what is waited for is in a database
            await asyncio.sleep(0.02)


async def is_broken_off(line: Line) -> bool:
    """Whether the connection ends with no answer."""
    try:
        async with asyncio.timeout(20):
            return await line.reader.read() == b""
    except ConnectionError:
        return True


@pytest.mark.parametrize("how", ["fin", "rst"])
async def test_cut_again_and_again_at_random_points_it_ends_whole(
    any_runtime: Runtime, person: Person, how: str
) -> None:
    chance = random.Random(how)
    async with phone_at(any_runtime, person) as phone:
        line = await phone.begin(SOUND, chance.randrange(len(SOUND) // 3))
        for _ in range(6):
            await asyncio.sleep(chance.choice([0, 0.01, 0.05]))
            line.reset() if how == "rst" else await line.close()
            offset = await phone.offset()
            sent = chance.randrange(max(1, (len(SOUND) - offset) // 3))
            line = await phone.hang(offset, SOUND[offset : offset + sent], len(SOUND) - offset)
        line.reset()
        offset = await phone.offset()
        assert await phone.kept(await phone.rest(offset, SOUND[offset:])) == SOUND
    assert len(await recordings(any_runtime, person)) == 1


async def test_a_newer_request_ends_the_older_one_and_keeps_what_it_brought(runtime: Runtime) -> None:
    async with phone_at(runtime, await add_person(runtime)) as phone:
        first = await phone.begin(SOUND, 300_000)
        await asyncio.sleep(0.3)
        offset = await phone.offset()
        assert offset == 300_000
        assert await is_broken_off(first)
        second = await phone.hang(offset, SOUND[offset : offset + 100_000], len(SOUND) - offset)
        await asyncio.sleep(0.3)
        third = await phone.hang(offset, b"", len(SOUND) - offset)
        refused = await third.answer()
        assert (refused.status, refused.headers["upload-offset"]) == (409, "400000")
        assert await is_broken_off(second)
        assert await phone.kept(await phone.rest(400_000, SOUND[400_000:])) == SOUND


async def test_a_client_that_asks_first_is_told_the_address_and_then_to_go_on(runtime: Runtime) -> None:
    async with phone_at(runtime, await add_person(runtime)) as phone:
        line = await phone.begin(SOUND, 0, Expect="100-continue")
        assert (await line.answer()).status == 100
        await line.send(SOUND[:1000])
        await line.close()
        await asyncio.sleep(0.2)
        line = await phone.hang(1000, b"", len(SOUND) - 1000, Expect="100-continue")
        assert (await line.answer()).status == 100
        await line.send(SOUND[1000:])
        assert await phone.kept(await line.answer()) == SOUND


async def test_a_phone_that_is_not_let_in_is_told_before_it_sends(runtime: Runtime) -> None:
    async with phone_at(runtime, await add_person(runtime)) as phone:
        line = await Line.to(phone.url)
        nobody = {"Content-Length": len(SOUND), "Expect": "100-continue", **WAV, **WHOLE, **VERSION}
        await line.ask("POST", URL, nobody)
        assert (await line.answer()).status == 401
    assert await recordings(runtime, phone.person) == []


async def test_an_address_that_was_never_given_leads_nowhere(runtime: Runtime) -> None:
    async with phone_at(runtime, await add_person(runtime)) as phone:
        line = await phone.begin(SOUND, 10)
        first = "A" if phone.path[-1] != "A" else "B"
        right, phone.path = phone.path, phone.path[:-1] + first
        assert (await phone.head()).status == 404
        assert (await phone.rest(0, SOUND)).status == 404
        phone.path = right
        assert await phone.offset() == 10
        await line.close()


async def test_a_silent_body_is_broken_off_and_what_came_is_kept(runtime: Runtime) -> None:
    person = await add_person(runtime)
    async with phone_at(replace_settings(runtime, upload_idle_seconds=0.3), person) as phone:
        line = await phone.begin(SOUND, 5000)
        assert await is_broken_off(line)
        assert await phone.kept(await phone.rest(await phone.offset(), SOUND[5000:])) == SOUND


async def test_lengths_that_lie_are_found_and_nothing_that_came_is_lost(runtime: Runtime) -> None:
    async with phone_at(runtime, await add_person(runtime)) as phone:
        line = await phone.begin(b"", 0, **PART, **{"Upload-Length": len(SOUND)})
        created = await line.answer()
        assert (created.status, created.headers["upload-complete"]) == (201, "?0")
        assert urlsplit(created.headers["location"]).path == phone.path
        longer = await phone.rest(0, SOUND + b"more")
        assert (longer.status, longer.headers["upload-complete"]) == (400, "?0")
        assert b"inconsistent-upload-length" in longer.body
        shorter = await phone.rest(0, SOUND[:1000])
        assert shorter.status == 400
        other = await phone.rest(0, SOUND[:1000], **PART, **{"Upload-Length": 7})
        assert other.status == 400
        over = await phone.rest(0, SOUND + b"more", **PART)
        assert over.status == 413
        offset = await phone.offset()
        assert await phone.kept(await phone.rest(offset, SOUND[offset:])) == SOUND


async def test_a_length_that_nobody_knew_is_told_by_the_last(runtime: Runtime) -> None:
    async with phone_at(runtime, await add_person(runtime)) as phone:
        line = await phone.begin(b"", 0, **PART)
        assert (await line.answer()).status == 201
        assert "upload-length" not in (await phone.head()).headers
        going = await phone.rest(0, SOUND[:7000], **PART)
        assert (going.status, going.headers["upload-offset"], going.headers["upload-complete"]) == (
            *(204, "7000", "?0"),
        )
        ended = await phone.rest(7000, SOUND[7000:])
        assert await phone.kept(ended) == SOUND


async def test_a_digest_of_a_part_is_checked_and_the_part_sent_again(runtime: Runtime) -> None:
    async with phone_at(runtime, await add_person(runtime)) as phone:
        line = await phone.begin(b"", 0, **PART)
        await line.answer()
        wrong = await phone.rest(0, SOUND[:7000], **PART, **{"Content-Digest": f"sha-256=:{'A' * 43}=:"})
        assert wrong.status == 400
        assert await phone.offset() == 0
        assert await phone.kept(await phone.rest(0, SOUND)) == SOUND


async def test_what_is_no_recording_is_refused_for_good(runtime: Runtime) -> None:
    text = b"This is a letter. " * 1000
    async with phone_at(runtime, await add_person(runtime)) as phone:
        line = await phone.begin(text, len(text))
        refused = await line.answer()
        assert (refused.status, refused.headers["upload-complete"]) == (415, "?1")
        assert 400 <= (await phone.head()).status < 500
    assert [recording.status for recording in await recordings(runtime, phone.person)] == ["failed"]


@pytest.mark.parametrize("path", ["begun", "sealed"])
async def test_giving_up_leaves_nothing_of_an_upload_and_a_recording_alone(
    runtime: Runtime, path: str
) -> None:
    async with phone_at(runtime, await add_person(runtime)) as phone:
        line = await phone.begin(SOUND, len(SOUND) if path == "sealed" else 1000)
        if path == "sealed":
            assert (await line.answer()).status == 201
        line = await Line.to(phone.url)
        await line.ask("DELETE", phone.path, VERSION)
        answer = await line.answer()
        left = [facts.key async for facts in runtime.stores.primary.list_objects()]
    assert (answer.status, len(left)) == ((409, 1) if path == "sealed" else (204, 0))


async def test_a_careful_client_needs_no_interim_response(any_runtime: Runtime, person: Person) -> None:
    """The setting is off, as it is unless an operator knows better."""
    async with client_of(any_runtime, person) as client:
        created = await client.post(URL, headers={**WAV, **VERSION, **PART}, content=b"")
        assert (created.status_code, created.headers["upload-complete"]) == (201, "?0")
        path = urlsplit(created.headers["location"]).path
        client.headers.pop("authorization")
        for start in range(0, len(SOUND), 900_000):
            last = start + 900_000 >= len(SOUND)
            told = {**PARTIAL, **VERSION, **(WHOLE if last else PART), "Upload-Offset": str(start)}
            answer = await client.patch(path, headers=told, content=SOUND[start : start + 900_000])
        assert (answer.status_code, answer.headers["upload-complete"]) == (201, "?1")
    async with client_of(any_runtime, person) as client:
        assert await download(client, answer.json()["id"]) == SOUND


async def test_an_optimistic_client_without_interim_responses_is_a_plain_one(runtime: Runtime) -> None:
    """It could never resume, so nothing of its broken request is kept for it."""
    person = await add_person(runtime)
    async with live(runtime) as url:
        line = await Line.to(url)
        await line.ask(
            "POST", URL, {"Content-Length": len(SOUND), **WAV, **WHOLE, **VERSION, **person.headers}
        )
        await line.send(SOUND[:1000])
        line.reset()

        async def has_failed() -> bool:
            return [recording.status for recording in await recordings(runtime, person)] == ["failed"]

        await until(has_failed)
    assert [facts.key async for facts in runtime.stores.primary.list_objects()] == []


async def test_a_form_is_never_resumable(runtime: Runtime) -> None:
    """A phone that sends a form by itself adds the headers all the same."""
    person = await add_person(runtime)
    file = {"file": ("visit.wav", SOUND, "audio/wav")}
    async with (
        live(replace_settings(runtime, upload_interim_responses=True)) as url,
        httpx.AsyncClient(base_url=url, headers=person.headers | VERSION) as client,
    ):
        assert (await client.post(URL, files=file, headers=WHOLE)).status_code == 201
        part = await client.post(URL, files=file, headers=PART)
    assert (part.status_code, "form is sent whole" in part.json()["message"]) == (422, True)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A data folder on a file system of 8 MiB."""
    folder = tmp_path / "data"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", folder], check=True)
    yield folder
    subprocess.run(["umount", folder], check=True)


async def test_a_full_disk_breaks_off_and_the_upload_goes_on_when_there_is_room(
    small_disk: Path, conninfo: str
) -> None:
    large = wav(beeps(125.0))
    settings = settings_for(small_disk, conninfo, upload_interim_responses=True)
    async with open_runtime(settings) as runtime, phone_at(runtime, await add_person(runtime)) as phone:
        line = await phone.begin(large, 0)
        sending = asyncio.create_task(line.send(large))
        assert await is_broken_off(line)
        sending.cancel()
        offset = await phone.offset()
        assert 0 < offset < len(large)
        subprocess.run(["mount", "-o", "remount,size=64m", small_disk], check=True)
        assert await phone.kept(await phone.rest(offset, large[offset:])) == large


@pytest.mark.s3
async def test_a_store_that_is_away_breaks_off_and_the_upload_goes_on_when_it_is_back(
    ceph: Ceph, ceph_bucket: str, tmp_path: Path, conninfo: str
) -> None:
    large = wav(beeps(125.0))
    away = False

    def decide(_request: str) -> Fault | None:
        return Fault.REFUSED if away else None

    async with front_of(ceph.endpoint_url, decide) as front:
        flags: dict[str, Any] = s3_flags(ceph, ceph_bucket) | {"s3_endpoint_url": front.url}
        settings = settings_for(tmp_path / "data", conninfo, **flags)
        async with open_runtime(settings) as runtime, phone_at(runtime, await add_person(runtime)) as phone:
            line = await phone.begin(large, 2_000_000)
            await asyncio.sleep(0.5)
            away = True
            sending = asyncio.create_task(line.send(large[2_000_000:]))
            assert await is_broken_off(line)
            sending.cancel()
            away = False
            offset = await phone.offset()
            assert offset < len(large)
            assert await phone.kept(await phone.rest(offset, large[offset:])) == large
