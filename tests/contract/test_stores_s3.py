"""What only the S3 store promises, shown on a real S3."""

import asyncio
import hashlib
import random
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import httpx
import pytest

from reelkeep.errors import StoreError, StoreFull, StoreRefused, StoreUnavailable
from reelkeep.stores import s3_errors
from reelkeep.stores.guarded import guard
from reelkeep.stores.protocol import TicketLimits
from reelkeep.stores.s3 import S3Store, S3StoreConfig
from reelkeep.stores.s3_copy import copy_object
from reelkeep.stores.s3_encryption import AES256
from reelkeep.stores.signer import Credentials
from reelkeep.stores.traffic import ActionClass, Counted, Counts
from tests.fixtures.ceph import Ceph
from tests.fixtures.front import Refusal, front_of
from tests.fixtures.wire import form_body

pytestmark = pytest.mark.s3
MIB = 1024 * 1024


@pytest.fixture
def config(ceph: Ceph, ceph_bucket: str) -> S3StoreConfig:
    return S3StoreConfig(
        "s3",
        ceph_bucket,
        endpoint_url=ceph.endpoint_url,
        prefix="reelkeep/",
        credentials=Credentials(ceph.access_key, ceph.secret_key),
        encryption=None,
        retries_max=0,
        idle_timeout_seconds=20.0,
    )


async def pieces(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def whole(store: S3Store, key: str) -> bytes:
    return b"".join([piece async for piece in store.read(key)])


async def each_failure(store: S3Store, expected: type[StoreError], match: str) -> None:
    """Every operation says the same."""

    async def listed() -> list[Any]:
        return [facts async for facts in store.list_objects()]

    known = hashlib.sha256(bytes(6 * MIB)).hexdigest()
    for call in (
        lambda: store.put("a", pieces(b"x")),
        lambda: store.put("a", pieces(*[bytes(MIB)] * 6), size_bytes=6 * MIB, sha256=known),
        lambda: store.put("a", pieces(*[bytes(MIB)] * 20)),
        lambda: whole(store, "a"),
        lambda: store.delete("a"),
        listed,
        store.check,
    ):
        with pytest.raises(expected, match=match):
            await call()
    await store.close()


async def test_a_wrong_secret_is_told_with_its_cure(config: S3StoreConfig, ceph: Ceph) -> None:
    wrong = replace(config, credentials=Credentials(ceph.access_key, "guessed"))
    await each_failure(S3Store(wrong), StoreRefused, "secret key is wrong")


async def test_an_unknown_access_key_is_told_with_its_cure(config: S3StoreConfig) -> None:
    wrong = replace(config, credentials=Credentials("nobody-knows-me", "guessed"))
    await each_failure(S3Store(wrong), StoreRefused, "does not know the access key")


async def test_a_missing_bucket_is_told_with_its_cure(config: S3StoreConfig) -> None:
    await each_failure(S3Store(replace(config, bucket="not-there")), StoreRefused, "Create the bucket")


async def test_a_service_that_is_away_is_told(config: S3StoreConfig) -> None:
    away = replace(config, endpoint_url="http://127.0.0.1:9")
    await each_failure(S3Store(away), StoreUnavailable, "could not be reached")


async def test_a_service_that_is_silent_is_given_up(config: S3StoreConfig) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    endpoint = f"http://127.0.0.1:{port}"
    store = S3Store(replace(config, endpoint_url=endpoint, idle_timeout_seconds=0.2))
    for call in (lambda: store.head("a"), lambda: whole(store, "a"), lambda: store.put("a", pieces(b"x"))):
        with pytest.raises(StoreUnavailable):
            await call()
    await store.close()
    server.close()


async def test_an_answer_that_ends_early_is_no_quiet_end(config: S3StoreConfig) -> None:
    async def short(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = (
            'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\nETag: "x"\r\n'
            "Last-Modified: Sat, 21 Nov 2026 00:00:00 GMT\r\n\r\n"
        )
        writer.write(head.encode() + b"only this")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(short, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    store = S3Store(replace(config, endpoint_url=f"http://127.0.0.1:{port}"))
    with pytest.raises(StoreUnavailable):
        await whole(store, "a")
    await store.close()
    server.close()


async def test_a_body_of_known_digest_is_one_request_and_what_was_asked_for(
    config: S3StoreConfig, ceph: Ceph
) -> None:
    body = random.Random(5).randbytes(6 * MIB)
    async with front_of(ceph.endpoint_url, lambda _: None) as front:
        store = guard(S3Store(replace(config, endpoint_url=front.url)))
        facts = await store.put(
            "a",
            pieces(body[:MIB], body[MIB:]),
            content_type="audio/mp4",
            size_bytes=len(body),
            sha256=hashlib.sha256(body).hexdigest(),
            storage_class="STANDARD",
        )
        assert [head.partition(" ")[0] for head in front.heads] == ["PUT"]
        assert store.traffic.take() == {(ActionClass.WRITE, Counted.SEEN): Counts(1, len(body))}
        assert facts.etag == hashlib.md5(body).hexdigest()
        await store.put("b", pieces(body), size_bytes=len(body))
        assert store.traffic.take() == {(ActionClass.WRITE, Counted.SEEN): Counts(4, len(body))}
        await store.close()
    head = front.heads[0].lower()
    assert "x-amz-storage-class: standard" in head
    assert "content-type: audio/mp4" in head


async def test_a_long_body_asks_for_the_service_s_encryption(config: S3StoreConfig, ceph: Ceph) -> None:
    body = bytes(6 * MIB)
    async with front_of(ceph.endpoint_url, lambda _: Refusal(503, "SlowDown")) as front:
        store = S3Store(replace(config, endpoint_url=front.url, encryption=AES256))
        with pytest.raises(StoreUnavailable):
            await store.put("a", pieces(body), size_bytes=len(body), sha256=hashlib.sha256(body).hexdigest())
        await store.close()
    assert "x-amz-server-side-encryption: AES256" in front.heads[0]


async def test_a_large_object_is_copied_in_parts(config: S3StoreConfig, ceph: Ceph) -> None:
    store = S3Store(replace(config, copy_whole_bytes_max=6 * MIB, copy_part_bytes=5 * MIB))
    body = random.Random(4).randbytes(12 * MIB + 1)
    await store.put("a", pieces(body), content_type="audio/mp4")
    copied = await store.copy("a", "b")
    assert copied.etag.endswith("-3")
    assert (copied.size_bytes, copied.content_type) == (len(body), "audio/mp4")
    assert hashlib.sha256(await whole(store, "b")).digest() == hashlib.sha256(body).digest()
    assert unfinished(ceph, config) == []
    await store.close()


async def test_a_copy_in_parts_of_a_source_that_changed_is_given_up(
    config: S3StoreConfig, ceph: Ceph
) -> None:
    store = S3Store(config)
    await store.put("a", pieces(bytes(12 * MIB)))
    stale = await store._requests.head("reelkeep/a")
    await store.put("a", pieces(b"x" * 12 * MIB))
    with pytest.raises(StoreUnavailable, match="replaced while"):
        await copy_object(
            store._requests, stale, "reelkeep/b", headers={}, whole_bytes_max=MIB, part_bytes=5 * MIB
        )
    assert [facts.key async for facts in store.list_objects()] == ["a"]
    assert unfinished(ceph, config) == []
    await store.close()


async def test_a_cancelled_write_in_parts_leaves_no_parts(config: S3StoreConfig, ceph: Ceph) -> None:
    store, sent = S3Store(config), asyncio.Event()

    async def stuck() -> AsyncIterator[bytes]:
        for _ in range(30):
            yield bytes(MIB)
        sent.set()
        await asyncio.Event().wait()

    async def put() -> None:
        await store.put("a", stuck())

    writing = asyncio.create_task(put())
    await sent.wait()
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    assert unfinished(ceph, config) == []
    await store.close()


def unfinished(ceph: Ceph, config: S3StoreConfig) -> list[Any]:
    found: list[Any] = ceph.client().list_multipart_uploads(Bucket=config.bucket).get("Uploads", [])
    return found


async def test_a_list_of_several_pages_is_whole(config: S3StoreConfig, ceph: Ceph) -> None:
    store, client = S3Store(config), ceph.client()
    names = sorted(f"many/{n:x}" for n in range(1005))

    def make(name: str) -> None:
        client.put_object(Bucket=config.bucket, Key=f"reelkeep/{name}", Body=b"")

    with ThreadPoolExecutor(32) as pool:
        list(pool.map(make, names))
    assert [facts.key async for facts in store.list_objects("many/")] == names
    await store.close()


async def test_tickets_and_links_work_below_a_prefix(config: S3StoreConfig) -> None:
    store = S3Store(replace(config, encryption=AES256))
    limits = TicketLimits("incoming/a", "audio/mp4", 60, 1000)
    post, put = store.ticket_post(limits), store.ticket_put(limits)
    assert post.fields["x-amz-server-side-encryption"] == "AES256"
    assert put.fields["x-amz-server-side-encryption"] == "AES256"
    body, headers = form_body(post.fields, b"posted")
    client = httpx.AsyncClient()
    assert (await client.post(post.url, content=body, headers=headers)).status_code == 204
    assert await whole(store, "incoming/a") == b"posted"
    assert (await client.put(put.url, content=b"put", headers=put.fields)).status_code == 200
    link = store.url_get("incoming/a", 60, content_type="audio/x-m4a", download_as="ä.m4a")
    answer = await client.get(link)
    await client.aclose()
    assert (answer.content, answer.headers["content-type"]) == (b"put", "audio/x-m4a")
    await store.close()


async def test_clients_may_reach_the_service_at_another_address(config: S3StoreConfig) -> None:
    store = S3Store(replace(config, public_endpoint_url="https://media.example.org"))
    assert store.client_origin == "https://media.example.org"
    assert store.url_get("a", 60).startswith(f"https://media.example.org/{config.bucket}/reelkeep/a?")
    await store.close()


async def test_credentials_may_be_asked_for_each_time(config: S3StoreConfig, ceph: Ceph) -> None:
    asked = 0

    def current() -> Credentials:
        nonlocal asked
        asked += 1
        return Credentials(ceph.access_key, ceph.secret_key)

    store = S3Store(replace(config, credentials=current))
    await store.check()
    assert asked > 1
    await store.close()


async def test_the_default_chain_is_boto3s(
    config: S3StoreConfig, ceph: Ceph, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ceph.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", ceph.secret_key)
    store = S3Store(replace(config, credentials=None))
    await store.check()
    await store.close()


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (503, "SlowDown", StoreUnavailable),
        (500, "InternalError", StoreUnavailable),
        (429, "", StoreUnavailable),
        (400, "RequestTimeout", StoreUnavailable),
        (403, "AccessDenied", StoreRefused),
        (403, "QuotaExceeded", StoreFull),
        (507, "", StoreFull),
        (400, "EntityTooLarge", StoreRefused),
        (301, "PermanentRedirect", StoreRefused),
        (404, "NoSuchBucket", StoreRefused),
    ],
)
def test_answers_are_told_apart_by_what_may_help(status: int, code: str, expected: type[StoreError]) -> None:
    error = s3_errors.of_answer("bucket", "a", status, f"<Error><Code>{code}</Code></Error>")
    assert type(error) is expected
    assert code in error.message
