"""The routes of tus."""

from uuid import UUID

from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from structlog.contextvars import bind_contextvars

from reelkeep.accounts.permissions import Permission
from reelkeep.errors import ErrorCode, Forbidden, Invalid, ReelkeepError, Unauthenticated
from reelkeep.http.errors import answer
from reelkeep.http.identity import caller, runtime_of
from reelkeep.http.tus import fields
from reelkeep.http.tus.create import PATH, create
from reelkeep.http.tus.exchange import Spoken
from reelkeep.http.tus.refusals import refusal, refusal_of_look
from reelkeep.logs import get_logger
from reelkeep.runtime import Runtime
from reelkeep.uploads.address import read_address
from reelkeep.uploads.models import UploadState
from reelkeep.uploads.receive import Progress, discard, look, receive

log = get_logger(__name__)

OVERRIDE = "x-http-method-override"
#: What the log says of a request that nobody waits for any more; nginx has the same number.
CLIENT_GONE = 499
AT_ALL = ["POST", "OPTIONS"]
AT_ADDRESS = ["HEAD", "PATCH", "DELETE", "POST", "OPTIONS"]


def tus_routes() -> list[Route]:
    """Where uploads begin, and where each goes on."""
    spoken = [Middleware(Spoken)]
    return [
        Route(PATH, _collection, methods=AT_ALL, middleware=spoken),
        Route(PATH + "/{address}", _address, methods=AT_ADDRESS, middleware=spoken),
    ]


async def _collection(request: Request) -> Response:
    if request.method == "OPTIONS":
        return _options(runtime_of(request))
    if wrong := _wrong_version(request):
        return wrong
    try:
        return await create(request)
    except ClientDisconnect:
        return Response(status_code=CLIENT_GONE)


async def _address(request: Request) -> Response:
    method = request.method
    if method == "POST":  # from where PATCH and DELETE cannot be sent
        method = request.headers.get(OVERRIDE, method).upper()
    if method == "OPTIONS":
        return _options(runtime_of(request))
    if wrong := _wrong_version(request):
        return wrong
    match method:
        case "HEAD":
            return await _head(request)
        case "PATCH":
            return await _patch(request)
        case "DELETE":
            return await _delete(request)
    told = Invalid("Send PATCH, HEAD or DELETE, or POST with X-HTTP-Method-Override.")
    return answer_as(405, told, {"Allow": ", ".join(AT_ADDRESS)})


async def _head(request: Request) -> Response:
    runtime = runtime_of(request)
    try:
        organization_id, upload_id = read_address(runtime, request.path_params["address"])
        bind_contextvars(organization_id=str(organization_id), upload_id=str(upload_id))
        progress = await look(runtime, organization_id, upload_id)
        told = {}
        if progress.tus_metadata and await _may_read(request, organization_id):
            told = {"Upload-Metadata": progress.tus_metadata}
    except ReelkeepError as error:
        return refusal_of_look(error)
    except Exception as error:  # any 5xx would have clients begin at zero
        log.error("upload cannot be looked at, unexpectedly", exc_info=error)
        return refusal_of_look(ReelkeepError("Something went wrong on the server."))
    length = {"Upload-Defer-Length": "1"}
    if progress.length is not None:
        length = {"Upload-Length": str(progress.length)}
    return Response(status_code=200, headers={**_standing(progress), **length, **told})


async def _may_read(request: Request, organization_id: UUID) -> bool:
    """Whether names and titles are nothing new to whoever asks: the address alone says nothing of that."""
    try:
        known = await caller(request)
    except (Unauthenticated, Forbidden):
        return False
    return known.organization_id == organization_id and known.may(Permission("recordings.read"))


async def _patch(request: Request) -> Response:
    runtime = runtime_of(request)
    try:
        organization_id, upload_id = read_address(runtime, request.path_params["address"])
        bind_contextvars(organization_id=str(organization_id), upload_id=str(upload_id))
        if not fields.is_bytes(request.headers.get("content-type")):
            return answer_as(415, _wrong_type())
        offset = fields.number(request.headers, "upload-offset")
        if offset is None:
            raise Invalid("The header Upload-Offset is missing; HEAD says where to go on.")
        progress = await receive(
            runtime,
            organization_id,
            upload_id,
            offset=offset,
            body=request.stream(),
            body_length=fields.number(request.headers, "content-length"),
            length=fields.number(request.headers, "upload-length"),
            checksum=fields.checksum(request.headers.get("upload-checksum")),
        )
    except ClientDisconnect:
        return Response(status_code=CLIENT_GONE)
    except ReelkeepError as error:
        return refusal(error)
    return Response(status_code=204, headers=_standing(progress))


async def _delete(request: Request) -> Response:
    runtime = runtime_of(request)
    try:
        organization_id, upload_id = read_address(runtime, request.path_params["address"])
        bind_contextvars(organization_id=str(organization_id), upload_id=str(upload_id))
        await discard(runtime, organization_id, upload_id)
    except ReelkeepError as error:
        if error.code == ErrorCode.RECORDING_STATE:  # it is a recording, which the address may not delete
            return answer(Forbidden(error.message, error.code, **error.details))
        return refusal(error)
    return Response(status_code=204)


def _standing(progress: Progress) -> dict[str, str]:
    headers = {
        "Upload-Offset": str(progress.offset),
        fields.RECORDING_ID: str(progress.recording_id),
        "Cache-Control": "no-store",
    }
    if progress.state == UploadState.OPEN:
        headers["Upload-Expires"] = fields.date(progress.expires_at)
    return headers


def _options(runtime: Runtime) -> Response:
    headers = {
        "Tus-Version": fields.VERSION,
        "Tus-Extension": ",".join(fields.EXTENSIONS),
        "Tus-Max-Size": str(runtime.settings.upload_size_bytes_max),
        "Tus-Checksum-Algorithm": ",".join(fields.ALGORITHMS),
    }
    return Response(status_code=204, headers=headers)


def _wrong_version(request: Request) -> Response | None:
    if request.headers.get("tus-resumable") == fields.VERSION:
        return None
    told = Invalid(f"Send the header Tus-Resumable: {fields.VERSION}; no other version is spoken here.")
    return answer_as(412, told, {"Tus-Version": fields.VERSION})


def _wrong_type() -> Invalid:
    return Invalid(f"Send the bytes with Content-Type: {fields.BYTES_TYPE}.", ErrorCode.UNSUPPORTED_TYPE)


def answer_as(status: int, error: ReelkeepError, headers: dict[str, str] | None = None) -> JSONResponse:
    """An error with the status that tus has for it."""
    told = answer(error)
    told.status_code = status
    told.headers.update(headers or {})
    return told
