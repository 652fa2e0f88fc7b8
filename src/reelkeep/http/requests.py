"""Gives every request an id and logs how it ended."""

import time

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from reelkeep.blobs.media_links import MEDIA_PATH
from reelkeep.clock import new_id
from reelkeep.logs import get_logger, log_context

log = get_logger(__name__)

HEADER = "X-Request-ID"
#: Asked every few seconds by machines; logged only when they fail.
QUIET = ("/api/health/",)
#: What stands below these lets whoever knows it go on with an upload, or read.
SECRET = ("/api/v1/uploads/tus/", "/api/v1/uploads/resumable/", f"{MEDIA_PATH}/")


class RequestLog:
    """Middleware that streams through: it holds no body, so uploads and downloads cost nothing more."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run one request with its id on every log line and in the answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = str(new_id())
        status = 500

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[HEADER] = request_id
            await send(message)

        started = time.perf_counter()
        with log_context(request_id=request_id):
            try:
                await self._app(scope, receive, send_with_id)
            finally:
                self._tell(scope, status, time.perf_counter() - started)

    def _tell(self, scope: Scope, status: int, seconds: float) -> None:
        path: str = scope["path"]
        if status < 400 and path.startswith(QUIET):
            return
        for base in SECRET:
            if path.startswith(base):
                path = f"{base}…"
        log.info(
            "request", method=scope["method"], path=path, status=status, milliseconds=round(seconds * 1000, 1)
        )
