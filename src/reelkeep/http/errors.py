"""The one table from error codes to HTTP statuses, and the one shape of every error's answer."""

import math
from collections.abc import Mapping

from fastapi import FastAPI, Request
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from reelkeep.errors import (
    Conflict,
    EngineError,
    ErrorCode,
    Forbidden,
    Invalid,
    MediaError,
    NotFound,
    ReelkeepError,
    StoreError,
    Unauthenticated,
)
from reelkeep.logs import get_logger

log = get_logger(__name__)

#: Codes whose status is not that of their class.
STATUS_OF_CODE: Mapping[ErrorCode, int] = {
    ErrorCode.UPLOAD_TOO_LARGE: 413,
    ErrorCode.UNSUPPORTED_TYPE: 415,
    ErrorCode.TYPE_MISMATCH: 415,
    ErrorCode.UPLOAD_EXPIRED: 410,
    ErrorCode.UPLOAD_DISCARDED: 410,
    ErrorCode.LINK_INVALID: 410,
    ErrorCode.ORIGINAL_PURGED: 410,
    ErrorCode.RATE_LIMITED: 429,
    ErrorCode.UPLOADS_OPEN_MAX: 429,
    ErrorCode.QUOTA_EXCEEDED: 403,
    ErrorCode.MEDIA_TOO_LONG: 413,
    ErrorCode.UPLOAD_BUSY: 423,
    ErrorCode.UPLOAD_STALLED: 408,
    ErrorCode.SEAL_PENDING: 503,
    ErrorCode.STORE_UNAVAILABLE: 503,
    ErrorCode.DATABASE_UNAVAILABLE: 503,
    ErrorCode.SCRATCH_FULL: 503,
    ErrorCode.STORAGE_DISABLED: 503,
    ErrorCode.STORE_FULL: 507,
    ErrorCode.COPY_LOST: 502,
    ErrorCode.MEDIA_LINK_INVALID: 410,
    ErrorCode.COPY_ARCHIVED: 409,
    ErrorCode.OBJECT_NOT_FOUND: 502,
    ErrorCode.STORE_REFUSED: 502,
    ErrorCode.ENCRYPTION_KEY: 502,
    ErrorCode.KEY_ERASED: 410,
    ErrorCode.METHOD_NOT_ALLOWED: 405,
    ErrorCode.SIGN_IN_FAILED: 401,
    ErrorCode.ENGINE_UNKNOWN: 422,
}
STATUS_OF_CLASS: Mapping[type[ReelkeepError], int] = {
    NotFound: 404,
    Conflict: 409,
    Invalid: 422,
    Forbidden: 403,
    Unauthenticated: 401,
    MediaError: 422,
    EngineError: 503,
    StoreError: 502,
}
CODE_OF_STATUS = {
    401: ErrorCode.UNAUTHENTICATED,
    404: ErrorCode.NOT_FOUND,
    405: ErrorCode.METHOD_NOT_ALLOWED,
    413: ErrorCode.UPLOAD_TOO_LARGE,
}


def status_of(error: ReelkeepError) -> int:
    """The HTTP status of an error."""
    if error.code in STATUS_OF_CODE:
        return STATUS_OF_CODE[error.code]
    return next((status for kind, status in STATUS_OF_CLASS.items() if isinstance(error, kind)), 500)


def answer(error: ReelkeepError) -> JSONResponse:
    """An error as `{message, error_code, details}`; a wait is told in the body and in `Retry-After`."""
    details = dict(error.details)
    headers = {}
    if error.retry_after_seconds is not None:
        seconds = math.ceil(error.retry_after_seconds)
        details["retry_after"] = seconds
        headers["Retry-After"] = str(seconds)
    status = status_of(error)
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    body = {"message": error.message, "error_code": error.code, "details": details}
    return JSONResponse(jsonable_encoder(body), status, headers)


def install_errors(app: FastAPI) -> None:
    """Answer every error of this application in the one shape."""
    app.add_exception_handler(ReelkeepError, _on_reelkeep_error)
    app.add_exception_handler(RequestValidationError, _on_invalid_request)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_middleware(AnswerUnexpected)


async def _on_reelkeep_error(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ReelkeepError)
    if status_of(error) >= 500:
        # Whoever is told when to come again needs no stack: that the store is away is logged by the store.
        stack = error if error.retry_after_seconds is None else None
        log.error("request failed", error_code=error.code, error=error.message, exc_info=stack)
    return answer(error)


async def _on_invalid_request(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    problems = [
        {"field": ".".join(str(part) for part in problem["loc"][1:]), "problem": problem["msg"]}
        for problem in error.errors()
    ]
    told = "; ".join(f"{p['field'] or 'body'}: {p['problem']}" for p in problems)
    return answer(Invalid(f"The request is not right: {told}.", problems=problems))


async def _on_http_exception(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    code = CODE_OF_STATUS.get(error.status_code, ErrorCode.INVALID_REQUEST)
    message = {404: "Nothing is at this address.", 405: "This address does not take this method."}
    body = {"message": message.get(error.status_code, str(error.detail)), "error_code": code, "details": {}}
    return JSONResponse(body, error.status_code, error.headers)


class AnswerUnexpected:
    """Middleware that logs and answers what nobody expected.

    As a handler of Starlette's it would run outside of all other middleware: its answer without a request
    id and CORS headers, its log lines without the request's ids, and the connection broken.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run one request; an answer that has begun cannot be mended and is broken off."""
        begun = False

        async def send_noting(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, send_noting)
        except Exception as error:
            log.error("request failed unexpectedly", exc_info=error)
            if begun:
                raise
            told = ReelkeepError("Something went wrong on the server; its log has the details.")
            await answer(told)(scope, receive, send)
