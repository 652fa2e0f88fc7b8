"""Tails: small objects with the bytes of a growing one that do not fill a part yet."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from functools import partial

from reelkeep.errors import StoreUnavailable
from reelkeep.stores.patience import Patience
from reelkeep.stores.protocol import ObjectFacts
from reelkeep.stores.s3_notes import TAILS, growing_key
from reelkeep.stores.s3_requests import Body, S3Requests
from reelkeep.stores.s3_spool import Spool

_REMOVALS_AT_ONCE = 8
#: Metadata that tells which growth made an object.
GROWTH_HEADER = "x-amz-meta-reelkeep-growth"


class S3Tails:
    """The tails in one bucket; keys here are the service's."""

    def __init__(self, requests: S3Requests, headers: Mapping[str, str], patience: Patience) -> None:
        self._requests = requests
        #: For the request that makes an object.
        self._headers = dict(headers)
        self._patience = patience

    def marks(self, growth_id: str) -> dict[str, str]:
        """The headers by which an object tells what growth it is of."""
        return {GROWTH_HEADER: growth_id}

    async def put(self, key: str, body: Body, headers: Mapping[str, str] | None = None) -> None:
        """Write an object from scratch."""
        await self._requests.send("PUT", key, headers={**self._headers, **(headers or {})}, body=body)

    async def bring(self, spool: Spool, tails: list[tuple[str, int]]) -> None:
        """Read the tails that the spool misses into it."""
        at = 0
        for key, size in tails:
            if at >= spool.missing_bytes:
                break
            await self._patience.repeat("read of a tail", partial(self._fill, spool, key, at, size))
            at += size
        spool.missing_bytes = 0

    async def listed(self, prefix: str) -> AsyncGenerator[tuple[str, int, ObjectFacts], None]:
        """Every tail under a prefix with the key it belongs to and the offset it begins at."""
        async with aclosing(self._requests.list_objects(prefix)) as objects:
            async for facts in objects:
                found = growing_key(facts.key)
                if found is not None:
                    yield *found, facts

    async def remove(self, key: str, *, before: int | None = None) -> None:
        """Remove the tails of a key, those that begin before an offset or all."""
        at_once = asyncio.Semaphore(_REMOVALS_AT_ONCE)

        async def remove(tail: str) -> None:
            async with at_once:
                await self._requests.send("DELETE", tail)

        async with aclosing(self.listed(key + TAILS)) as listed:
            tails = [facts.key async for _, start, facts in listed if before is None or start < before]
        await asyncio.gather(*(remove(tail) for tail in tails))

    async def _fill(self, spool: Spool, key: str, at: int, size: int) -> None:
        async with aclosing(self._requests.read(key, size)) as pieces:
            end = await spool.fill(at, pieces)
        if end != at + size:
            raise StoreUnavailable(
                f"The S3 service gave {end - at} bytes of {key!r} and not {size}.", key=key
            )
