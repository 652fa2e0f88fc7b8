"""Read a blob from its best copy, and from the next one when that fails in the midst."""

from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from typing import Any
from uuid import UUID

from reelkeep.blobs.find import Located, locate_all
from reelkeep.errors import ObjectNotFound, ReelkeepError, WrongBytes
from reelkeep.logs import get_logger
from reelkeep.runtime import Runtime

log = get_logger(__name__)


async def open_blob(
    runtime: Runtime, organization_id: UUID, blob_id: UUID, start: int = 0, end: int | None = None
) -> AsyncIterator[bytes]:
    """The bytes from `start` up to, not including, `end`; outside of any unit of work.

    A copy that cannot be read, or breaks off, is left for the next one, from the byte reached. Raises what
    the last one raised, `COPY_ARCHIVED` and `COPY_LOST`.
    """
    async with runtime.database.work(organization_id) as session:
        copies = await locate_all(session, organization_id, blob_id)
    async with aclosing(read_copies(runtime, copies, start, end)) as pieces:
        async for piece in pieces:
            yield piece


async def read_copies(
    runtime: Runtime, copies: Sequence[Located], start: int = 0, end: int | None = None
) -> Any:
    """The same, of copies that have been found; there is at least one."""
    for index, copy in enumerate(copies):
        try:
            pieces: Any = runtime.stores.get(copy.store).read(copy.key, start, end)
            async with aclosing(pieces):
                async for piece in pieces:
                    start += len(piece)
                    yield piece
            if start < (copy.size_bytes if end is None else min(end, copy.size_bytes)):
                raise WrongBytes("The copy is shorter than what was sealed.", store=copy.store, key=copy.key)
            return
        except ReelkeepError as error:
            missing = "missing" if isinstance(error, ObjectNotFound) else "unreadable"
            log.warning(f"a copy is {missing}", store=copy.store, key=copy.key, exc_info=error)
            if index == len(copies) - 1:
                raise
