"""Answer with a blob's bytes through this process: headers for players and caches, ranges, a stream."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from reelkeep.blobs.deliver import Shown, nearest, read_media
from reelkeep.blobs.find import Located
from reelkeep.errors import ErrorCode, ReelkeepError
from reelkeep.http.ranges import Span, span_of
from reelkeep.runtime import Runtime

#: A client that takes nothing for so long is given up; a player that waits longer asks again by range.
STALL_SECONDS_MAX = 300.0
RETRY_SECONDS = 2
#: Any page may use a link: it carries its own authority, and cookies play no part. What was uploaded never
#: runs as a page of ours.
OPEN_TO_PAGES = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "ETag, Content-Length, Content-Range, Accept-Ranges, Retry-After",
    "Cross-Origin-Resource-Policy": "cross-origin",
}
SAFETY = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "sandbox; default-src 'none'"}


async def answer_media(
    request: Request, runtime: Runtime, copies: Sequence[Located], shown: Shown, headers: dict[str, str]
) -> Response:
    """The bytes, a part of them, or why not; `headers` join the answer's."""
    blob = copies[0]
    etag = f'"{blob.blob_id}"'  # the same from every copy, and before and after the digest is known
    span = span_of(request.method, request.headers, etag, blob.size_bytes)
    headers = {"ETag": etag, "Accept-Ranges": "bytes", **SAFETY, **headers}
    if span.status in (304, 412):
        return Response(status_code=span.status, headers=headers)
    if span.status == 416:
        headers["Content-Range"] = f"bytes */{blob.size_bytes}"
        return Response(status_code=416, headers={**headers, "Cache-Control": "no-store"})
    headers |= {
        "Content-Type": blob.content_type,
        "Content-Length": str(span.size_bytes),
        "Content-Disposition": shown.disposition,
    }
    if span.status == 206:
        headers["Content-Range"] = f"bytes {span.start}-{span.end - 1}/{blob.size_bytes}"
    if request.method == "HEAD":
        return Response(status_code=span.status, headers=headers)
    return await _streamed(request, runtime, copies, span, headers)


async def _streamed(
    request: Request, runtime: Runtime, copies: Sequence[Located], span: Span, headers: dict[str, str]
) -> Response:
    streams = _streams_of(request)
    if streams.count >= runtime.settings.proxied_downloads_max:
        raise ReelkeepError(
            "As many downloads pass through this server as it allows; try again in a moment.",
            ErrorCode.RATE_LIMITED,
            retry_after_seconds=RETRY_SECONDS,
            proxied_downloads_max=runtime.settings.proxied_downloads_max,
        )
    streams.count += 1
    try:
        near = await nearest(runtime, copies)
        pieces = read_media(runtime, near, span.start, span.end)
        # The first bytes before the head of the answer: while none are sent, an error can be told.
        first = await anext(pieces, b"")
    except BaseException:
        streams.count -= 1
        raise
    return MediaStream(first, pieces, streams, span.status, headers)


class Streams:
    """How many answers are being streamed by this application."""

    count = 0


class MediaStream(StreamingResponse):
    """A streamed answer that ends when its client leaves or stalls, and gives back what it reads from."""

    def __init__(
        self,
        first: bytes,
        pieces: AsyncGenerator[bytes, None],
        streams: Streams,
        status: int,
        headers: dict[str, str],
    ) -> None:
        super().__init__(_joined(first, pieces), status, headers)
        self._pieces = pieces
        self._streams = streams

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""

        async def send_soon(message: Message) -> None:
            async with asyncio.timeout(STALL_SECONDS_MAX):
                await send(message)

        try:
            async with aclosing(self._pieces):
                await super().__call__(scope, receive, send_soon)
        finally:
            self._streams.count -= 1


async def _joined(first: bytes, rest: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    yield first
    async for piece in rest:
        yield piece


def _streams_of(request: Request) -> Streams:
    state = request.app.state
    if not hasattr(state, "media_streams"):
        state.media_streams = Streams()
    streams: Streams = state.media_streams
    return streams
