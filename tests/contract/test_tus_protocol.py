"""tus as its text has it, as a black box: the same tests against @tus/server and against Reelkeep."""

import asyncio
import base64
import hashlib
import itertools
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from reelkeep.runtime import Runtime
from reelkeep.wiring import open_runtime
from tests.fixtures.clients import reference_server
from tests.fixtures.live import Line, live
from tests.fixtures.media import beeps, wav
from tests.fixtures.runtime import add_person, s3_flags, settings_for

SOUND = wav(beeps(1.0))
VERSION = {"Tus-Resumable": "1.0.0"}
BYTES = {**VERSION, "Content-Type": "application/offset+octet-stream"}
NAMED = ",".join(
    f"{name} {base64.b64encode(value).decode()}"
    for name, value in {"filename": b"visit.wav", "filetype": b"audio/wav"}.items()
)


class Target:
    """A server that speaks tus."""

    def __init__(self, client: httpx.AsyncClient, url: str, headers: dict[str, str]) -> None:
        self.client, self.url, self.headers = client, url, headers

    async def begin(self, content: bytes | None = None, **headers: str) -> httpx.Response:
        """Create an upload."""
        sent = {
            **(VERSION if content is None else BYTES),
            **self.headers,
            "Upload-Metadata": NAMED,
            **headers,
        }
        return await self.client.post(self.url, headers=sent, content=content)

    async def create(self, length: int = len(SOUND)) -> str:
        """Create an upload; its address."""
        answer = await self.begin(**{"Upload-Length": str(length)})
        assert answer.status_code == 201, answer.text
        return str(httpx.URL(self.url).join(answer.headers["location"]))

    async def patch(self, url: str, offset: object, body: bytes, **headers: str) -> httpx.Response:
        """Send bytes."""
        sent = {**BYTES, "Upload-Offset": str(offset), **headers}
        return await self.client.patch(url, content=body, headers=sent)

    async def head(self, url: str) -> httpx.Response:
        """Ask where to go on."""
        return await self.client.head(url, headers=VERSION)

    async def offset(self, url: str) -> int:
        """Where to go on."""
        answer = await self.head(url)
        assert answer.status_code == 200
        return int(answer.headers["upload-offset"])


@pytest.fixture(params=["@tus/server", "local", pytest.param("s3", marks=pytest.mark.s3)])
async def target(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Target]:
    """The reference, and Reelkeep over each kind of store."""
    async with httpx.AsyncClient(timeout=30) as client:
        if request.param == "@tus/server":
            with reference_server(tmp_path / "files") as url:
                yield Target(client, url, {})
            return
        flags = {}
        if request.param == "s3":
            flags = s3_flags(request.getfixturevalue("ceph"), request.getfixturevalue("ceph_bucket"))
        settings = settings_for(tmp_path / "data", request.getfixturevalue("conninfo"), **flags)
        async with open_runtime(settings) as runtime, live(runtime) as url:
            yield Target(client, f"{url}/api/v1/uploads/tus", await _sign_in(runtime))


async def _sign_in(runtime: Runtime) -> dict[str, str]:
    return (await add_person(runtime)).headers


async def test_options_tell_what_is_spoken(target: Target) -> None:
    answer = await target.client.options(target.url)
    assert answer.status_code in (200, 204)
    assert "1.0.0" in answer.headers["tus-version"].split(",")
    extensions = answer.headers["tus-extension"].split(",")
    for name in (
        "creation",
        "creation-with-upload",
        "creation-defer-length",
        "termination",
        "expiration",
    ):
        assert name in extensions


async def test_a_creation_has_an_address_that_begins_at_zero(target: Target) -> None:
    url = await target.create()
    seen = await target.head(url)
    assert seen.status_code == 200
    assert (seen.headers["upload-offset"], seen.headers["upload-length"]) == ("0", str(len(SOUND)))
    assert (seen.headers["cache-control"], seen.headers["tus-resumable"]) == ("no-store", "1.0.0")
    assert seen.content == b""


async def test_whoever_is_signed_in_is_told_what_was_said_at_the_creation(target: Target) -> None:
    url = await target.create()
    await target.patch(url, 0, SOUND[:10])
    seen = await target.client.head(url, headers={**VERSION, **target.headers})
    assert seen.headers["upload-metadata"] == NAMED


async def test_each_upload_has_an_address_of_its_own(target: Target) -> None:
    first, second = await target.create(), await target.create()
    assert first != second
    await target.patch(first, 0, SOUND[:10])
    assert (await target.offset(first), await target.offset(second)) == (10, 0)


async def test_bytes_are_appended_in_goes(target: Target) -> None:
    url = await target.create()
    marks = [0, 1, 1000, 50_000, len(SOUND)]
    for start, end in itertools.pairwise(marks):
        answer = await target.patch(url, start, SOUND[start:end])
        assert (answer.status_code, answer.headers["upload-offset"]) == (204, str(end))
        assert answer.headers["tus-resumable"] == "1.0.0"
        assert await target.offset(url) == end


async def test_an_empty_go_changes_nothing(target: Target) -> None:
    url = await target.create()
    await target.patch(url, 0, SOUND[:10])
    assert (await target.patch(url, 10, b"")).status_code == 204
    assert await target.offset(url) == 10


@pytest.mark.parametrize("wrong", [0, 9, 11, 10**6])
async def test_another_offset_is_a_conflict_and_changes_nothing(target: Target, wrong: int) -> None:
    url = await target.create()
    await target.patch(url, 0, SOUND[:10])
    assert (await target.patch(url, wrong, SOUND[10:20])).status_code == 409
    assert await target.offset(url) == 10


@pytest.mark.parametrize("headers", [{"Upload-Offset": "-1"}, {"Upload-Offset": "ten"}])
async def test_an_offset_that_is_none_is_refused(target: Target, headers: dict[str, str]) -> None:
    url = await target.create()
    answer = await target.patch(url, 0, SOUND[:10], **headers)
    assert 400 <= answer.status_code < 500
    assert await target.offset(url) == 0


async def test_bytes_of_another_type_are_refused(target: Target) -> None:
    url = await target.create()
    answer = await target.patch(url, 0, SOUND[:10], **{"Content-Type": "application/octet-stream"})
    assert answer.status_code in (400, 415)  # 415 by the text, 400 by the reference
    assert await target.offset(url) == 0


async def test_more_than_was_declared_is_refused(target: Target) -> None:
    url = await target.create(100)
    answer = await target.patch(url, 0, SOUND[:101])
    assert answer.status_code in (400, 413)
    assert await target.offset(url) <= 100


async def test_another_version_is_refused(target: Target) -> None:
    url = await target.create()
    for method, place in (("POST", target.url), ("PATCH", url), ("HEAD", url), ("DELETE", url)):
        answer = await target.client.request(method, place, headers={"Tus-Resumable": "0.2.2"})
        assert answer.status_code in (400, 412), method  # 412 by the text, 400 at times by the reference
        assert answer.status_code == 400 or answer.headers["tus-version"] == "1.0.0"


async def test_an_address_that_was_never_given_is_not_found(target: Target) -> None:
    nowhere = f"{target.url}/{'0' * 32}"
    assert (await target.head(nowhere)).status_code == 404
    assert (await target.patch(nowhere, 0, b"x")).status_code == 404
    assert (await target.client.delete(nowhere, headers=VERSION)).status_code == 404


@pytest.mark.parametrize(
    "headers",
    [{}, {"Upload-Length": "-1"}, {"Upload-Length": "many"}, {"Upload-Defer-Length": "2"}],
)
async def test_a_creation_says_its_length_or_that_it_follows(target: Target, headers: dict[str, str]) -> None:
    answer = await target.begin(**headers)
    assert answer.status_code == 400
    assert "location" not in answer.headers


async def test_a_length_may_follow(target: Target) -> None:
    answer = await target.begin(**{"Upload-Defer-Length": "1"})
    assert answer.status_code == 201
    url = str(httpx.URL(target.url).join(answer.headers["location"]))
    seen = await target.head(url)
    assert (seen.headers["upload-defer-length"], "upload-length" in seen.headers) == ("1", False)
    await target.patch(url, 0, SOUND[:1000])
    length = {"Upload-Length": str(len(SOUND))}
    assert (await target.patch(url, 1000, SOUND[1000:2000], **length)).status_code == 204
    seen = await target.head(url)
    assert (seen.headers["upload-length"], "upload-defer-length" in seen.headers) == (str(len(SOUND)), False)
    other = {"Upload-Length": str(len(SOUND) + 1)}
    assert (await target.patch(url, 2000, SOUND[2000:3000], **other)).status_code == 400
    assert (await target.patch(url, 2000, SOUND[2000:])).headers["upload-offset"] == str(len(SOUND))


async def test_a_creation_may_bring_bytes(target: Target) -> None:
    answer = await target.begin(SOUND[:500], **{"Upload-Length": str(len(SOUND))})
    assert (answer.status_code, answer.headers["upload-offset"]) == (201, "500")
    url = str(httpx.URL(target.url).join(answer.headers["location"]))
    assert await target.offset(url) == 500


async def test_an_upload_is_ended_by_delete(target: Target) -> None:
    url = await target.create()
    await target.patch(url, 0, SOUND[:10])
    assert (await target.client.delete(url, headers=VERSION)).status_code == 204
    assert (await target.head(url)).status_code in (404, 410)
    assert (await target.patch(url, 10, SOUND[10:20])).status_code in (404, 410)


async def test_what_came_before_a_cut_is_kept(target: Target) -> None:
    url = await target.create()
    base, _, path = url.removeprefix("http://").partition("/")
    line = await Line.to(f"http://{base}")
    await line.ask("PATCH", f"/{path}", {**BYTES, "Upload-Offset": 0, "Content-Length": len(SOUND)})
    await line.send(SOUND[:40_000])
    await line.close()
    for _ in range(50):
        offset = await target.offset(url)
        assert 0 <= offset <= 40_000
        answer = await target.patch(url, offset, SOUND[offset:])
        if answer.status_code == 204:
            break
        # The reference may still be writing what came before the cut, and so move the offset.
        await asyncio.sleep(0.1)
    assert answer.headers["upload-offset"] == str(len(SOUND))


async def test_a_body_may_come_in_chunks(target: Target) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(SOUND), 7_000):
            yield SOUND[start : start + 7_000]

    url = await target.create()
    answer = await target.client.patch(url, content=pieces(), headers={**BYTES, "Upload-Offset": "0"})
    assert (answer.status_code, answer.headers["upload-offset"]) == (204, str(len(SOUND)))


async def test_a_checksum_is_checked_where_it_is_offered(target: Target) -> None:
    url = await target.create()
    digest = base64.b64encode(hashlib.sha1(SOUND[:10]).digest()).decode()
    extensions = (await target.client.options(target.url)).headers["tus-extension"].split(",")
    answer = await target.patch(url, 0, SOUND[:10], **{"Upload-Checksum": f"sha1 {digest}"})
    assert answer.status_code == 204
    wrong = await target.patch(url, 10, SOUND[11:20], **{"Upload-Checksum": f"sha1 {digest}"})
    assert wrong.status_code == (460 if "checksum" in extensions else 204)
