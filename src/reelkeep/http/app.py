"""The web application: the API, the S3 wire of the local stores, the page."""

from typing import Any
from urllib.parse import urlsplit

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from reelkeep import __version__
from reelkeep.errors import NotFound
from reelkeep.http import (
    archive_routes,
    auth_routes,
    backups_routes,
    fetch_routes,
    holds_routes,
    limits_routes,
    media_routes,
    multipart_routes,
    plain_upload,
    policies_routes,
    recordings_routes,
    server_routes,
    sessions_routes,
    storage_info_routes,
    storage_moves_routes,
    storage_usage_routes,
    through_us,
    uploads_routes,
)
from reelkeep.http.cors import ApiCors
from reelkeep.http.errors import install_errors
from reelkeep.http.limits import BodyLimit
from reelkeep.http.page import page_routes
from reelkeep.http.requests import HEADER, RequestLog
from reelkeep.http.resumable import routes as resumable_routes
from reelkeep.http.schemas import ErrorOut
from reelkeep.http.tus import tus_routes
from reelkeep.http.tus.fields import CORS_MAX_AGE_SECONDS, CORS_READ, CORS_SENT
from reelkeep.http.wire import wire_of
from reelkeep.runtime import Runtime
from reelkeep.stores.protocol import SignsUrls

DESCRIPTION = "The recording backend for apps that listen. Every error is `{message, error_code, details}`."
ERRORS: dict[int | str, dict[str, Any]] = {"4XX": {"model": ErrorOut}, "5XX": {"model": ErrorOut}}
ROUTERS = (
    plain_upload.router,
    uploads_routes.router,
    through_us.router,
    fetch_routes.router,
    multipart_routes.router,
    limits_routes.router,
    policies_routes.router,
    resumable_routes.router,
    recordings_routes.router,
    holds_routes.router,
    archive_routes.router,
    media_routes.router,
    media_routes.links,
    sessions_routes.router,
    storage_info_routes.router,
    storage_usage_routes.router,
    storage_moves_routes.router,
    backups_routes.router,
    auth_routes.router,
    server_routes.router,
)
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


def build_app(runtime: Runtime | None = None) -> FastAPI:
    """The application; without a runtime only its OpenAPI document is of use."""
    app = FastAPI(
        title="Reelkeep",
        version=__version__,
        description=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/openapi.json",
        responses=ERRORS,
    )
    install_errors(app)
    for router in ROUTERS:
        app.include_router(router)
    if runtime is not None:
        _install(app, runtime)
    return app


def _install(app: FastAPI, runtime: Runtime) -> None:
    """Everything that needs the runtime; the page comes last, since it answers every address."""
    app.state.runtime = runtime
    app.router.routes += [
        *tus_routes(),
        Route("/api/{path:path}", _nothing_here),
        *wire_of(runtime),
        *page_routes(_store_origins(runtime)),
    ]
    if runtime.settings.cors_origins:
        app.add_middleware(
            ApiCors,
            allow_origins=runtime.settings.cors_origins,
            allow_methods=METHODS,
            allow_headers=CORS_SENT,
            expose_headers=[HEADER, "Retry-After", *CORS_READ],
            max_age=CORS_MAX_AGE_SECONDS,
        )
    app.add_middleware(BodyLimit)
    app.add_middleware(RequestLog)


async def _nothing_here(request: Request) -> Response:
    raise NotFound(f"Nothing is at {request.url.path}; /api/openapi.json lists every address.")


def _store_origins(runtime: Runtime) -> list[str]:
    stores = runtime.stores.by_name.values()
    signing = [store.client_origin for store in stores if isinstance(store, SignsUrls)]
    own = urlsplit(runtime.settings.base_url)
    return [*signing, *(cdn.origin for cdn in runtime.stores.cdns.values()), f"{own.scheme}://{own.netloc}"]
