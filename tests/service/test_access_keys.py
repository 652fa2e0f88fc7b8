"""Access keys to the wire: made and revoked by the operator, looked up at each request."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from sqlalchemy import event, text

from reelkeep.blobs.access_keys import (
    NewAccessKey,
    create_access_key,
    find_access,
    list_access_keys,
    revoke_access_key,
    secret_of,
)
from reelkeep.errors import ErrorCode, Invalid, NotFound
from reelkeep.runtime import Runtime, Secrets
from reelkeep.stores.signer import Credentials, Endpoint, Signer
from tests.fixtures.runtime import client_of
from tests.fixtures.wire import said


def signer_of(key: NewAccessKey) -> Signer:
    credentials = Credentials(key.access_key, key.secret_key)
    return Signer(Endpoint.from_url(key.endpoint_url), "us-east-1", lambda: credentials)


async def send(
    client: httpx.AsyncClient, key: NewAccessKey, method: str, name: str | None, **sent: Any
) -> httpx.Response:
    """A request signed in its header."""
    query = sent.pop("query", [])
    url, headers = signer_of(key).sign_request(
        method, key.bucket, name, query=query, payload_sha256="UNSIGNED-PAYLOAD"
    )
    return await client.request(method, url, headers=headers, **sent)


@contextmanager
def statements_of(runtime: Runtime) -> Iterator[list[str]]:
    """What the pool gives out while the block runs: one check-out is one visit to the database."""
    taken: list[str] = []
    pool = runtime.database._engine.sync_engine.pool

    def note(*_facts: object) -> None:
        taken.append("visit")

    event.listen(pool, "checkout", note)
    try:
        yield taken
    finally:
        event.remove(pool, "checkout", note)


async def test_a_key_opens_its_store_until_it_is_revoked(runtime: Runtime) -> None:
    key = await create_access_key(runtime, "local", note="nightly copy")
    assert (key.endpoint_url, key.bucket) == (f"{runtime.settings.base_url}/s3", "local")
    async with client_of(runtime) as client:
        assert (await send(client, key, "PUT", "incoming/a", content=b"sound")).status_code == 200
        assert (await send(client, key, "GET", "incoming/a")).content == b"sound"
        link = signer_of(key).presign("GET", key.bucket, "incoming/a", expires_in_seconds=600)
        assert (await client.get(link)).content == b"sound"
        await revoke_access_key(runtime, key.access_key)
        assert said(await send(client, key, "GET", "incoming/a")) == (403, "InvalidAccessKeyId")
        assert said(await client.get(link)) == (403, "InvalidAccessKeyId")
    await revoke_access_key(runtime, key.access_key)
    (row,) = await list_access_keys(runtime)
    assert (row.access_key, row.note, row.read_only) == (key.access_key, "nightly copy", False)
    assert row.revoked_at is not None


async def test_a_read_only_key_changes_nothing(runtime: Runtime) -> None:
    key = await create_access_key(runtime, "local", read_only=True)
    async with client_of(runtime) as client:
        assert said(await send(client, key, "PUT", "incoming/a", content=b"x")) == (403, "AccessDenied")
        assert said(await send(client, key, "DELETE", "incoming/a")) == (403, "AccessDenied")
        listing = await send(client, key, "GET", None, query=[("list-type", "2")])
        assert (listing.status_code, "<KeyCount>0</KeyCount>" in listing.text) == (200, True)


async def test_a_key_to_another_store_opens_nothing_here(runtime: Runtime) -> None:
    key = await create_access_key(runtime, "local")
    async with runtime.database.directory() as session:
        await session.execute(text("insert into store (name, kind) values ('other', 'local')"))
        await session.execute(text("update access_key set store = 'other'"))
    async with client_of(runtime) as client:
        assert said(await send(client, key, "GET", "incoming/a")) == (403, "AccessDenied")


async def test_a_request_with_a_key_asks_the_database_once_and_a_guess_never(runtime: Runtime) -> None:
    key = await create_access_key(runtime, "local")
    guesses = ["", "reelkeeper", key.access_key.lower(), f"{key.access_key}A", f"RK{'A' * 22}"]
    with statements_of(runtime) as visits:
        for guess in guesses:
            assert await find_access(runtime, guess) is None
        assert visits == []
        assert await find_access(runtime, key.access_key) is not None
        assert len(visits) == 1
        await find_access(runtime, "reelkeep")  # our own signer's: every player's URL
        assert len(visits) == 1


async def test_the_secret_is_nowhere_in_the_database_and_of_this_installation_alone(
    runtime: Runtime,
) -> None:
    key = await create_access_key(runtime, "local")
    async with runtime.database.owner() as session:
        row = (await session.execute(text("select access_key::text from access_key"))).scalar_one()
        whole = (await session.execute(text("select row_to_json(k)::text from access_key k"))).scalar_one()
    assert row == key.access_key
    assert key.secret_key not in whole
    assert secret_of(runtime.secrets, key.access_key) == key.secret_key
    assert secret_of(Secrets(b"another installation's secret"), key.access_key) != key.secret_key
    other = await create_access_key(runtime, "local")
    assert other.secret_key != key.secret_key


async def test_keys_are_made_for_stores_that_the_wire_serves(any_runtime: Runtime) -> None:
    with pytest.raises(NotFound) as unknown:
        await create_access_key(any_runtime, "nowhere")
    assert unknown.value.code == ErrorCode.STORE_UNKNOWN
    if "s3" in any_runtime.stores.by_name:
        with pytest.raises(Invalid, match="make a key there"):
            await create_access_key(any_runtime, "s3")
    with pytest.raises(Invalid, match="200 characters"):
        await create_access_key(any_runtime, "local", note="x" * 201)
    with pytest.raises(NotFound) as missing:
        await revoke_access_key(any_runtime, "RKNOBODY")
    assert missing.value.code == ErrorCode.ACCESS_KEY_NOT_FOUND
    assert await list_access_keys(any_runtime) == []


async def test_a_database_that_is_away_is_told_as_try_again(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = await create_access_key(runtime, "local")
    await runtime.database._engine.dispose()
    monkeypatch.setitem(vars(runtime.database), "_external", "host=/nowhere dbname=x connect_timeout=2")
    async with client_of(runtime) as client:
        answer = await send(client, key, "GET", "incoming/a")
    assert said(answer) == (503, "ServiceUnavailable")
    assert answer.headers["retry-after"] == "5"
