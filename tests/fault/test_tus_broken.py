"""tus over connections that break, hang, come twice, and from servers that are killed."""

import asyncio
import os
import random
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import update

from reelkeep.clock import new_id
from reelkeep.runtime import Runtime
from reelkeep.uploads import go, writers
from reelkeep.uploads.models import Upload
from reelkeep.wiring import open_runtime
from tests.fixtures.live import Line, live
from tests.fixtures.media import beeps, wav
from tests.fixtures.runtime import Person, add_person, client_of, s3_flags, settings_for
from tests.fixtures.server import start_server
from tests.service.test_tus import (
    BYTES,
    NAMED,
    VERSION,
    create,
    head,
    patch,
    recordings,
    replace_settings,
    upload_row,
)
from tests.service.test_uploads import download

SOUND = wav(beeps(20.0))
SECONDS = 15.0


async def begin(runtime: Runtime, person: Person, length: int | None = len(SOUND)) -> str:
    """An upload's path."""
    async with client_of(runtime, person) as client:
        return await create(client, length)


async def hang(url: str, path: str, offset: int, data: bytes, length: int | None = None) -> Line:
    """A PATCH that has sent some of its body, and stays open."""
    line = await Line.to(url)
    rest = len(SOUND) - offset if length is None else length
    await line.ask("PATCH", path, {**BYTES, "Upload-Offset": offset, "Content-Length": rest})
    await line.send(data)
    return line


async def offset_of(url: str, path: str) -> int:
    """What HEAD says."""
    async with httpx.AsyncClient(base_url=url, timeout=30) as client:
        answer = await head(client, path)
    assert answer.status_code == 200, answer.status_code
    return int(answer.headers["upload-offset"])


async def until(true: Callable[[], Awaitable[bool]]) -> None:
    """Wait for something that is bound to happen."""
    async with asyncio.timeout(SECONDS):
        while not await true():  # noqa: ASYNC110 - what is waited for is in a database
            await asyncio.sleep(0.02)


async def finish(url: str, path: str, runtime: Runtime, person: Person) -> None:
    """Go on from where HEAD says, to the end; the recording is byte for byte what was sent."""
    async with httpx.AsyncClient(base_url=url, timeout=60) as client:
        offset = await offset_of(url, path)
        answer = await patch(client, path, offset, SOUND[offset:])
        assert answer.status_code == 204, answer.text
    await is_whole(runtime, person)


async def is_whole(runtime: Runtime, person: Person) -> None:
    """The only recording is what was sent."""
    (recording,) = await recordings(runtime, person)
    assert recording.status == "uploaded"
    async with client_of(runtime, person) as client:
        assert await download(client, str(recording.id)) == SOUND


@pytest.mark.parametrize("how", ["fin", "rst"])
async def test_cut_again_and_again_at_random_points_it_ends_whole(
    any_runtime: Runtime, person: Person, how: str
) -> None:
    chance = random.Random(20261121)
    path = await begin(any_runtime, person)
    async with live(any_runtime) as url:
        offset = 0
        for _ in range(6):
            size = chance.randrange(1, (len(SOUND) - offset) // 2)
            line = await hang(url, path, offset, SOUND[offset : offset + size])
            if how == "fin":
                await line.close()
            else:
                line.reset()
            before, offset = offset, await offset_of(url, path)
            assert before <= offset <= before + size
            if how == "fin":
                assert offset == before + size, "what the kernel had is kept"
        await finish(url, path, any_runtime, person)


async def test_what_a_hanging_request_brought_is_kept_when_a_newer_one_ends_it(
    any_runtime: Runtime, person: Person
) -> None:
    path = await begin(any_runtime, person)
    async with live(any_runtime) as url:
        line = await hang(url, path, 0, SOUND[:300_000])

        async def taken() -> bool:
            return await offset_of(url, path) == 300_000

        await until(taken)
        assert (await line.answer()).status == 423
        # A PATCH ends one as well, in one request.
        await line.close()
        line = await hang(url, path, 300_000, b"")
        await asyncio.sleep(0.05)
        await finish(url, path, any_runtime, person)
        assert (await line.answer()).status == 423
        await line.close()


async def test_two_clients_that_both_insist_end_with_one_whole_recording(
    any_runtime: Runtime, person: Person
) -> None:
    path = await begin(any_runtime, person)

    async def insist(url: str, seed: int) -> None:
        chance = random.Random(seed)
        async with httpx.AsyncClient(base_url=url, timeout=60) as client:
            while True:
                seen = await head(client, path)
                if seen.status_code == 200:
                    offset = int(seen.headers["upload-offset"])
                    if offset == len(SOUND):
                        return
                    size = chance.randrange(1, len(SOUND) // 3)
                    answer = await patch(client, path, offset, SOUND[offset : offset + size])
                    assert answer.status_code in (204, 409, 423), answer.text
                await asyncio.sleep(chance.uniform(0, 0.02))

    async with live(any_runtime) as url, asyncio.timeout(60):
        await asyncio.gather(*(insist(url, seed) for seed in range(3)))
    await is_whole(any_runtime, person)


async def test_a_silent_body_is_ended_and_what_came_is_kept(any_runtime: Runtime, person: Person) -> None:
    impatient = replace_settings(any_runtime, upload_idle_seconds=1)
    path = await begin(impatient, person)
    async with live(impatient) as url:
        line = await hang(url, path, 0, SOUND[:70_000])
        answer = await line.answer()
        assert (answer.status, b"UPLOAD_STALLED" in answer.body) == (503, True)
        await line.close()
        await finish(url, path, impatient, person)


async def test_bytes_that_trickle_are_safe_before_the_request_ends(
    any_runtime: Runtime, person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(go, "FLUSH_SECONDS", 0.05)
    path = await begin(any_runtime, person)
    async with live(any_runtime) as url:
        line = await hang(url, path, 0, SOUND[:5_000])

        async def kept() -> bool:
            row = await upload_row(any_runtime, person)
            grown = await any_runtime.stores.primary.grown(row.incoming_key, row.growth)
            assert row.writer_id is not None or grown == 0, "the request is still under way"
            return bool(grown == 5_000)

        await until(kept)
        await line.close()


async def test_an_upload_is_discarded_while_it_grows(any_runtime: Runtime, person: Person) -> None:
    path = await begin(any_runtime, person)
    async with live(any_runtime) as url:
        line = await hang(url, path, 0, SOUND[:200_000])
        await asyncio.sleep(0.1)
        async with httpx.AsyncClient(base_url=url, timeout=30) as client:
            assert (await client.delete(path, headers=VERSION)).status_code == 204
            assert (await line.answer()).status == 423
            assert (await head(client, path)).status_code == 410
        await line.close()
    assert [facts.key async for facts in any_runtime.stores.primary.list_growths()] == []


async def test_a_client_that_asks_before_it_sends_is_told_first(runtime: Runtime) -> None:
    person = await add_person(runtime)
    path = await begin(runtime, person)
    async with live(runtime) as url:
        line = await Line.to(url)
        asks = {**BYTES, "Expect": "100-continue", "Transfer-Encoding": "chunked"}
        await line.ask("PATCH", path, {**asks, "Upload-Offset": 0})
        assert (await line.answer()).status == 100
        for start in range(0, 50_000, 10_000):
            await line.send_chunk(SOUND[start : start + 10_000])
        await line.send_chunk(b"")
        answer = await line.answer()
        assert (answer.status, answer.headers["upload-offset"]) == (204, "50000")
        # Not told to go on where it would be in vain.
        await line.ask("PATCH", path, {**asks, "Upload-Offset": 0})
        answer = await line.answer()
        assert (answer.status, answer.headers["upload-offset"]) == (409, "50000")
        await line.close()


async def test_a_client_in_the_midst_of_sending_can_read_why_it_was_refused(runtime: Runtime) -> None:
    person = await add_person(runtime)
    path = await begin(runtime, person)
    async with live(runtime) as url:
        line = await Line.to(url)
        await line.ask("PATCH", path, {**BYTES, "Upload-Offset": 7, "Content-Length": 4_000_000})
        for _ in range(40):
            await line.send(bytes(100_000))
        answer = await line.answer()
        assert (answer.status, answer.headers["connection"]) == (409, "close")
        await line.close()


@pytest.fixture(params=["local", pytest.param("s3", marks=pytest.mark.s3)])
async def two_runtimes(
    request: pytest.FixtureRequest, tmp_path: Path, conninfo: str
) -> AsyncIterator[tuple[Runtime, Runtime]]:
    """Two that know nothing of one another, as two server processes, on one database and one store."""
    flags: dict[str, Any] = {"secret_key": "k" * 40}
    if request.param == "s3":
        flags |= s3_flags(request.getfixturevalue("ceph"), request.getfixturevalue("ceph_bucket"))
    settings = settings_for(tmp_path / "data", conninfo, **flags)
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(open_runtime(settings))
        yield first, await stack.enter_async_context(open_runtime(settings))


async def test_a_request_at_another_server_ends_the_older_one_and_goes_on(
    two_runtimes: tuple[Runtime, Runtime],
) -> None:
    first, second = two_runtimes
    person = await add_person(first)
    path = await begin(first, person)
    async with live(first) as here, live(second) as there:
        line = await hang(here, path, 0, SOUND[:400_000])
        await asyncio.sleep(0.2)
        began = asyncio.get_running_loop().time()
        assert await offset_of(there, path) == 400_000
        assert asyncio.get_running_loop().time() - began < writers.ANSWER_SECONDS, "it was told, not given up"
        assert (await line.answer()).status == 423
        await line.close()
        await finish(there, path, second, person)


async def test_the_turn_of_a_server_that_died_is_taken_over(two_runtimes: tuple[Runtime, Runtime]) -> None:

    first, second = two_runtimes
    person = await add_person(first)
    path = await begin(first, person)
    async with client_of(first) as client:
        assert (await patch(client, path, 0, SOUND[:1000])).status_code == 204
    async with first.database.work(person.organization_id) as session:
        await session.execute(update(Upload).values(writer_id=new_id()))
    async with live(second) as url:
        await finish(url, path, second, person)


def test_a_server_killed_at_any_moment_of_an_upload_loses_nothing(tmp_path: Path) -> None:
    """Killed -9 in the body and around the last byte; a second process goes on where HEAD says."""
    chance = random.Random(20261121)
    data = tmp_path / "data"
    server = start_server(data, "--no-worker", REELKEEP_ENGINE="fake")
    server.make_administrator()
    for wait in (None, None, 0.0, chance.uniform(0.0, 0.03), chance.uniform(0.0, 0.1)):
        token = server.token
        with server.client() as api:
            headers = {**VERSION, "Upload-Length": str(len(SOUND)), "Upload-Metadata": NAMED}
            begun = api.post("/api/v1/uploads/tus", headers=headers)
            assert begun.status_code == 201, begun.text
        path = httpx.URL(begun.headers["location"]).path
        asyncio.run(_send_and_kill(server.url, path, server.process.pid, wait, chance))
        server.process.wait()
        server = start_server(data, "--no-worker", REELKEEP_ENGINE="fake")
        server.token = token
        with httpx.Client(base_url=server.url, timeout=60) as client:
            seen = client.head(path, headers=VERSION)
            assert seen.status_code == 200
            offset = int(seen.headers["upload-offset"])
            if wait is None:
                assert offset >= 100_000, "what was safe before is there"
            if offset < len(SOUND):
                sent = {**BYTES, "Upload-Offset": str(offset)}
                assert client.patch(path, content=SOUND[offset:], headers=sent).status_code == 204
        with server.client() as api:
            where = f"/api/v1/recordings/{begun.headers['reelkeep-recording-id']}"
            assert api.get(where).json()["status"] == "uploaded"
            url = api.get(f"{where}/download-url").json()["download_url"]
            assert httpx.get(url).content == SOUND
    server.stop()


def test_a_server_told_to_stop_keeps_what_came_and_does_not_wait_for_the_rest(tmp_path: Path) -> None:
    data = tmp_path / "data"
    server = start_server(data, "--no-worker", REELKEEP_ENGINE="fake")
    server.make_administrator()
    with server.client() as api:
        headers = {**VERSION, "Upload-Length": str(len(SOUND)), "Upload-Metadata": NAMED}
        path = httpx.URL(api.post("/api/v1/uploads/tus", headers=headers).headers["location"]).path

    async def begin_and_stop() -> None:
        line = await hang(server.url, path, 0, SOUND[:123_456])
        await asyncio.sleep(0.3)
        server.process.send_signal(signal.SIGTERM)
        assert (await line.answer(5)).status == 423
        await line.close()

    asyncio.run(begin_and_stop())
    assert server.process.wait(8) == 0
    server = start_server(data, "--no-worker", REELKEEP_ENGINE="fake")
    with httpx.Client(base_url=server.url) as client:
        assert client.head(path, headers=VERSION).headers["upload-offset"] == "123456"
    assert server.stop() == 0


async def _send_and_kill(url: str, path: str, pid: int, wait: float | None, chance: random.Random) -> None:
    """With a wait: that long after the last byte. Without: in the body, when some of it is safe."""
    if wait is not None:
        line = await hang(url, path, 0, SOUND)
        await asyncio.sleep(wait)
    else:
        line = await hang(url, path, 0, SOUND[:100_000])
        assert await offset_of(url, path) == 100_000
        await line.close()
        line = await hang(url, path, 100_000, SOUND[100_000 : 100_000 + chance.randrange(1, 900_000)])
    os.kill(pid, signal.SIGKILL)
    await line.close()
