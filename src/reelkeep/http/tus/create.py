"""Begins a tus upload, and takes the bytes that may come with the very first request."""

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from structlog.contextvars import bind_contextvars

from reelkeep.accounts.permissions import Permission
from reelkeep.errors import ErrorCode, Invalid, ReelkeepError
from reelkeep.http.described import described, new_recording
from reelkeep.http.identity import caller, runtime_of
from reelkeep.http.tus import fields
from reelkeep.http.tus.refusals import refusal_of_creation
from reelkeep.logs import get_logger
from reelkeep.runtime import Runtime
from reelkeep.uploads.address import address_of
from reelkeep.uploads.models import Upload, UploadMethod, UploadState
from reelkeep.uploads.receive import Checksum, Progress, look, open_growing, receive

log = get_logger(__name__)

PATH = "/api/v1/uploads/tus"
#: With the creation came bytes that will never be a recording, or that nobody can seal yet: not `201`, which
#: would be taken for success.
NOT_CREATED = (
    ErrorCode.UNSUPPORTED_TYPE,
    ErrorCode.TYPE_MISMATCH,
    ErrorCode.UPLOAD_DIGEST_MISMATCH,
    ErrorCode.UPLOAD_EMPTY,
    ErrorCode.QUOTA_EXCEEDED,
    ErrorCode.SEAL_PENDING,
)


async def create(request: Request) -> Response:
    """`201` with the upload's address; with its offset, too, when the request brought bytes."""
    runtime = runtime_of(request)
    known = await caller(request)
    known.require(Permission("recordings.write"))
    try:
        if request.headers.get("upload-concat") is not None:
            raise Invalid("Uploads are not put together here; set parallelUploads to 1.")
        length = fields.length(request.headers)
        checksum = fields.checksum(request.headers.get("upload-checksum"))
        metadata = request.headers.get("upload-metadata")
        named = fields.metadata(metadata)
        upload = await open_growing(
            runtime,
            known.organization_id,
            known.user_id,
            new_recording(described(fields.described_by(named), None)),
            UploadMethod.TUS,
            length=length,
            tus_metadata=metadata,
            client_key=fields.upload_key(named),
        )
    except ReelkeepError as error:
        return refusal_of_creation(error)
    bind_contextvars(upload_id=str(upload.id), recording_id=str(upload.recording_id))
    answer = await _with_bytes(request, runtime, upload, checksum)
    address = address_of(runtime, upload.organization_id, upload.id)
    answer.headers["Location"] = f"{runtime.settings.base_url}{PATH}/{address}"
    answer.headers[fields.RECORDING_ID] = str(upload.recording_id)
    return answer


async def _with_bytes(
    request: Request, runtime: Runtime, upload: Upload, checksum: Checksum | None
) -> Response:
    headers = {"Upload-Expires": fields.date(upload.expires_at)}
    body_length = fields.number(request.headers, "content-length")
    if body_length == 0 or not fields.is_bytes(request.headers.get("content-type")):
        return Response(status_code=201, headers=headers)
    try:
        progress = await _take(request, runtime, upload, checksum, body_length)
    except ReelkeepError as error:
        return refusal_of_creation(error)
    if progress.state != UploadState.OPEN:
        headers = {}
    return Response(status_code=201, headers={**headers, "Upload-Offset": str(progress.offset)})


async def _take(
    request: Request, runtime: Runtime, upload: Upload, checksum: Checksum | None, body_length: int | None
) -> Progress:
    """Take the bytes; where that fails for now, how far it came: the client knows the address and goes on."""
    ids = (upload.organization_id, upload.id)
    try:
        return await receive(
            runtime, *ids, offset=0, body=request.stream(), body_length=body_length, checksum=checksum
        )
    except ClientDisconnect:
        raise
    except ReelkeepError as error:
        if error.code in NOT_CREATED:
            raise
        log.info("upload begun, its first bytes not all taken", error_code=error.code, error=error.message)
        return await look(runtime, *ids)
