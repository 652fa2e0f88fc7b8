"""An upload's own address: where is it, go on with it, give it up. Who has the address needs no sign-in."""

from collections.abc import Awaitable, Callable

from fastapi import APIRouter, Request
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from reelkeep.errors import ReelkeepError
from reelkeep.http.identity import runtime_of
from reelkeep.http.resumable.answers import final, gone, standing_of
from reelkeep.http.resumable.asked import content_length, offset_given, read_append, version_asked
from reelkeep.http.resumable.create import PATH
from reelkeep.http.resumable.told import headers_of, limits, refusal
from reelkeep.http.resumable.versions import NEWEST, VERSION_FIELD, Version
from reelkeep.logs import log_context
from reelkeep.uploads.address import read_address
from reelkeep.uploads.models import UploadState
from reelkeep.uploads.receive import Checksum, discard, look, receive

router = APIRouter(prefix=PATH, tags=["uploads"])

Work = Callable[[Version], Awaitable[Response]]


@router.head("/{address}", status_code=204)
@router.get("/{address}", status_code=204, include_in_schema=False)
async def offset(request: Request, address: str) -> Response:
    """Where to go on: `Upload-Offset`. An older request that still hangs on this upload is ended."""

    async def work(version: Version) -> Response:
        runtime = runtime_of(request)
        organization_id, upload_id = read_address(runtime, address)
        with log_context(organization_id=organization_id, upload_id=upload_id):
            progress = await look(runtime, organization_id, upload_id)
        return Response(status_code=204, headers=headers_of(version, standing_of(runtime, progress)))

    return await _answered(request, work)


@router.patch("/{address}", status_code=204)
async def append(request: Request, address: str) -> Response:
    """Append a body at `Upload-Offset`; with `Upload-Complete: ?1` the answer is the recording's."""

    async def work(version: Version) -> Response:
        runtime = runtime_of(request)
        organization_id, upload_id = read_address(runtime, address)
        asked = read_append(request.headers)
        with log_context(organization_id=organization_id, upload_id=upload_id):
            progress = await receive(
                runtime,
                organization_id,
                upload_id,
                offset=asked.offset,
                body=request.stream(),
                body_length=content_length(request.headers),
                length=asked.length,
                last=asked.complete,
                checksum=Checksum("sha256", asked.sha256) if asked.sha256 else None,
            )
        if progress.state == UploadState.SEALED:
            return await final(runtime, organization_id, version, progress)
        return Response(
            status_code=version.appended_status, headers=headers_of(version, standing_of(runtime, progress))
        )

    return await _answered(request, work)


@router.delete("/{address}", status_code=204)
async def give_up(request: Request, address: str) -> Response:
    """End the upload and remove what came of it."""

    async def work(version: Version) -> Response:
        runtime = runtime_of(request)
        organization_id, upload_id = read_address(runtime, address)
        with log_context(organization_id=organization_id, upload_id=upload_id):
            await discard(runtime, organization_id, upload_id)
        return Response(status_code=204, headers={VERSION_FIELD: str(version.number)})

    return await _answered(request, work)


@router.options("/{address}", status_code=204)
async def limits_here(request: Request, address: str) -> Response:  # noqa: ARG001 - every address has the same
    """The limits, in `Upload-Limit`."""

    async def work(version: Version) -> Response:
        told = limits(version, runtime_of(request).settings.upload_size_bytes_max)
        allow = {"Allow": "HEAD, PATCH, DELETE, OPTIONS", VERSION_FIELD: str(version.number)}
        return Response(status_code=204, headers={**told, **allow})

    return await _answered(request, work)


async def _answered(request: Request, work: Work) -> Response:
    version = NEWEST
    try:
        version = version_asked(request.headers)
        return await work(version)
    except ClientDisconnect:
        return gone()
    except ReelkeepError as error:
        return refusal(version, error, offset_given(request.headers))
