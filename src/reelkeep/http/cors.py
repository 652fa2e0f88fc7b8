"""Which pages of other origins a browser lets in: those of the settings, and on the wire any."""

from starlette.middleware.cors import CORSMiddleware
from starlette.types import Receive, Scope, Send

from reelkeep.stores.local import WIRE_PATH

#: Signed requests carry their own authority, so the wire lets every page in and says so itself.
OWN_RULES = (f"{WIRE_PATH}/",)


class ApiCors(CORSMiddleware):
    """The rules of `cors_origins` for everything that does not have its own."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run one request."""
        if scope["type"] == "http" and scope["path"].startswith(OWN_RULES):
            await self.app(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)
