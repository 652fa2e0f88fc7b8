"""A byte that changes on its way to the bucket is found by the service, before a copy counts."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

import pytest

from reelkeep.errors import StoreUnavailable
from reelkeep.stores.s3 import S3Store
from tests.contract.conftest import s3_store
from tests.fixtures.ceph import Ceph

MARK = b"these bytes are about to change"


@asynccontextmanager
async def changing_relay(ceph: Ceph) -> AsyncIterator[str]:
    """A relay in front of the gateway that changes one byte of every body with the mark."""
    target = urlsplit(ceph.endpoint_url)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behind_reader, behind_writer = await asyncio.open_connection(target.hostname, target.port)
        await asyncio.gather(
            pump(reader, behind_writer, change=True), pump(behind_reader, writer, change=False)
        )

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, change: bool) -> None:
        with suppress(OSError):
            while data := await reader.read(1 << 20):
                writer.write(data.replace(MARK, MARK.swapcase()) if change else data)
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


@pytest.mark.s3
@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("size", [len(MARK), 9 * 1024 * 1024])
async def test_a_put_whose_bytes_change_on_the_way_is_refused_by_the_service_and_may_be_tried_again(
    ceph: Ceph, ceph_bucket: str, size: int, *, known: bool
) -> None:
    sha256 = hashlib.sha256(MARK + bytes(size - len(MARK))).hexdigest() if known else None

    async def body() -> AsyncIterator[bytes]:
        yield MARK
        yield bytes(size - len(MARK))

    async with changing_relay(ceph) as url:
        store: S3Store = s3_store(ceph, ceph_bucket, endpoint_url=url)
        assert store.abilities.proves_writes
        try:
            with pytest.raises(StoreUnavailable):
                await store.put("recordings/changed", body(), size_bytes=size, sha256=sha256)
        finally:
            await store.close()
    assert ceph.client().list_objects_v2(Bucket=ceph_bucket).get("KeyCount", 0) == 0
