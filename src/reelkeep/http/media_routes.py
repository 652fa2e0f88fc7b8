"""Play and download: URLs for a while, and the bytes through this process for whoever cannot use one."""

from enum import StrEnum
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from reelkeep.accounts.identify import Caller
from reelkeep.blobs.deliver import Shown, address_of, those_there
from reelkeep.blobs.find import Located, locate_all
from reelkeep.blobs.media_links import MEDIA_PATH, read_media_token
from reelkeep.errors import Conflict, ErrorCode
from reelkeep.http import schemas
from reelkeep.http.identity import requires, runtime_of
from reelkeep.http.media_answer import OPEN_TO_PAGES, answer_media
from reelkeep.recordings.change import original_gone
from reelkeep.recordings.models import Recording
from reelkeep.recordings.queries import get_recording
from reelkeep.renditions.models import RenditionKind
from reelkeep.renditions.read import find_rendition

router = APIRouter(prefix="/api/v1/recordings", tags=["recordings"])
links = APIRouter(include_in_schema=False)

Reader = Annotated[Caller, Depends(requires("recordings.read"))]
Wanted = Annotated[
    Literal["auto", "reelkeep"],
    Query(description="`reelkeep`: not the store's URL but one of this server, which reads from any copy."),
]
Checked = Annotated[
    bool,
    Query(
        description="Ask the stores first whether they have the bytes: an error that says why, instead of an "
        "address that gives nothing. Costs a request to the store."
    ),
]


class MediaKind(StrEnum):
    """What of a recording is wanted."""

    ORIGINAL = "original"
    PLAYBACK = "playback"


async def find_media(
    session: AsyncSession, organization_id: UUID, recording_id: UUID, kind: MediaKind
) -> tuple[list[Located], str]:
    """The copies of what is wanted that can be read now, and the file's name.

    Raises `UPLOAD_INCOMPLETE` and `RENDITION_NOT_READY` while there are no bytes yet, `COPY_ARCHIVED` and
    `COPY_LOST` when they cannot be read.
    """
    recording = await get_recording(session, organization_id, recording_id)
    if kind == MediaKind.PLAYBACK:
        rendition, _ = await find_rendition(session, organization_id, recording_id, RenditionKind.PLAYBACK)
        blob_id = rendition.blob_id
        name = recording.original_filename.rsplit(".", 1)[0] + ".m4a"
    else:
        if recording.original_blob_id is None:
            raise not_uploaded(recording)
        blob_id, name = recording.original_blob_id, recording.original_filename
    return await locate_all(session, organization_id, blob_id), name


def not_uploaded(recording: Recording) -> Conflict:
    """The error for a recording whose bytes are not here."""
    if recording.original_is_gone:
        return original_gone(recording)
    return Conflict(
        "The recording's bytes are not here yet; complete the upload first.",
        ErrorCode.UPLOAD_INCOMPLETE,
        status=recording.status,
    )


@router.get("/{recording_id}/download-url", response_model=schemas.SignedUrlOut)
async def download_url(
    request: Request, caller: Reader, recording_id: UUID, via: Wanted = "auto", check: Checked = False
) -> schemas.SignedUrlOut:
    """A URL that gives the original, under its own file name, for a while."""
    return await _url(request, caller, recording_id, MediaKind.ORIGINAL, via, check=check)


@router.get("/{recording_id}/playback-url", response_model=schemas.SignedUrlOut)
async def playback_url(
    request: Request, caller: Reader, recording_id: UUID, via: Wanted = "auto", check: Checked = False
) -> schemas.SignedUrlOut:
    """A URL that every current browser and iPhone plays with exact seek, for a while."""
    return await _url(request, caller, recording_id, MediaKind.PLAYBACK, via, check=check)


async def _url(
    request: Request, caller: Caller, recording_id: UUID, kind: MediaKind, via: Wanted, *, check: bool
) -> schemas.SignedUrlOut:
    runtime = runtime_of(request)
    async with runtime.database.work(caller.organization_id) as session:
        copies, name = await find_media(session, caller.organization_id, recording_id, kind)
    if check:
        copies = await those_there(runtime, copies)
    shown = Shown(caller.organization_id, name, kind == MediaKind.ORIGINAL, via == "reelkeep")
    address = await address_of(runtime, copies, shown)
    return schemas.SignedUrlOut(
        download_url=address.url,
        expires_in=address.expires_in_seconds,
        expires_at=address.expires_at,
        filename=address.filename,
        content_type=address.content_type,
        file_size_bytes=address.size_bytes,
        via=address.via,
    )


@router.head("/{recording_id}/media/{kind}", include_in_schema=False)
@router.get(
    "/{recording_id}/media/{kind}",
    response_class=Response,
    responses={
        200: {"content": {"audio/*": {}, "video/*": {}}, "description": "All bytes."},
        206: {"content": {"audio/*": {}, "video/*": {}}, "description": "The range asked for."},
        304: {"description": "The client has them."},
        416: {"description": "No such range."},
    },
)
async def media(
    request: Request,
    caller: Reader,
    recording_id: UUID,
    kind: MediaKind,
    download: Annotated[bool, Query(description="To be saved as a file, instead of shown.")] = False,
) -> Response:
    """The bytes themselves, through this server: for clients that cannot reach the store.

    Takes one range (`Range`, `If-Range`) and `If-None-Match`. `download-url` and `playback-url` are quicker
    where the store can be reached.
    """
    runtime = runtime_of(request)
    async with runtime.database.work(caller.organization_id) as session:
        copies, name = await find_media(session, caller.organization_id, recording_id, kind)
    # Asked again each time, because whoever comes next to this browser may be somebody else.
    headers = {"Cache-Control": "private, no-cache", "Vary": "Authorization, Cookie"}
    return await answer_media(
        request, runtime, copies, Shown(caller.organization_id, name, download), headers
    )


@links.head(MEDIA_PATH + "/{token}")
@links.get(MEDIA_PATH + "/{token}")
async def linked(request: Request, token: str) -> Response:
    """The bytes that a link lets its holder read."""
    runtime = runtime_of(request)
    now = runtime.clock.now()
    link = read_media_token(runtime.secrets, token, now)
    async with runtime.database.work(link.organization_id) as session:
        copies = await locate_all(session, link.organization_id, link.blob_id)
    seconds = int((link.expires_at - now).total_seconds())
    headers = {"Cache-Control": f"private, max-age={seconds}, immutable", **OPEN_TO_PAGES}
    return await answer_media(
        request, runtime, copies, Shown(link.organization_id, link.filename, link.download), headers
    )


@links.options(MEDIA_PATH + "/{token}")
async def preflight() -> Response:
    """What a browser asks before a page of another origin reads by range."""
    return Response(
        status_code=204,
        headers={
            **OPEN_TO_PAGES,
            "Access-Control-Allow-Methods": "GET, HEAD",
            "Access-Control-Allow-Headers": "Range, If-Range, If-None-Match",
            "Access-Control-Max-Age": "3600",
        },
    )
