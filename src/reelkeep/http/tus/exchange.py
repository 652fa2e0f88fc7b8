"""What is the same for every request of tus, around its handler."""

import asyncio
from contextlib import suppress

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from reelkeep.http.tus.fields import VERSION

#: After a refusal, how much of the body is still taken so that the client gets to read why.
DRAIN_BYTES_MAX = 16 * 1024 * 1024
DRAIN_SECONDS_MAX = 10.0


class Spoken:
    """Middleware: every answer says the version, and a client in the midst of sending can read a refusal."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run one request."""
        await self._app(scope, *_Exchange(scope, receive, send).faces())


class _Exchange:
    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._receive, self._send = receive, send
        names = {name for name, _ in scope["headers"]}
        self._ended = not names & {b"content-length", b"transfer-encoding"}
        self._taken = False
        # Such a client sends nothing before it is told to go on, and is not told to now.
        self._waits = any(name == b"expect" for name in names)
        self._drains = False

    def faces(self) -> tuple[Receive, Send]:
        return self._next, self._answer

    async def _next(self) -> Message:
        self._taken = True
        message = await self._receive()
        if message["type"] == "http.disconnect" or not message.get("more_body", False):
            self._ended = True
        return message

    async def _answer(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers["Tus-Resumable"] = VERSION
            headers["X-Content-Type-Options"] = "nosniff"
            headers.setdefault("Cache-Control", "no-store")
            if not self._ended:
                headers["Connection"] = "close"
                self._drains = self._taken or not self._waits
        elif self._drains and not message.get("more_body", False):
            await self._send({**message, "more_body": True})
            await self._drain()
            message = {"type": "http.response.body", "body": b"", "more_body": False}
        await self._send(message)

    async def _drain(self) -> None:
        left = DRAIN_BYTES_MAX
        with suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_SECONDS_MAX):
                while left > 0 and not self._ended:
                    left -= len((await self._next()).get("body", b""))
