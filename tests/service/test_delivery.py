"""Addresses for players and downloads, and bytes through the server, over each kind of store."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from sqlalchemy import select, update

from reelkeep.accounts.models import Role
from reelkeep.blobs.invalidate import invalidate
from reelkeep.blobs.media_links import MediaLink, media_token
from reelkeep.blobs.models import Blob, Copy, CopyState, RestoreState, StoreRow
from reelkeep.clock import Clock, new_id
from reelkeep.errors import ReelkeepError, StoreUnavailable
from reelkeep.placement.remove import forget_copy
from reelkeep.runtime import Runtime
from reelkeep.stores.guarded import guard
from reelkeep.stores.memory import MemoryStore
from reelkeep.wiring import open_runtime
from tests.fixtures.answering import Answer, answering
from tests.fixtures.ceph import Ceph
from tests.fixtures.live import Line, live
from tests.fixtures.runtime import Person, add_person, client_of, do_jobs, s3_flags, settings_for
from tests.service.test_uploads import SOUND, complete, initiate, send

NAME = 'Grüße "1".wav'
VAULT = "vault"


@pytest.fixture
async def somebody(runtime: Runtime) -> Person:
    """An administrator of an installation with a local store."""
    return await add_person(runtime)


async def keep(client: httpx.AsyncClient, body: bytes = SOUND) -> str:
    """A sealed recording; its id."""
    ticket = await initiate(client, filename=NAME)
    await send(client, ticket, body)
    assert (await complete(client, ticket)).status_code == 200
    return str(ticket["recording_id"])


async def copies_of(runtime: Runtime, person: Person) -> list[Copy]:
    async with runtime.database.work(person.organization_id) as session:
        return list(await session.scalars(select(Copy).order_by(Copy.id)))


async def change_copies(runtime: Runtime, person: Person, **values: Any) -> None:
    async with runtime.database.work(person.organization_id) as session:
        await session.execute(update(Copy).values(**values))


def with_vault(runtime: Runtime) -> tuple[Runtime, MemoryStore]:
    """The same installation with one more store, which signs no URLs: as one that is encrypted by us."""
    vault = MemoryStore(VAULT)
    stores = replace(runtime.stores, by_name={**runtime.stores.by_name, VAULT: guard(vault)})
    return replace(runtime, stores=stores), vault


async def one_piece(body: bytes) -> AsyncIterator[bytes]:
    yield body


async def add_copy(runtime: Runtime, vault: MemoryStore, person: Person, body: bytes = SOUND) -> Copy:
    """A second copy of the one blob, in the vault."""
    (first,) = await copies_of(runtime, person)
    await vault.put(first.key, one_piece(body))
    async with runtime.database.directory() as session:
        await session.merge(StoreRow(name=VAULT, kind="memory"))
    async with runtime.database.work(person.organization_id) as session:
        copy = Copy(
            organization_id=person.organization_id,
            id=new_id(),
            blob_id=first.blob_id,
            store=VAULT,
            key=first.key,
            size_bytes=len(body),
        )
        session.add(copy)
    return copy


async def only_in_vault(runtime: Runtime, vault: MemoryStore, person: Person, body: bytes = SOUND) -> None:
    """The one blob lies in the vault alone."""
    await add_copy(runtime, vault, person, body)
    async with runtime.database.work(person.organization_id) as session:
        for copy in await session.scalars(select(Copy).where(Copy.store != VAULT)):
            await session.delete(copy)


async def address(client: httpx.AsyncClient, recording_id: str, **query: str) -> dict[str, Any]:
    answer = await client.get(f"/api/v1/recordings/{recording_id}/download-url", params=query)
    assert answer.status_code == 200, answer.text
    given: dict[str, Any] = answer.json()
    return given


@asynccontextmanager
async def outside(runtime: Runtime, url: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client without any credential, at our own app or at the store's service."""
    if url.startswith(runtime.settings.base_url):
        async with client_of(runtime) as ours:
            yield ours
    else:
        async with httpx.AsyncClient() as theirs:
            yield theirs


async def test_an_address_at_the_store_serves_players_and_caches(
    any_runtime: Runtime, person: Person
) -> None:
    async with client_of(any_runtime, person) as client:
        given = await address(client, await keep(client))
    assert (given["via"], given["filename"], given["content_type"]) == ("store", NAME, "audio/wav")
    url = given["download_url"]
    async with outside(any_runtime, url) as player:
        whole = await player.get(url)
        etag = whole.headers["etag"]
        assert whole.content == SOUND
        assert whole.headers["content-type"] == "audio/wav"
        assert whole.headers["cache-control"] == "private, max-age=3600, immutable"
        assert whole.headers["content-disposition"].startswith("attachment;")
        assert "filename*=UTF-8''Gr%C3%BC%C3%9Fe%20%221%22.wav" in whole.headers["content-disposition"]
        assert whole.headers["accept-ranges"] == "bytes"
        part = await player.get(url, headers={"Range": "bytes=100-199"})
        assert (part.status_code, part.content) == (206, SOUND[100:200])
        assert part.headers["content-range"] == f"bytes 100-199/{len(SOUND)}"
        last = await player.get(url, headers={"Range": "bytes=-10"})
        assert (last.status_code, last.content) == (206, SOUND[-10:])
        beyond = await player.get(url, headers={"Range": f"bytes={len(SOUND)}-"})
        assert beyond.status_code == 416
        unchanged = await player.get(url, headers={"If-None-Match": etag})
        assert (unchanged.status_code, unchanged.content) == (304, b"")


async def test_the_local_wire_goes_on_only_with_the_very_bytes_that_were_begun(
    runtime: Runtime, somebody: Person
) -> None:
    async with client_of(runtime, somebody) as client:
        url = (await address(client, await keep(client)))["download_url"]
        whole = await client.get(url)
        tag, date = whole.headers["etag"], whole.headers["last-modified"]
        for condition, status in ((tag, 206), (f"W/{tag}", 200), ('"other"', 200), (date, 200)):
            answer = await client.get(url, headers={"Range": "bytes=5-9", "If-Range": condition})
            assert (answer.status_code, answer.content) == (status, SOUND[5:10] if status == 206 else SOUND)
        head = await client.head(url)
        assert head.status_code == 403, "the store's address is signed for GET alone"


class Slow(MemoryStore):
    """Counts the pieces that are taken from it, and whether it was given back."""

    taken = 0
    ended = False

    async def read(self, key: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        piece = b"x" * 256 * 1024
        try:
            for _ in range((end or 0) // len(piece)):
                self.taken += 1
                yield piece
                await asyncio.sleep(0)
        finally:
            self.ended = True


async def test_a_client_that_leaves_ends_the_reading(runtime: Runtime, somebody: Person) -> None:
    slow = Slow(VAULT)
    stores = replace(runtime.stores, by_name={**runtime.stores.by_name, VAULT: guard(slow)})
    runtime = replace(runtime, stores=stores)
    size = 2**30
    async with client_of(runtime, somebody) as client:
        recording_id = await keep(client)
    await only_in_vault(runtime, slow, somebody)
    async with runtime.database.work(somebody.organization_id) as session:
        await session.execute(update(Blob).values(size_bytes=size))
    async with live(runtime) as url:
        line = await Line.to(url)
        await line.ask("GET", f"/api/v1/recordings/{recording_id}/media/original", somebody.headers)
        head = await line.reader.readuntil(b"\r\n\r\n")
        assert b" 200 " in head.partition(b"\r\n")[0]
        assert f"content-length: {size}".encode() in head.lower()
        await line.reader.readexactly(1_000_000)
        line.writer.close()
        async with asyncio.timeout(20):
            while not slow.ended:  # noqa: ASYNC110 - it is another's, with no event to wait for
                await asyncio.sleep(0.02)
    assert slow.taken < size // (256 * 1024) // 4


@pytest.mark.parametrize("route", ["link", "api"])
async def test_bytes_through_the_server_serve_players_and_caches(
    runtime: Runtime, somebody: Person, route: str
) -> None:
    runtime, vault = with_vault(runtime)
    async with client_of(runtime, somebody) as client:
        recording_id = await keep(client)
        await only_in_vault(runtime, vault, somebody)
        url = f"/api/v1/recordings/{recording_id}/media/original?download=true"
        kept = "private, no-cache"
        if route == "link":
            given = await address(client, recording_id)
            assert given["via"] == "reelkeep"
            url, kept = given["download_url"], "private, max-age=3599, immutable"
            del client.headers["authorization"]
        whole = await client.get(url)
        assert (whole.status_code, whole.content) == (200, SOUND)
        headers = whole.headers
        assert headers["content-type"] == "audio/wav"
        assert headers["content-length"] == str(len(SOUND))
        assert headers["accept-ranges"] == "bytes"
        assert headers["content-disposition"].startswith("attachment;")
        assert "filename*=UTF-8''Gr%C3%BC%C3%9Fe%20%221%22.wav" in headers["content-disposition"]
        assert headers["cache-control"].replace("3600", "3599") == kept
        assert headers["x-content-type-options"] == "nosniff"
        assert "sandbox" in headers["content-security-policy"]
        assert ("access-control-allow-origin" in headers) == (route == "link")
        etag = headers["etag"]

        head = await client.head(url)
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-length"] == str(len(SOUND))
        part = await client.get(url, headers={"Range": "bytes=100-199", "If-Range": etag})
        assert (part.status_code, part.content) == (206, SOUND[100:200])
        assert part.headers["content-range"] == f"bytes 100-199/{len(SOUND)}"
        last = await client.get(url, headers={"Range": "bytes=-10"})
        assert (last.status_code, last.content) == (206, SOUND[-10:])
        changed = await client.get(url, headers={"Range": "bytes=100-199", "If-Range": '"older"'})
        assert (changed.status_code, changed.content) == (200, SOUND)
        several = await client.get(url, headers={"Range": "bytes=0-1,5-6"})
        assert (several.status_code, several.content) == (200, SOUND)
        beyond = await client.get(url, headers={"Range": f"bytes={len(SOUND)}-"})
        assert (beyond.status_code, beyond.headers["content-range"]) == (416, f"bytes */{len(SOUND)}")
        unchanged = await client.get(url, headers={"If-None-Match": etag})
        assert (unchanged.status_code, unchanged.content) == (304, b"")
        assert unchanged.headers["etag"] == etag


async def test_an_address_of_the_servers_own_is_given_to_whoever_asks(
    runtime: Runtime, somebody: Person
) -> None:
    async with client_of(runtime, somebody) as client, client_of(runtime) as nobody:
        given = await address(client, await keep(client), via="reelkeep")
        assert given["via"] == "reelkeep"
        assert (await nobody.get(given["download_url"])).content == SOUND


async def test_an_address_that_is_checked_is_of_a_copy_that_is_there(
    runtime: Runtime, somebody: Person
) -> None:
    runtime, vault = with_vault(runtime)
    async with client_of(runtime, somebody) as client:
        recording_id = await keep(client)
        copy = await add_copy(runtime, vault, somebody)
        assert (await address(client, recording_id, check="true"))["via"] == "store"
        await runtime.stores.primary.delete(copy.key)
        assert (await address(client, recording_id))["via"] == "store", "nobody was asked"
        given = await address(client, recording_id, check="true")
        assert (await client.get(given["download_url"])).content == SOUND
        await vault.delete(copy.key)
        answer = await client.get(f"/api/v1/recordings/{recording_id}/download-url", params={"check": "true"})
        assert (answer.status_code, answer.json()["error_code"]) == (502, "COPY_LOST")
        assert copy.key not in answer.text, "people are told what is wrong, not where a store keeps what"


async def test_the_server_reads_from_the_next_copy_where_one_fails(
    runtime: Runtime, somebody: Person
) -> None:
    runtime, vault = with_vault(runtime)
    async with client_of(runtime, somebody) as client:
        recording_id = await keep(client)
        await add_copy(runtime, vault, somebody)
        first, _ = await copies_of(runtime, somebody)
        url = f"/api/v1/recordings/{recording_id}/media/original"
        before = await client.get(url, headers={"Range": "bytes=10-"})
        await runtime.stores.primary.delete(first.key)
        after = await client.get(url, headers={"Range": "bytes=10-", "If-Range": before.headers["etag"]})
        assert (after.status_code, after.content) == (206, SOUND[10:])
        assert after.headers["etag"] == before.headers["etag"]
        # One that is shorter than it was is left for the next at the byte where it ends.
        await runtime.stores.primary.put(first.key, one_piece(SOUND[:1000]))
        assert (await client.get(url)).content == SOUND
        await vault.delete(first.key)
        lost = await client.get(url, headers={"Range": "bytes=2000-"})
        assert (lost.status_code, lost.json()["error_code"]) == (502, "COPY_LOST")


async def test_a_body_that_no_copy_can_finish_is_never_taken_for_a_whole_one(
    runtime: Runtime, somebody: Person
) -> None:
    async with client_of(runtime, somebody) as client:
        recording_id = await keep(client)
        (copy,) = await copies_of(runtime, somebody)
        await runtime.stores.primary.put(copy.key, one_piece(SOUND[:1000]))
        with pytest.raises((RuntimeError, ReelkeepError, ExceptionGroup)):
            await client.get(f"/api/v1/recordings/{recording_id}/media/original")


async def test_a_store_that_does_not_answer_is_passed_over(runtime: Runtime, somebody: Person) -> None:
    runtime, vault = with_vault(runtime)
    async with client_of(runtime, somebody) as client:
        recording_id = await keep(client)
        await add_copy(runtime, vault, somebody)
        assert (await address(client, recording_id))["via"] == "store"
        health = runtime.stores.primary.health  # type: ignore[attr-defined]
        for _ in range(2):
            health.failed(StoreUnavailable("away"))
        given = await address(client, recording_id)
        assert given["via"] == "reelkeep"
        assert (await client.get(given["download_url"])).content == SOUND


async def test_what_cannot_be_read_says_why_and_the_recording_is_shown_all_the_same(
    runtime: Runtime, somebody: Person
) -> None:
    async with client_of(runtime, somebody) as client:
        recording_id = await keep(client)
        one = f"/api/v1/recordings/{recording_id}"
        before = (await client.get(one)).json()
        wanted = [
            ({"storage_class": "DEEP_ARCHIVE"}, 409, "COPY_ARCHIVED"),
            ({"restore_state": RestoreState.PENDING}, 409, "COPY_ARCHIVED"),
            ({"restore_state": RestoreState.READY}, 200, None),
            ({"storage_class": "", "restore_state": None, "state": CopyState.MISSING}, 502, "COPY_LOST"),
        ]
        for change, status, code in wanted:
            await change_copies(runtime, somebody, **change)
            for path in ("download-url", "media/original"):
                answer = await client.get(f"{one}/{path}")
                assert answer.status_code == status, (change, answer.text)
                if code:
                    assert answer.json()["error_code"] == code
                    assert answer.json()["message"]
            after = (await client.get(one)).json()
            told = ("updated_at", "media_state", "original_state")  # that it cannot be read now
            assert {**after, **dict.fromkeys(told)} == {**before, **dict.fromkeys(told)}


async def test_of_a_session_the_parts_that_can_be_read_play_on(runtime: Runtime, somebody: Person) -> None:
    async with client_of(runtime, somebody) as client:
        for number in (1, 2):
            ticket = await initiate(client, session_id="visit-1", part_number=number)
            await send(client, ticket, SOUND)
            assert (await complete(client, ticket)).status_code == 200
        await do_jobs(runtime)
        [session] = (await client.get("/api/v1/sessions/")).json()["items"]
        one = f"/api/v1/sessions/{session['id']}/playback"
        whole = (await client.get(one)).json()["parts"]
        assert all(part["url"] for part in whole)
        async with runtime.database.work(somebody.organization_id) as session:
            blob = await session.scalar(select(Blob.id).where(Blob.kind == "playback").order_by(Blob.id))
            await session.execute(update(Copy).where(Copy.blob_id == blob).values(state=CopyState.DAMAGED))
        parts = (await client.get(one)).json()["parts"]
        there = [part for part in parts if part["url"]]
        assert (len(parts), len(there)) == (2, 1)
        played = await client.get(there[0]["url"], headers={"Range": "bytes=0-9"})
        assert (played.status_code, len(played.content)) == (206, 10)
        assert 'filename="visit.m4a"' in played.headers["content-disposition"]


async def test_a_link_lets_read_one_blob_until_it_ends(
    runtime: Runtime, somebody: Person, fixed_clock: "Moved"
) -> None:
    runtime, vault = with_vault(replace(runtime, clock=fixed_clock))
    stranger = await add_person(runtime)
    async with client_of(runtime, somebody) as client, client_of(runtime) as nobody:
        recording_id = await keep(client)
        await only_in_vault(runtime, vault, somebody)
        url = (await address(client, recording_id))["download_url"]
        token = urlsplit(url).path.rpartition("/")[2]
        assert (await nobody.get(url)).content == SOUND
        blob_id = (await copies_of(runtime, somebody))[0].blob_id
        ends = fixed_clock.now() + timedelta(minutes=5)
        other = MediaLink(stranger.organization_id, blob_id, ends, "a.wav", download=False)
        for bad, status in (
            (token[:-1] + ("A" if token[-1] != "A" else "B"), 410),
            ("A" + token[1:], 410),
            (token.partition(".")[0], 410),
            ("é", 410),
            ("x" * 9000, 410),
            (media_token(runtime.secrets, other), 502),
        ):
            answer = await nobody.get(f"/media/{bad}")
            assert answer.status_code == status, bad
            assert SOUND[:100] not in answer.content
        fixed_clock.ahead = timedelta(seconds=3600)
        ended = await nobody.get(url)
        assert (ended.status_code, ended.json()["error_code"]) == (410, "MEDIA_LINK_INVALID")


class Moved:
    """A clock that a test moves."""

    def __init__(self, real: Clock) -> None:
        self._real = real
        self.ahead = timedelta()

    def now(self) -> Any:
        return self._real.now() + self.ahead


@pytest.fixture
def fixed_clock(runtime: Runtime) -> Moved:
    return Moved(runtime.clock)


async def test_bytes_are_given_to_those_who_may_see_the_recording(runtime: Runtime, somebody: Person) -> None:
    viewer = await add_person(runtime, somebody.organization_id, Role.VIEWER)
    stranger = await add_person(runtime)
    async with (
        client_of(runtime, somebody) as client,
        client_of(runtime, viewer) as viewing,
        client_of(runtime, stranger) as other,
        client_of(runtime) as nobody,
    ):
        url = f"/api/v1/recordings/{await keep(client)}/media/original"
        assert (await viewing.get(url)).content == SOUND
        assert (await other.get(url)).status_code == 404
        assert (await nobody.get(url)).status_code == 401
        assert (await client.get(url.replace("original", "playback"))).status_code == 409
        assert (await client.get(url.replace("original", "peaks"))).status_code == 422
        await client.delete(url.removesuffix("/media/original"))
        assert (await client.get(url)).status_code == 404


async def test_so_many_downloads_and_no_more_pass_through(runtime: Runtime, somebody: Person) -> None:
    settings = runtime.settings.model_copy(update={"proxied_downloads_max": 1})
    runtime = replace(runtime, settings=settings)
    async with client_of(runtime, somebody) as client:
        url = f"/api/v1/recordings/{await keep(client)}/media/original"
        for _ in range(3):  # one after the other is no matter
            assert (await client.get(url)).status_code == 200
        app: Any = client._transport.app  # type: ignore[attr-defined]
        app.state.media_streams.count += 1
        full = await client.get(url)
        assert (full.status_code, full.json()["error_code"]) == (429, "RATE_LIMITED")
        assert full.headers["retry-after"]
        assert (await client.head(url)).status_code == 200


CDN_KEY = "cloudfront.pem"


@asynccontextmanager
async def behind_cdn(
    tmp_path: Path, conninfo: str, ceph: Ceph, bucket: str, cdn: dict[str, Any]
) -> AsyncIterator[Runtime]:
    """An installation whose one bucket has a CDN in front."""
    flags = s3_flags(ceph, bucket)
    told = {
        "kind": '"s3"',
        "bucket": json.dumps(bucket),
        "region": '"us-east-1"',
        "endpoint_url": json.dumps(ceph.endpoint_url),
        "prefix": '"kept/"',
        "access_key_id": json.dumps(flags["s3_access_key_id"]),
        "secret_access_key": json.dumps(flags["s3_secret_access_key"]),
    }
    lines = ['primary = "s3-eu"', "[stores.s3-eu]", *(f"{name} = {value}" for name, value in told.items())]
    lines += ["[stores.s3-eu.cdn]", *(f"{name} = {json.dumps(value)}" for name, value in cdn.items())]
    file = tmp_path / "stores.toml"
    file.write_text("\n".join(lines))
    settings = settings_for(tmp_path / "data", conninfo, stores_file=file)
    async with open_runtime(settings) as opened:
        yield opened


@pytest.mark.s3
async def test_addresses_are_the_cdns_and_what_is_erased_is_forgotten_there(
    tmp_path: Path, conninfo: str, ceph: Ceph, ceph_bucket: str
) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / CDN_KEY).write_bytes(pem)
    with answering() as cloudfront:
        cdn = {
            "kind": "cloudfront",
            "url": "https://d1.cloudfront.net",
            "key_pair_id": "K2",
            "private_key_file": str(tmp_path / CDN_KEY),
            "distribution_id": "E1",
            "invalidation_endpoint_url": cloudfront.url,
        }
        async with behind_cdn(tmp_path, conninfo, ceph, ceph_bucket, cdn) as runtime:
            person = await add_person(runtime)
            async with client_of(runtime, person) as client:
                recording_id = await keep(client)
                given = await address(client, recording_id)
                policy = (await client.get("/")).headers["content-security-policy"]
            await do_jobs(runtime)
            copy = (await copies_of(runtime, person))[0]
            parts, told = urlsplit(given["download_url"]), parse_qs(urlsplit(given["download_url"]).query)
            assert given["via"] == "cdn"
            assert (parts.netloc, parts.path) == ("d1.cloudfront.net", f"/kept/{copy.key}")
            assert told["Key-Pair-Id"] == ["K2"]
            assert told["response-content-type"] == ["audio/wav"]
            assert "X-Amz-Signature" not in told
            assert policy.count("https://d1.cloudfront.net") == 2, "media-src and connect-src"

            await erase(runtime, person, ["gone/1"], fails=True)
            await do_jobs(runtime)
            assert cloudfront.asked == [], "what was taken back is not told"

            cloudfront.answers = [Answer(400, TOO_MANY, {"Content-Type": "text/xml"})]
            await erase(runtime, person, [f"gone/{n}" for n in range(16)])
            await do_jobs(runtime)
            assert len(cloudfront.asked) == 1, "one wish at a time for a store"
            await due_now(runtime)
            cloudfront.answers = [Answer(201, CREATED, {"Content-Type": "text/xml"})] * 2
            await do_jobs(runtime)
            first, again, rest = (asked.body for asked in cloudfront.asked)
            assert first == again, "the same wish, by the same reference"
            assert b"<Quantity>15</Quantity>" in again
            assert b"<Path>/kept/gone/0*</Path>" in again
            assert b"<Path>/kept/gone/15*</Path>" in rest
            await due_now(runtime)
            await do_jobs(runtime)
            assert len(cloudfront.asked) == 3

            cloudfront.answers = [Answer(201, CREATED, {"Content-Type": "text/xml"})]
            await change_copies(runtime, person, state=CopyState.DELETING)
            await forget_copy(runtime, copy)
            await do_jobs(runtime)
            assert f"<Path>/kept/{copy.key}*</Path>".encode() in cloudfront.asked[-1].body


TOO_MANY = (
    b"<ErrorResponse><Error><Type>Sender</Type><Code>TooManyInvalidationsInProgress</Code>"
    b"<Message>m</Message></Error></ErrorResponse>"
)
CREATED = b"<Invalidation><Id>I1</Id><Status>InProgress</Status></Invalidation>"


async def erase(runtime: Runtime, person: Person, keys: list[str], *, fails: bool = False) -> None:
    """What whoever removes bytes does, in the transaction that notes them as gone."""
    try:
        async with runtime.database.work(person.organization_id) as session:
            await invalidate(session, runtime, "s3-eu", keys)
            if fails:
                raise ZeroDivisionError
    except ZeroDivisionError:
        pass


async def due_now(runtime: Runtime) -> None:
    """Jobs that wait out a failure begin now."""
    connecting = psycopg.AsyncConnection.connect(runtime.database.conninfo)
    async with await connecting as connection:
        await connection.execute("set search_path = public, jobs")
        await connection.execute("update procrastinate_jobs set scheduled_at = now() where status = 'todo'")


async def test_a_store_without_a_cdn_has_nothing_to_forget(runtime: Runtime, somebody: Person) -> None:
    async with runtime.database.work(somebody.organization_id) as session:
        await invalidate(session, runtime, "local", ["a", "b"])
    await do_jobs(runtime)
