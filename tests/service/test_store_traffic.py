"""Requests and bytes of each store: counted as they happen, added up in the database over all processes."""

from collections.abc import AsyncIterator
from datetime import date, timedelta
from pathlib import Path

import httpx
import pytest
from sqlalchemy import text

from reelkeep.blobs.traffic import keep_traffic, read_traffic
from reelkeep.errors import ObjectNotFound
from reelkeep.http.app import build_app
from reelkeep.runtime import Runtime
from reelkeep.stores.guarded import guard
from reelkeep.stores.memory import MemoryStore
from reelkeep.stores.traffic import ActionClass, Counted, Counts, Traffic, traffic_of
from reelkeep.wiring import open_runtime
from tests.fixtures.ceph import Ceph
from tests.fixtures.runtime import BASE_URL, add_person, client_of, s3_flags, settings_for
from tests.service.test_uploads import SOUND, complete, initiate, send

SEEN = Counted.SEEN


async def body(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


async def kept(runtime: Runtime, store: str) -> dict[tuple[str, str], tuple[int, int, int]]:
    """What the database has of a store, once this process has handed over its counts."""
    await keep_traffic(runtime.database, runtime.stores.by_name, runtime.clock)
    today = runtime.clock.now().date()
    rows = await read_traffic(runtime.database, today - timedelta(days=1), today + timedelta(days=1))
    return {
        (row.action_class, row.counted): (int(row.requests), int(row.bytes_in), int(row.bytes_out))
        for row in rows
        if row.store == store
    }


async def test_each_call_of_a_store_is_counted_by_its_class_with_its_bytes() -> None:
    store = guard(MemoryStore("memory"))
    await store.put("a/1", body(b"12345", b"67"))
    assert b"".join([piece async for piece in store.read("a/1", 2)]) == b"34567"
    await store.head("a/1")
    await store.copy("a/1", "a/2")
    assert len([facts async for facts in store.list_objects("a/")]) == 2
    await store.delete("a/2")
    with pytest.raises(ObjectNotFound):
        await store.head("a/2")
    assert store.traffic.take() == {
        (ActionClass.WRITE, SEEN): Counts(2, 7, 0),
        (ActionClass.READ, SEEN): Counts(3, 0, 5),
        (ActionClass.LIST, SEEN): Counts(1),
        (ActionClass.DELETE, SEEN): Counts(1),
    }
    assert store.traffic.take() == {}


async def test_a_read_that_its_caller_leaves_counts_the_bytes_that_came() -> None:
    store = guard(MemoryStore("memory"))
    await store.put("a/1", body(bytes(300_000)))
    store.traffic.take()
    pieces = store.read("a/1")
    first = len(await anext(pieces))
    await pieces.aclose()  # type: ignore[attr-defined]
    assert store.traffic.take() == {(ActionClass.READ, SEEN): Counts(1, 0, first)}


def test_a_long_listing_and_a_long_put_are_several_requests() -> None:
    traffic = Traffic()
    traffic.count_operation("list", 1 + 2, 0)
    traffic.count_operation("an operation that nobody has named", 1, 5)
    assert traffic.take() == {
        (ActionClass.LIST, SEEN): Counts(3),
        (ActionClass.WRITE, SEEN): Counts(1),
    }


async def test_several_processes_add_up_and_what_cannot_be_kept_comes_later(
    runtime: Runtime, tmp_path: Path, conninfo: str
) -> None:
    mine = traffic_of(runtime.stores.by_name["local"])
    assert mine is not None
    mine.count(ActionClass.READ, 3, bytes_out=10)
    async with open_runtime(settings_for(tmp_path / "other", conninfo)) as other:
        theirs = traffic_of(other.stores.by_name["local"])
        assert theirs is not None
        theirs.count(ActionClass.READ, 4, bytes_out=100)
    assert await kept(runtime, "local") == {("read", "seen"): (7, 0, 110)}, "the other kept it as it closed"

    async with runtime.database.owner() as session:
        await session.execute(text("alter table store_traffic rename to away"))
    mine.count(ActionClass.READ, 1, bytes_out=1)
    with pytest.raises(Exception, match="store_traffic"):
        await keep_traffic(runtime.database, runtime.stores.by_name, runtime.clock)
    mine.count(ActionClass.READ, 1, bytes_out=1)
    async with runtime.database.owner() as session:
        await session.execute(text("alter table away rename to store_traffic"))
    assert await kept(runtime, "local") == {("read", "seen"): (9, 0, 112)}


async def test_what_clients_do_at_our_own_wire_is_seen_exactly_used_urls_and_unused(runtime: Runtime) -> None:
    person = await add_person(runtime)
    local = runtime.stores.signing("local")
    async with client_of(runtime, person) as client:
        ticket = await initiate(client, content_type="audio/wav")
        await initiate(client)  # its ticket is never used
        files = {"file": ("a", SOUND, "audio/wav")}
        sent = client.build_request("POST", ticket["upload_url"], data=ticket["upload_fields"], files=files)
        length = int(sent.headers["content-length"])
        assert await kept(runtime, "local") == {}
        answer = await client.send(sent)
        assert answer.status_code < 300, answer.text
    before = await kept(runtime, "local")
    assert before["write", "seen"] == (1, length, len(answer.content))

    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(build_app(runtime)), base_url=BASE_URL
    ) as stranger:
        url = local.url_get(ticket["s3_key"], 60)
        part = await stranger.get(url, headers={"Range": "bytes=10-19"})
        refused = await stranger.get(url + "0")
        assert (part.status_code, refused.status_code) == (206, 403)
    told = await kept(runtime, "local")
    assert told["read", "seen"] == (2, 0, 10 + len(refused.content))
    assert not [counted for _, counted in told if counted == "expected"]


@pytest.mark.s3
async def test_what_clients_of_a_service_were_given_urls_for_is_expected(
    tmp_path: Path, conninfo: str, ceph: Ceph, ceph_bucket: str
) -> None:
    settings = settings_for(tmp_path / "data", conninfo, **s3_flags(ceph, ceph_bucket))
    async with open_runtime(settings) as runtime:
        person = await add_person(runtime)
        async with client_of(runtime, person) as client:
            ticket = await initiate(client, size_bytes=len(SOUND))
            assert await kept(runtime, "s3") == {("write", "expected"): (1, len(SOUND), 0)}
            await initiate(client)
            told = await kept(runtime, "s3")
            assert told == {("write", "expected"): (2, len(SOUND), 0)}, "of an unknown size: no bytes"
            await send(client, ticket, SOUND)
            await complete(client, ticket)
            told = await kept(runtime, "s3")
            assert told["write", "expected"] == (2, len(SOUND), 0)
            assert told["write", "seen"][0] >= 1, "the copy out of incoming/"
            assert ("read", "expected") not in told

            given = await client.get(f"/api/v1/recordings/{ticket['recording_id']}/download-url")
            assert given.status_code == 200, given.text
        assert (await kept(runtime, "s3"))["read", "expected"] == (1, 0, len(SOUND))


async def test_the_figures_are_of_a_day(runtime: Runtime) -> None:
    traffic = traffic_of(runtime.stores.by_name["local"])
    assert traffic is not None
    traffic.count(ActionClass.DELETE)
    today = runtime.clock.now().date()
    assert await kept(runtime, "local")
    assert await read_traffic(runtime.database, date(2000, 1, 1), today) == []
