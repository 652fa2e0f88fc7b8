"""Begins a resumable upload, from the request that would otherwise have been a plain one."""

from fastapi import Request
from fastapi.responses import JSONResponse
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from reelkeep.accounts.identify import Caller
from reelkeep.errors import ErrorCode, Invalid, ReelkeepError
from reelkeep.http.described import describe_raw, new_recording
from reelkeep.http.identity import runtime_of
from reelkeep.http.interim import interim_of
from reelkeep.http.resumable.answers import final, gone, standing_of
from reelkeep.http.resumable.asked import Creation, content_length
from reelkeep.http.resumable.told import Standing, announce, headers_of, problem, refusal, seconds_until
from reelkeep.http.tus.fields import RECORDING_ID
from reelkeep.runtime import Runtime
from reelkeep.uploads.address import address_of
from reelkeep.uploads.models import Upload, UploadMethod, UploadState
from reelkeep.uploads.receive import Checksum, open_growing, receive

PATH = "/api/v1/uploads/resumable"


def is_offered(request: Request, creation: Creation) -> bool:
    """Whether a break could be survived: the client learns the address by `104`, or as its first answer."""
    return not creation.complete or interim_of(request.scope) is not None


async def create(request: Request, caller: Caller, creation: Creation) -> Response:
    """Begin an upload, tell its address, take what its first request brings."""
    runtime = runtime_of(request)
    try:
        upload = await _open(runtime, caller, request, creation)
    except ReelkeepError as error:
        return problem(creation.version, error)
    location = f"{runtime.settings.base_url}{PATH}/{address_of(runtime, upload.organization_id, upload.id)}"
    standing = _at_first(runtime, upload, creation)
    interim = interim_of(request.scope)
    known = interim is not None and announce(interim, creation.version, location, standing)
    try:
        answer = await _take(request, runtime, upload, creation, standing)
    except ClientDisconnect:
        return gone()
    except ReelkeepError as error:
        answer = refusal(creation.version, error) if known else problem(creation.version, error)
    answer.headers["Location"] = location
    answer.headers[RECORDING_ID] = str(upload.recording_id)
    return answer


async def _open(runtime: Runtime, caller: Caller, request: Request, creation: Creation) -> Upload:
    if creation.complete and creation.length == 0:
        raise Invalid("The request has no body; send the file's bytes.", ErrorCode.UPLOAD_EMPTY)
    new = new_recording(describe_raw(request), creation.length or None)
    return await open_growing(
        runtime,
        caller.organization_id,
        caller.user_id,
        new,
        UploadMethod.RESUMABLE,
        length=creation.length,
    )


def _at_first(runtime: Runtime, upload: Upload, creation: Creation) -> Standing:
    left = seconds_until(upload.expires_at, runtime.clock.now())
    return Standing(0, False, creation.length, upload.size_bytes_max, left)


async def _take(
    request: Request, runtime: Runtime, upload: Upload, creation: Creation, standing: Standing
) -> Response:
    if not creation.complete and content_length(request.headers) == 0:
        return JSONResponse({}, 201, headers_of(creation.version, standing))
    progress = await receive(
        runtime,
        upload.organization_id,
        upload.id,
        offset=0,
        body=request.stream(),
        body_length=content_length(request.headers),
        length=creation.length,
        last=creation.complete,
        checksum=Checksum("sha256", creation.sha256) if creation.sha256 else None,
    )
    if progress.state == UploadState.SEALED:
        return await final(runtime, upload.organization_id, creation.version, progress)
    return JSONResponse({}, 201, headers_of(creation.version, standing_of(runtime, progress)))
