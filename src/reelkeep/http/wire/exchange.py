"""One request to the wire and its answer, at the level of ASGI: bodies are streamed both ways."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncGenerator, AsyncIterable, Mapping
from contextlib import aclosing
from urllib.parse import unquote

from starlette.types import Message, Receive, Scope, Send

from reelkeep.http.wire.documents import xml
from reelkeep.http.zero_copy import EXTENSION, can_zero_copy
from reelkeep.stores.refusals import S3Refusal

#: After a refusal, how much of the body is still taken so that the client gets to read why.
DRAIN_BYTES_MAX = 16 * 1024 * 1024
DRAIN_SECONDS_MAX = 10.0

#: Any page may use a signed URL: it carries its own authority, and cookies play no part.
CORS = {
    "access-control-allow-origin": "*",
    "access-control-expose-headers": "ETag, Location, Content-Length, Content-Range, Accept-Ranges, "
    "Retry-After, x-amz-request-id, x-amz-checksum-crc32, x-amz-checksum-sha256",
    "cross-origin-resource-policy": "cross-origin",
}
#: What was uploaded never runs as a page of ours.
SAFETY = {
    "x-content-type-options": "nosniff",
    "content-security-policy": "sandbox; default-src 'none'",
}


class ClientGone(Exception):
    """The client closed the connection before its body was whole."""


class Exchange:
    """A request as the wire reads it, and the only way to answer it."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, *, idle_seconds: float) -> None:
        self.method: str = scope["method"]
        #: Empty for the service itself.
        self.bucket: str = scope["path_params"].get("bucket", "")
        #: None for the bucket itself.
        self.key: str | None = scope["path_params"].get("key") or None
        #: The bucket, or the service, was named with a slash after it, which is part of what was signed.
        self.slash = self.key is None and scope["path"].endswith("/")
        self.headers = _headers(scope)
        self.query = _query(scope)
        self.request_id = secrets.token_hex(8).upper()
        self.started = False
        #: Of the bodies, as far as they went.
        self.bytes_in = 0
        self.bytes_out = 0
        #: Whether the server sends files by itself.
        self.sends_files = can_zero_copy(scope)
        self._receive, self._send, self._idle_seconds = receive, send, idle_seconds
        self._taken = False
        self._ended = "content-length" not in self.headers and "transfer-encoding" not in self.headers

    def given(self, name: str) -> str | None:
        """A header, or the query parameter that a signer made of it."""
        return self.headers.get(name) or next((v for n, v in self.query if n.lower() == name), None)

    async def body(self) -> AsyncGenerator[bytes, None]:
        """The body in pieces; a client that falls silent is refused, one that leaves raises `ClientGone`."""
        while not self._ended:
            try:
                async with asyncio.timeout(self._idle_seconds):
                    message = await self._next()
            except TimeoutError as error:
                raise S3Refusal(
                    "RequestTimeout",
                    "Your socket connection to the server was not read from or written to within "
                    f"the timeout period of {self._idle_seconds:g} seconds. Idle connections are closed.",
                ) from error
            if message.get("body"):
                yield message["body"]

    async def read(self, bytes_max: int) -> bytes:
        """The whole of a small body."""
        whole = bytearray()
        async with aclosing(self.body()) as body:
            async for piece in body:
                whole += piece
                if len(whole) > bytes_max:
                    raise S3Refusal(
                        "MaxMessageLengthExceeded",
                        "Your request was too big.",
                        MaxMessageLengthBytes=str(bytes_max),
                    )
        return bytes(whole)

    async def start(self, status: int, headers: Mapping[str, str]) -> None:
        """Send the head of the answer."""
        self.started = True
        whole = {**CORS, **SAFETY, "x-amz-request-id": self.request_id, **headers}
        encoded = [(name.encode(), value.encode("latin-1", "replace")) for name, value in whole.items()]
        await self._send({"type": "http.response.start", "status": status, "headers": encoded})

    async def send(self, piece: bytes, *, more: bool = True) -> None:
        """Send a piece of the answer's body; the last with `more=False`."""
        self.bytes_out += len(piece)
        await self._send({"type": "http.response.body", "body": piece, "more_body": more})

    async def send_file(self, file: int, start: int, end: int) -> None:
        """Send the rest of the answer's body out of a file, by its descriptor; see `sends_files`."""

        def count(sent: int) -> None:
            self.bytes_out += sent

        message = {"type": EXTENSION, "file": file, "offset": start, "count": end - start}
        await self._send({**message, "more_body": False, "sent": count})

    async def answer(self, status: int, headers: Mapping[str, str] | None = None, body: bytes = b"") -> None:
        """Send a whole answer."""
        length = {} if status in (204, 304) else {"content-length": str(len(body))}
        await self.start(status, {**length, **(headers or {})})
        await self.send(b"" if self.method == "HEAD" else body, more=False)

    async def answer_xml(self, body: bytes) -> None:
        """Send a document."""
        await self.answer(200, {"content-type": "application/xml"}, body)

    async def refuse(self, refusal: S3Refusal, headers: Mapping[str, str] | None = None) -> None:
        """Send S3's XML for a refusal, and see that a client in the midst of sending can read it."""
        body = b"" if self.method == "HEAD" else self._xml(refusal)
        whole = {"content-type": "application/xml", "content-length": str(len(body)), **(headers or {})}
        if self._ended:
            await self.start(refusal.status, whole)
            await self.send(body, more=False)
            return
        await self.start(refusal.status, {**whole, "connection": "close"})
        # A client that asked whether to go on has sent nothing, and is not invited to now.
        invited = self._taken or self.headers.get("expect", "").lower() != "100-continue"
        await self.send(body, more=invited)
        if invited:
            await self._drain()
            await self.send(b"", more=False)

    async def _next(self) -> Message:
        self._taken = True
        message = await self._receive()
        if message["type"] == "http.disconnect":
            self._ended = True
            raise ClientGone
        self._ended = not message.get("more_body", False)
        self.bytes_in += len(message.get("body", b""))
        return message

    async def _drain(self) -> None:
        left = DRAIN_BYTES_MAX
        with contextlib.suppress(ClientGone, TimeoutError):
            async with asyncio.timeout(DRAIN_SECONDS_MAX):
                while left > 0 and not self._ended:
                    left -= len((await self._next()).get("body", b""))

    def _xml(self, refusal: S3Refusal) -> bytes:
        resource = f"/{self.bucket}" + (f"/{self.key}" if self.key else "")
        elements = {"Code": refusal.code, "Message": refusal.message, **refusal.facts}
        elements |= {"Resource": resource, "RequestId": self.request_id}
        return xml("Error", elements)


async def send_pieces(exchange: Exchange, pieces: AsyncIterable[bytes]) -> None:
    """Stream an answer's body."""
    async for piece in pieces:
        await exchange.send(piece)
    await exchange.send(b"", more=False)


def _headers(scope: Scope) -> dict[str, str]:
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    return headers


def _query(scope: Scope) -> list[tuple[str, str]]:
    text = scope["query_string"].decode("latin-1")
    pairs = [pair.partition("=") for pair in text.split("&") if pair]
    return [(unquote(name), unquote(value)) for name, _, value in pairs]
