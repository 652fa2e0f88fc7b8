"""The answers to a request that went well, and to one whose client has left."""

from uuid import UUID

from fastapi.encoders import jsonable_encoder
from fastapi.responses import JSONResponse
from starlette.responses import Response

from reelkeep.http.recordings_routes import detail
from reelkeep.http.resumable.told import Standing, headers_of, seconds_until
from reelkeep.http.resumable.versions import Version
from reelkeep.runtime import Runtime
from reelkeep.uploads.models import UploadState
from reelkeep.uploads.receive import Progress

#: What the log says of a request that nobody waits for any more; nginx has the same number.
CLIENT_GONE = 499


def standing_of(runtime: Runtime, progress: Progress) -> Standing:
    """How far an upload is, as headers tell it."""
    return Standing(
        offset=progress.offset,
        complete=progress.state == UploadState.SEALED,
        length=progress.length,
        size_bytes_max=progress.size_bytes_max,
        seconds_left=seconds_until(progress.expires_at, runtime.clock.now()),
    )


async def final(runtime: Runtime, organization_id: UUID, version: Version, progress: Progress) -> Response:
    """The answer that one plain request would have had: the recording, whose bytes are durable."""
    recording = await detail(runtime, organization_id, progress.recording_id, with_text=False)
    headers = headers_of(version, standing_of(runtime, progress))
    return JSONResponse(jsonable_encoder(recording), 201, headers)


def gone() -> Response:
    """For the log alone."""
    return Response(status_code=CLIENT_GONE)
