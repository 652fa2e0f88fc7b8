"""Writes one object of any length to an S3 service with bounded memory: in one request, or in parts."""

import asyncio
import hashlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import obstore

from reelkeep.stores import s3_errors
from reelkeep.stores.local_files import wrong_bytes
from reelkeep.stores.protocol import PART_BYTES_MIN
from reelkeep.stores.s3_requests import Body, S3Requests

#: Bodies up to this many bytes go in one request, longer ones in parts of this size: the least there is,
#: since several are in memory. One of unknown length may be long, and has larger ones.
PART_BYTES, PART_BYTES_OF_UNKNOWN = PART_BYTES_MIN, 16 * 1024 * 1024
#: A service takes 10,000 parts of one object.
_PARTS_MAX = 9_900
_PARTS_AT_ONCE = 2
#: A body whose size and digest are known goes in one request up to this, as it is read: nothing is held, it
#: is digested here and there once, and it costs one request. Longer ones would have too much to lose.
WHOLE_BYTES_MAX = 256 * 1024 * 1024
#: How long a write that was given up may take to tell the service so.
_ABORT_SECONDS = 10.0

#: What one request carries.
Part = bytes | bytearray


def part_bytes_of(size_bytes: int | None) -> int:
    """How long the parts of a body of this length are."""
    if size_bytes is None:
        return PART_BYTES_OF_UNKNOWN
    return max(PART_BYTES, -(-size_bytes // _PARTS_MAX))


def goes_whole(size_bytes: int, *, digest_known: bool) -> bool:
    """Whether a body that is too long for one part goes in one request all the same."""
    return digest_known and PART_BYTES < size_bytes <= WHOLE_BYTES_MAX


def requests_of(size_bytes: int, *, digest_known: bool) -> int:
    """How many requests write a body: parts are begun and completed as well."""
    part_bytes = part_bytes_of(size_bytes)
    if size_bytes <= part_bytes or goes_whole(size_bytes, digest_known=digest_known):
        return 1
    return 2 + -(-size_bytes // part_bytes)


@dataclass(frozen=True, slots=True)
class Put:
    """What was written."""

    size_bytes: int
    sha256: str
    #: As the service answered a body that went in one request; None: it has to be asked.
    etag: str | None


class _Counted:
    """A body with its size and digest, checked against what was declared when it ends."""

    def __init__(self, key: str, body: AsyncIterator[bytes], size_bytes: int | None, sha256: str | None):
        self._key, self._body = key, body
        self._size_wanted, self._sha256_wanted = size_bytes, sha256
        self.part_bytes = part_bytes_of(size_bytes)
        self.size_bytes = 0
        self._sha256 = hashlib.sha256()

    @property
    def sha256(self) -> str:
        return self._sha256.hexdigest()

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """The body as it comes; its last piece comes only when all is as declared."""
        kept = b""
        async for piece in self._body:
            self._count(piece)
            if self._too_long:
                break
            if kept:
                yield kept
            kept = piece
        self._check()
        yield kept

    async def parts(self) -> AsyncIterator[Part]:
        """The body in parts of `part_bytes`; the last, maybe empty, comes only when all is as declared.

        A small body that comes in one piece is not copied.
        """
        part: Part = b""
        async for piece in self._body:
            self._count(piece)
            if self._too_long:
                break
            if not part and len(piece) < self.part_bytes:
                part = bytes(piece)
                continue
            part = bytearray(part) if isinstance(part, bytes) else part
            left = memoryview(piece)
            while len(left) > (room := self.part_bytes - len(part)):
                part += left[:room]
                yield part  # as it is: no further copy of many megabytes
                part, left = bytearray(), left[room:]
            part += left
        self._check()
        yield part

    def _count(self, piece: bytes) -> None:
        self.size_bytes += len(piece)
        self._sha256.update(piece)

    @property
    def _too_long(self) -> bool:
        return self._size_wanted is not None and self.size_bytes > self._size_wanted

    def _check(self) -> None:
        if self._size_wanted not in (None, self.size_bytes):
            raise wrong_bytes(self._key, "size_bytes", self._size_wanted, self.size_bytes)
        if self._sha256_wanted not in (None, self.sha256):
            raise wrong_bytes(self._key, "sha256", self._sha256_wanted, self.sha256)


class _BodyFailed(Exception):
    """It was the body that failed, whose error may be of the kinds that the service's are."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


async def _told_apart(pieces: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    try:
        async with aclosing(pieces):
            async for piece in pieces:
                yield piece
    except Exception as error:
        raise _BodyFailed(error) from error


async def put_whole(
    requests: S3Requests,
    key: str,
    body: AsyncIterator[bytes],
    *,
    headers: Mapping[str, str],
    size_bytes: int,
    sha256: str,
) -> str:
    """Write an object of known size and digest by one request, which the service checks; its ETag.

    The request is signed with the digest, so a body is stored that has it, or none.
    """
    counted = _Counted(key, body, size_bytes, sha256)
    async with aclosing(_told_apart(counted.pieces())) as pieces:
        try:
            answer = await requests.put_once(key, headers, Body(size_bytes, sha256, lambda: pieces))
        except _BodyFailed as failed:
            raise failed.error from None
    etag: str = answer.headers.get("etag", "")
    return etag.strip('"')


async def put_object(
    store: obstore.store.S3Store,
    bucket: str,
    key: str,
    body: AsyncIterator[bytes],
    *,
    content_type: str | None,
    size_bytes: int | None,
    sha256: str | None,
    storage_class: str | None = None,
) -> Put:
    """Write an object whole or not at all."""
    counted = _Counted(key, body, size_bytes, sha256)
    parts = counted.parts()
    first = await anext(parts)
    attributes: Any = {"Content-Type": content_type} if content_type else {}
    if storage_class:
        attributes["Storage-Class"] = storage_class
    second = await anext(parts, None) if len(first) == counted.part_bytes else None
    etag: str | None = None
    if second is None:
        with s3_errors.translated(bucket, key):
            done = await obstore.put_async(store, key, first, attributes=attributes, use_multipart=False)
        etag = (done["e_tag"] or "").strip('"') or None
    else:

        async def send(queued: AsyncIterator[Part]) -> None:
            with s3_errors.translated(bucket, key):
                await obstore.put_async(
                    store,
                    key,
                    queued,
                    attributes=attributes,
                    use_multipart=True,
                    chunk_size=counted.part_bytes,
                    max_concurrency=_PARTS_AT_ONCE,
                )

        taken = [first, second]
        del first, second  # many megabytes, which are not held until the end
        await _send_parts(_again(taken, parts), send)
    return Put(counted.size_bytes, counted.sha256, etag)


async def _again(taken: list[Part], rest: AsyncIterator[Part]) -> AsyncIterator[Part]:
    """What was taken already, then the rest; what was given is not held."""
    while taken:
        yield taken.pop(0)
    async for part in rest:
        yield part
        del part


async def _send_parts(
    parts: AsyncIterator[Part],
    send: Callable[[AsyncIterator[Part]], Coroutine[Any, Any, None]],
) -> None:
    """Send parts through a queue, so that a cancelled or failed body ends the upload and leaves no parts."""
    queue: asyncio.Queue[Part | BaseException | None] = asyncio.Queue(maxsize=1)

    async def queued() -> AsyncIterator[Part]:
        while (part := await queue.get()) is not None:
            if isinstance(part, BaseException):
                raise part
            yield part
            del part
            queue.task_done()

    sending = asyncio.ensure_future(send(queued()))
    try:
        async for part in parts:
            await _offer(queue, part, sending)
            del part
        await _offer(queue, None, sending)
        await asyncio.shield(sending)
    except BaseException:
        await _give_up(queue, sending)
        raise


async def _offer(queue: asyncio.Queue[Any], part: Part | None, sending: asyncio.Future[None]) -> None:
    """Hand a part over and wait until the next is wanted, or raise why nobody reads any more.

    So no part is made before there is use for it: two are under way meanwhile.
    """

    async def hand_over() -> None:
        await queue.put(part)
        await queue.join()

    putting = asyncio.ensure_future(hand_over())
    try:
        await asyncio.wait([putting, sending], return_when=asyncio.FIRST_COMPLETED)
    finally:
        if not putting.done():
            putting.cancel()
    if sending.done() and part is not None:
        sending.result()


async def _give_up(queue: asyncio.Queue[Any], sending: asyncio.Future[None]) -> None:
    """Let the upload end by an error of its body, which makes obstore abort it at the service."""
    while not sending.done() and not queue.empty():
        queue.get_nowait()
    if not sending.done():
        queue.put_nowait(InterruptedError("the write was given up"))
        await asyncio.wait([sending], timeout=_ABORT_SECONDS)
    if not sending.done():
        sending.cancel()
    elif not sending.cancelled():
        sending.exception()
