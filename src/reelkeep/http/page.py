"""The web app: its built files, and its one page for every address that is nobody else's."""

import secrets
from collections.abc import Iterable, Sequence
from pathlib import Path

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

STATIC = Path(__file__).with_name("static")
NONCE_MARK = "__CSP_NONCE__"
NOT_BUILT = "The web app is not built in this checkout: run `make setup`, then start again."
#: Names of built files carry a hash of what is in them.
FOR_EVER = "public, max-age=31536000, immutable"


class BuiltFiles(StaticFiles):
    """Files whose names change with their content, so that a browser may keep them for ever."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """The file, with how long it may be kept."""
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = FOR_EVER
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response


def security_policy(nonce: str, store_origins: Iterable[str]) -> str:
    """The page's content security policy: our own scripts only, and the stores' bytes."""
    stores = " ".join(sorted(set(store_origins)))
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            f"style-src 'self' 'nonce-{nonce}'",
            "style-src-attr 'unsafe-inline'",
            "img-src 'self' data: blob:",
            "font-src 'self'",
            "worker-src 'self'",
            "manifest-src 'self'",
            f"connect-src 'self' {stores}",
            f"media-src 'self' blob: {stores}",
            "base-uri 'none'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        )
    )


def page_routes(store_origins: Sequence[str], static: Path = STATIC) -> list[BaseRoute]:
    """Routes for the built web app; they must come last, since the page answers every address."""
    index = static / "index.html"

    async def page(_request: Request) -> Response:
        if not index.is_file():
            return PlainTextResponse(NOT_BUILT, 503)
        nonce = secrets.token_urlsafe(16)
        html = index.read_text(encoding="utf-8").replace(NONCE_MARK, nonce)
        return Response(html, media_type="text/html", headers=_page_headers(nonce, store_origins))

    routes: list[BaseRoute] = [Route("/{path:path}", page, methods=["GET", "HEAD"])]
    assets = static / "assets"
    if assets.is_dir():
        routes.insert(0, Mount("/assets", BuiltFiles(directory=assets)))
    routes[0:0] = [_single_file(path) for path in sorted(static.glob("*.*")) if path != index]
    return routes


def _single_file(path: Path) -> Route:
    """An icon or a manifest that must lie at the root."""
    files = StaticFiles(directory=path.parent)

    async def send(request: Request) -> Response:
        return await files.get_response(path.name, request.scope)

    return Route(f"/{path.name}", send, methods=["GET", "HEAD"])


def _page_headers(nonce: str, store_origins: Iterable[str]) -> dict[str, str]:
    return {
        "Content-Security-Policy": security_policy(nonce, store_origins),
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=(self)",
    }
