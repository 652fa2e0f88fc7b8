"""HTTP/1.1 for uvicorn, with large bodies taken in at less cost and handed out to the last byte.

uvicorn copies each byte of a body three times before a handler has it, and wakes the handler for every read.
Here what was read is handed on as it is: once the head is known, a body with a `Content-Length` does not pass
through the parser, and up to `HELD_BYTES_MAX` are read ahead while a handler is busy with what came before.
What had come before a client left is handed out first, and then that it left.

Large bodies give way where many other requests wait for an answer (`short_requests.py`).
A file's bytes are sent inside the kernel where a handler asks for it (`zero_copy.py`).

It reaches into uvicorn's httptools protocol; `tests/service/test_protocol.py` fails where a new uvicorn has
changed.
"""

from typing import Any

import httptools
from uvicorn._types import ASGI3Application, ASGIReceiveEvent, ASGISendEvent
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from reelkeep.http import short_requests, zero_copy

#: What is read ahead of a body whose handler is busy: always, and where there is room for more.
HELD_BYTES_MIN, HELD_BYTES_MAX = 64 * 1024, 1024 * 1024
#: Where all connections of the process together hold more, there is none: what is held is written in one
#: turn of the loop, in which every other request waits.
ALL_HELD_BYTES_MAX = 512 * 1024
#: Smaller pieces are copied together: each has a cost of its own.
SMALL_PIECE_BYTES = 16 * 1024
#: Below it, what is left of a body goes through the parser.
LARGE_BODY_BYTES = 64 * 1024


class _Held:
    """Bytes that all connections of this process hold for their handlers."""

    count = 0


def held_bytes() -> int:
    """What all connections of this process have read ahead."""
    return _Held.count


class BodyCycle(RequestResponseCycle):
    """A request and its response, whose body is kept in the pieces that it came in."""

    pieces: list[bytes | bytearray]
    held: int
    #: Whether `receive` has said that the body ends.
    ended: bool
    #: Whether it is counted among those that are answered soon.
    is_short: bool
    #: Seconds.
    gave_way: float

    @classmethod
    def become(cls, cycle: RequestResponseCycle) -> "BodyCycle":
        """Make one of uvicorn's own, which gives no way to say which class it shall make."""
        if isinstance(cycle, BodyCycle):
            return cycle
        cycle.__class__ = cls
        assert isinstance(cycle, BodyCycle)
        cycle.pieces, cycle.held, cycle.gave_way = [], 0, 0.0
        cycle.ended = cycle.is_short = False
        return cycle

    def take(self, piece: bytes) -> None:
        """Keep a piece for the handler, and have the client wait when that is much."""
        if self.response_complete or self.ended:
            return
        last = self.pieces[-1] if self.pieces else None
        if len(piece) >= SMALL_PIECE_BYTES:
            self.pieces.append(piece)
        elif isinstance(last, bytearray) and len(last) < SMALL_PIECE_BYTES:
            last += piece
        else:
            self.pieces.append(bytearray(piece))
        self.held += len(piece)
        _Held.count += len(piece)
        if self.held > HELD_BYTES_MIN and (self.held > HELD_BYTES_MAX or _Held.count > ALL_HELD_BYTES_MAX):
            self.flow.pause_reading()
        self.message_event.set()

    async def receive(self) -> ASGIReceiveEvent:
        """What comes next of the body; a client's leaving only after all that came from it."""
        if self.waiting_for_100_continue and not self.transport.is_closing():
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self.waiting_for_100_continue = False
        if not self.is_short and self.gave_way < short_requests.GIVE_WAY_SECONDS_MAX:
            self.gave_way += await short_requests.give_way()
        while not self.response_complete:
            if self.pieces:
                return self._next_piece()
            if not self.more_body and not self.ended:
                self.ended = True
                return {"type": "http.request", "body": b"", "more_body": False}
            if self.disconnected:
                break
            self.flow.resume_reading()
            self.message_event.clear()
            await self.message_event.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: ASGISendEvent) -> None:
        """Send a part of the answer; a file's bytes as soon as everything before them is on its way."""
        self.count_short(is_short=False)
        if message["type"] == zero_copy.EXTENSION:
            await self._send_file(message)  # type: ignore[arg-type]
        else:
            await super().send(message)

    async def _send_file(self, message: dict[str, Any]) -> None:
        count, start = message["count"], message["offset"]
        if self.chunked_encoding or not self.response_started or count > self.expected_content_length:
            raise RuntimeError("a file is sent after the head, which tells the length")
        self.transport.set_write_buffer_limits(high=0)
        try:
            await self.flow.drain()
            if not self.disconnected:
                descriptor = self.transport.get_extra_info("socket").fileno()
                told = message.get("sent", lambda _: None)
                part = range(start, start + count)
                await zero_copy.send_file(descriptor, message["file"], part, lambda: self.disconnected, told)
        except TimeoutError:
            self.disconnected = True
            self.transport.abort()
        finally:
            self.transport.set_write_buffer_limits()
        self.expected_content_length -= count
        await super().send({"type": "http.response.body", "body": b"", "more_body": message["more_body"]})

    def count_short(self, *, is_short: bool) -> None:
        """Note whether it is one that is answered soon."""
        short_requests.count(is_short - self.is_short)
        self.is_short = is_short

    def _next_piece(self) -> ASGIReceiveEvent:
        piece = self.pieces.pop(0)
        self.held -= len(piece)
        _Held.count -= len(piece)
        if self.held < HELD_BYTES_MAX // 2:
            self.flow.resume_reading()
        self.ended = not self.pieces and not self.more_body
        return {"type": "http.request", "body": bytes(piece), "more_body": not self.ended}

    async def run_asgi(self, app: ASGI3Application) -> None:
        """Run the handler, and drop what it has not taken of the body."""
        try:
            await super().run_asgi(app)
        finally:
            self.drop()

    def drop(self) -> None:
        """Let go of what nobody will take any more."""
        self.count_short(is_short=False)
        self.ended = True
        self.pieces.clear()
        _Held.count -= self.held
        self.held = 0


class BodyProtocol(HttpToolsProtocol):
    """A connection; its requests are `BodyCycle`s."""

    #: Bytes of the present body that are still to come and do not pass through the parser.
    _left = 0
    #: Bytes of the present body that the parser has handed out.
    _seen = 0
    #: The length of the present body while it is under way; None where it is not said, or does not matter.
    _length: int | None = None

    def data_received(self, data: bytes) -> None:
        """Called by the loop with what was read."""
        if not self._left:
            super().data_received(data)
            self._leave_out_parser()
            return
        rest = b""
        if len(data) > self._left:
            data, rest = data[: self._left], data[self._left :]
        self._left -= len(data)
        self._take(data)
        if not self._left:
            self.on_message_complete()
            self._begin_parser()
            if rest and not self.transport.is_closing():
                self.data_received(rest)

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the loop: the client is gone; requests that waited for their turn are never handled."""
        for cycle, _app in self.pipeline:
            BodyCycle.become(cycle).drop()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """Called by the parser."""
        super().on_message_begin()
        self._length, self._seen = None, 0

    def on_headers_complete(self) -> None:
        """Called by the parser: the head of a request is read, and its handler is about to be run."""
        before = self.cycle
        super().on_headers_complete()
        if self.cycle is before or self.cycle is None:  # it was no request of HTTP
            return
        BodyCycle.become(self.cycle)
        if self.transport.get_extra_info("ssl_object") is None:
            extensions = {**(self.scope.get("extensions") or {}), zero_copy.EXTENSION: {}}
            self.scope["extensions"] = extensions
        self._length = _length(self.headers)
        BodyCycle.become(self.cycle).count_short(is_short=_is_short(self.headers, self._length))
        if self.parser.should_upgrade():
            self._length = None

    def on_body(self, body: bytes) -> None:
        """Called by the parser."""
        if self.parser.should_upgrade() and self._should_upgrade():
            return
        self._seen += len(body)
        self._take(body)

    def on_message_complete(self) -> None:
        """Called by the parser, or in its place."""
        super().on_message_complete()
        self._length = None

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        super()._start_asgi_task(BodyCycle.become(cycle), app)  # before `run_asgi` is looked up

    def _take(self, body: bytes) -> None:
        assert isinstance(self.cycle, BodyCycle)
        self.cycle.take(body)

    def _leave_out_parser(self) -> None:
        """From here to its end a large body of a known length is counted, and not parsed."""
        if self._length is not None and self._length - self._seen >= LARGE_BODY_BYTES:
            self._left = self._length - self._seen

    def _begin_parser(self) -> None:
        """A parser for the next request: the one before has not seen how this one ended."""
        self.parser = httptools.HttpRequestParser(self)
        # As uvicorn sets it for the first.
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)


def _is_short(headers: list[tuple[bytes, bytes]], length: int | None) -> bool:
    """Whether a request has no body, or a small one."""
    if length is None:
        return not any(name in (b"transfer-encoding", b"content-length") for name, _ in headers)
    return length < LARGE_BODY_BYTES


def _length(headers: list[tuple[bytes, bytes]]) -> int | None:
    """The body's `Content-Length`, where that alone says where it ends."""
    found: bytes | None = None
    for name, value in headers:
        if name == b"transfer-encoding":
            return None
        if name == b"content-length":
            if found is not None:
                return None
            found = value
    return int(found) if found is not None and found.isdigit() else None
