"""A keep-alive HTTP/1.1 connection that costs its caller little: asyncio's protocol and httptools."""

import asyncio
import json
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlsplit

import httptools

ANSWER_SECONDS_MAX = 60.0


@dataclass(frozen=True, slots=True)
class Answer:
    """A response that has been read whole."""

    status: int
    body: bytes

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


class Connection(asyncio.Protocol):
    """One request at a time; opened by the first, and again when the server has closed it."""

    def __init__(self, url: str, token: str | None = None) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or 80
        self._head = f"Host: {parts.netloc}\r\n"
        self._authorization = f"Authorization: Bearer {token}\r\n" if token else ""
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[Answer] | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._pieces: list[bytes] = []
        self._status = 0

    async def request(
        self, method: str, path: str, body: bytes = b"", content_type: str = "", *, signed: bool = True
    ) -> Answer:
        """Send and wait for the whole answer; `signed` sends the bearer token along."""
        if self._transport is None or self._transport.is_closing():
            await self._open()
        assert self._transport is not None
        head = f"{method} {path} HTTP/1.1\r\n{self._head}{self._authorization if signed else ''}"
        if body or method == "POST":
            head += f"Content-Length: {len(body)}\r\n"
        if content_type:
            head += f"Content-Type: {content_type}\r\n"
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(f"{head}\r\n".encode() + body)
        async with asyncio.timeout(ANSWER_SECONDS_MAX):
            return await self._answer

    async def post_json(self, path: str, body: Any) -> Answer:
        """Post a JSON document."""
        return await self.request("POST", path, json.dumps(body).encode(), "application/json")

    def close(self) -> None:
        """Close; a later request opens again."""
        if self._transport:
            self._transport.close()

    async def _open(self) -> None:
        loop = asyncio.get_running_loop()
        await loop.create_connection(lambda: self, self._host, self._port)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio."""
        self._transport = cast(asyncio.Transport, transport)
        self._parser = httptools.HttpResponseParser(self)

    def data_received(self, data: bytes) -> None:
        """Called by asyncio."""
        self._parser.feed_data(data)

    def connection_lost(self, error: Exception | None) -> None:
        """Called by asyncio."""
        self._transport = None
        if self._answer and not self._answer.done():
            self._answer.set_exception(error or ConnectionResetError("the server closed the connection"))

    def on_message_begin(self) -> None:
        """Called by the parser."""
        self._pieces = []

    def on_body(self, piece: bytes) -> None:
        """Called by the parser."""
        self._pieces.append(piece)

    def on_message_complete(self) -> None:
        """Called by the parser."""
        status = self._parser.get_status_code()
        if status >= 200 and self._answer and not self._answer.done():
            self._answer.set_result(Answer(status, b"".join(self._pieces)))
