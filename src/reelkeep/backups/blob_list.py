"""The list of blobs that must exist at a backup's point: a line of JSON each, in the order of their keys."""

import asyncio
import json
import zlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg

from reelkeep.errors import ErrorCode, ReelkeepError

ROWS_AT_ONCE = 500
COMPRESSION_LEVEL = 3
PIECE_BYTES = 1 << 18
#: A blob has at most a copy in each store: a line is a few hundred bytes.
LINE_BYTES_MAX = 1 << 20

# In the order in which a store lists `backups/blobs/`: a UUID's text sorts as its bytes do.
LISTED = """
select b.organization_id, b.id, b.size_bytes, encode(b.sha256, 'hex'), b.content_type,
  (select coalesce(json_agg(json_build_array(c.store, c.key) order by c.id), '[]')
     from public.copy c
    where c.organization_id = b.organization_id and c.blob_id = b.id and c.state = 'present')
from public.blob b order by b.organization_id, b.id
"""


@dataclass(frozen=True, slots=True)
class ListedBlob:
    """One blob as it was at the point of the backup."""

    organization_id: UUID
    blob_id: UUID
    size_bytes: int
    sha256: str | None
    content_type: str
    #: Store and key of each copy, oldest first.
    copies: tuple[tuple[str, str], ...]


async def listed_blobs(connection: psycopg.AsyncConnection[Any]) -> AsyncIterator[ListedBlob]:
    """Every blob of every organization, as this connection's snapshot sees them; a batch at a time."""
    async with connection.cursor("backup_blobs") as cursor:
        cursor.itersize = ROWS_AT_ONCE
        await cursor.execute(LISTED)
        async for row in cursor:
            yield ListedBlob(row[0], row[1], row[2], row[3], row[4], tuple((s, k) for s, k in row[5]))


async def packed(blobs: AsyncIterator[ListedBlob]) -> AsyncIterator[bytes]:
    """The list as it is stored: compressed lines."""
    packer = zlib.compressobj(COMPRESSION_LEVEL)
    async for blob in blobs:
        line = [
            str(blob.organization_id),
            str(blob.blob_id),
            blob.size_bytes,
            blob.sha256,
            blob.content_type,
            blob.copies,
        ]
        if piece := packer.compress(json.dumps(line, separators=(",", ":")).encode() + b"\n"):
            yield piece
    yield packer.flush()


async def unpacked(pieces: AsyncIterator[bytes]) -> AsyncIterator[ListedBlob]:
    """The list again; `BACKUP_DAMAGED` where it is none."""
    unpacker = zlib.decompressobj()
    held = b""
    try:
        async for piece in pieces:
            while piece or unpacker.unconsumed_tail:
                held += unpacker.decompress(piece or unpacker.unconsumed_tail, PIECE_BYTES)
                *lines, held = held.split(b"\n")
                for line in lines:
                    yield _parse(line)
                piece = unpacker.unconsumed_tail  # noqa: PLW2901 - what did not fit, until nothing is left
                if len(held) > LINE_BYTES_MAX:
                    raise ValueError("a line is too long")
                await asyncio.sleep(0)
    except (zlib.error, ValueError, TypeError) as error:
        raise _damaged() from error
    if held or not unpacker.eof:
        raise _damaged()


def _parse(line: bytes) -> ListedBlob:
    organization, blob, size_bytes, sha256, content_type, copies = json.loads(line)
    places = tuple((str(store), str(key)) for store, key in copies)
    return ListedBlob(UUID(organization), UUID(blob), int(size_bytes), sha256, content_type, places)


def _damaged() -> ReelkeepError:
    return ReelkeepError("The backup's list of blobs is damaged; take another.", ErrorCode.BACKUP_DAMAGED)
