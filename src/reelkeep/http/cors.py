"""Which pages of other origins a browser lets in: those of the settings, and on the wire any."""

from starlette.middleware.cors import CORSMiddleware
from starlette.types import Receive, Scope, Send

from reelkeep.blobs.media_links import MEDIA_PATH
from reelkeep.stores.local import WIRE_PATH
from reelkeep.uploads.through_us import SEND_PATH

#: Signed requests and links carry their own authority, so these let every page in and say so themselves.
OWN_RULES = (f"{WIRE_PATH}/", f"{MEDIA_PATH}/", f"{SEND_PATH}/")


class ApiCors(CORSMiddleware):
    """The rules of `cors_origins` for everything that does not have its own."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run one request."""
        if scope["type"] == "http" and scope["path"].startswith(OWN_RULES):
            await self.app(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)
