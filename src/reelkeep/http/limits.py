"""Bounds the bodies of the API: JSON is small, and bytes of recordings go to the wire or to the store."""

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from reelkeep.errors import ErrorCode, Invalid
from reelkeep.http.errors import answer

API_BODY_BYTES_MAX = 256 * 1024
API_PATH = "/api/"
#: These take a recording's bytes, and bound them by the upload's own limits. A trailing slash: all below it.
BYTES_PATHS = (
    "/api/v1/recordings/upload",
    "/api/v1/uploads/resumable/",
    "/api/v1/uploads/send/",
    "/api/v1/uploads/tus",
    "/api/v1/uploads/tus/",
)
TOO_LARGE = (
    f"The request's body is over {API_BODY_BYTES_MAX:,} bytes, more than any request here needs. "
    "Send a recording's bytes with its ticket."
)


class BodyLimit:
    """Middleware that answers 413 to an API body over 256 KiB, declared or found while it comes in."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run one request, its body counted as the application reads it."""
        if scope["type"] != "http" or not _is_bounded(scope["path"]):
            await self._app(scope, receive, send)
            return
        received = 0

        async def receive_counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > API_BODY_BYTES_MAX:
                # FastAPI lets this one through while it reads a body, and makes a 400 of any other.
                raise HTTPException(413, TOO_LARGE)
            return message

        if _declared_length(scope) > API_BODY_BYTES_MAX:
            await answer(_too_large())(scope, receive, send)
            return
        await self._app(scope, receive_counted, send)


def _is_bounded(path: str) -> bool:
    takes_bytes = any(path == one or (one.endswith("/") and path.startswith(one)) for one in BYTES_PATHS)
    return path.startswith(API_PATH) and not takes_bytes


def _declared_length(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value)
    return 0


def _too_large() -> Invalid:
    return Invalid(TOO_LARGE, ErrorCode.UPLOAD_TOO_LARGE, size_bytes_max=API_BODY_BYTES_MAX)
