"""Where clients send a file whose store they cannot reach: the address of their ticket, a form or a PUT.

As with a store's own ticket no sign-in is needed and any page may send: the address is the authority.
"""

from collections.abc import Coroutine
from contextlib import aclosing
from typing import Any

from fastapi import APIRouter, Request
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from reelkeep.errors import Invalid, ReelkeepError
from reelkeep.http.errors import answer
from reelkeep.http.forms import UploadForm
from reelkeep.http.identity import runtime_of
from reelkeep.http.plain_upload import file_of, is_form, pieces_of
from reelkeep.http.resumable.answers import gone
from reelkeep.http.resumable.asked import content_length
from reelkeep.stores.protocol import ObjectFacts
from reelkeep.uploads.through_us import SEND_PATH, take_by_ticket

router = APIRouter(prefix=SEND_PATH, include_in_schema=False)
OPEN_TO_PAGES = {"Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": "ETag, Retry-After"}


@router.put("/{address}")
async def put(request: Request, address: str) -> Response:
    """Take the file as the request's body; 200 as a store answers."""
    return await _answered(_put(request, address), 200)


@router.post("/{address}")
async def post(request: Request, address: str) -> Response:
    """Take the file out of a form; 204 as a store answers."""
    return await _answered(_post(request, address), 204)


@router.options("/{address}")
async def options(request: Request) -> Response:
    """Let every page in."""
    asked = request.headers.get("access-control-request-headers", "Content-Type")
    headers = {
        **OPEN_TO_PAGES,
        "Access-Control-Allow-Methods": "PUT, POST",
        "Access-Control-Allow-Headers": asked,
        "Access-Control-Max-Age": "3600",
        "Vary": "Access-Control-Request-Headers",
    }
    return Response(status_code=200, headers=headers)


async def _answered(taking: Coroutine[Any, Any, ObjectFacts], status: int) -> Response:
    try:
        facts = await taking
    except ClientDisconnect:
        return gone()
    except ReelkeepError as error:
        refusal = answer(error)
        refusal.headers.update(OPEN_TO_PAGES)
        return refusal
    return Response(status_code=status, headers={**OPEN_TO_PAGES, "ETag": f'"{facts.etag}"'})


async def _put(request: Request, address: str) -> ObjectFacts:
    runtime, length = runtime_of(request), content_length(request.headers)
    content_type = request.headers.get("content-type")
    async with aclosing(pieces_of(request)) as body:
        return await take_by_ticket(runtime, address, content_type, length, body)


async def _post(request: Request, address: str) -> ObjectFacts:
    runtime = runtime_of(request)
    if not is_form(request):
        raise Invalid("Send the ticket's fields and the file as a form, the file last.")
    form = UploadForm(request.headers["content-type"])
    async with aclosing(pieces_of(request)) as pieces:
        first: list[memoryview] = []
        async for chunk in pieces:
            first = form.feed(chunk)
            if form.file_begun:
                break
        else:
            raise Invalid("The form has no file; add it as the last field.")
        content_type = form.fields.get("Content-Type")
        return await take_by_ticket(runtime, address, content_type, None, file_of(form, first, pieces))
