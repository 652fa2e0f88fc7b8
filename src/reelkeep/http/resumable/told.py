"""What clients of this protocol are told: the headers of a state, problem details, a connection's end."""

import math
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fastapi.responses import JSONResponse
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from reelkeep.errors import ErrorCode, ReelkeepError
from reelkeep.http.errors import answer, status_of
from reelkeep.http.interim import Interim, interim_of
from reelkeep.http.resumable import fields
from reelkeep.http.resumable.versions import VERSION_FIELD, Version
from reelkeep.logs import get_logger

log = get_logger(__name__)

PROBLEM_TYPE = "application/problem+json"
PROBLEMS = {
    ErrorCode.UPLOAD_OFFSET_MISMATCH: "mismatching-upload-offset",
    ErrorCode.UPLOAD_SIZE_MISMATCH: "inconsistent-upload-length",
}
#: Where the draft asks for another status than the rest of the API has.
STATUSES = {
    ErrorCode.INVALID_REQUEST: 400,
    ErrorCode.UPLOAD_SIZE_MISMATCH: 400,
    ErrorCode.WRONG_BYTES: 400,
}
#: What the recording said to the whole file: going on with the upload mends none of these.
ABOUT_THE_WHOLE = frozenset(
    {
        ErrorCode.TYPE_MISMATCH,
        ErrorCode.UNSUPPORTED_TYPE,
        ErrorCode.UPLOAD_EMPTY,
        ErrorCode.UPLOAD_DIGEST_MISMATCH,
        ErrorCode.MEDIA_TOO_LONG,
    }
)


@dataclass(frozen=True, slots=True)
class Standing:
    """How far an upload is, as headers tell it."""

    offset: int
    complete: bool
    length: int | None
    size_bytes_max: int
    #: How long it may pause from now on.
    seconds_left: int


def seconds_until(moment: datetime, now: datetime) -> int:
    """Whole seconds, none below 0."""
    return max(0, math.floor((moment - now).total_seconds()))


def limits(version: Version, size_bytes_max: int, seconds_left: int | None = None) -> dict[str, str]:
    """`Upload-Limit`; its names differ between drafts."""
    members = {"max-size": size_bytes_max}
    if seconds_left is not None:
        members[version.lifetime] = seconds_left
    return {"Upload-Limit": fields.written_dictionary(members)}


def headers_of(version: Version, standing: Standing) -> dict[str, str]:
    """The headers that tell a state."""
    length = {} if standing.length is None else {"Upload-Length": str(standing.length)}
    return {
        VERSION_FIELD: str(version.number),
        "Upload-Offset": str(standing.offset),
        **version.completeness(standing.complete),
        **length,
        **limits(version, standing.size_bytes_max, standing.seconds_left),
        "Cache-Control": "no-store",
    }


def announce(interim: Interim, version: Version, location: str, standing: Standing) -> bool:
    """Send `104` with the address of the upload, before its body is read."""
    told = limits(version, standing.size_bytes_max, standing.seconds_left)
    return interim.send(104, {VERSION_FIELD: str(version.number), "Location": location, **told})


def problem(version: Version, error: ReelkeepError, offset_given: int | None = None) -> Response:
    """An error in the shape of RFC 9457 and in our own at once."""
    plain = answer(error)
    status = _status(error)
    kind = PROBLEMS.get(error.code)
    body = {
        "type": f"https://iana.org/assignments/http-problem-types#{kind}" if kind else "about:blank",
        "title": error.message,
        "status": status,
        **_offsets(error, offset_given),
        "message": error.message,
        "error_code": error.code,
        "details": {**error.details, "retry_after": error.retry_after_seconds},
    }
    over = error.code in ABOUT_THE_WHOLE
    headers = {VERSION_FIELD: str(version.number), **version.completeness(over)}
    if isinstance(offset := error.details.get("offset"), int):
        headers["Upload-Offset"] = str(offset)
    if isinstance(most := error.details.get("size_bytes_max"), int):
        headers |= limits(version, most)
    if retry_after := plain.headers.get("retry-after"):
        headers["Retry-After"] = retry_after
    return JSONResponse(body, status, headers, media_type=PROBLEM_TYPE)


def passes(error: ReelkeepError) -> bool:
    """Whether the same client may bring the rest later: the server failed, or the two lost one another."""
    lost = (ErrorCode.UPLOAD_STALLED, ErrorCode.UPLOAD_BUSY)
    return error.retry_after_seconds is not None or _status(error) >= 500 or error.code in lost


class BrokenOff(Response):
    """No answer: the connection ends. An iPhone takes a 5xx as the end of the upload, and resumes after this.

    Where connections cannot be ended so, the answer that was meant is sent.
    """

    def __init__(self, error: ReelkeepError, instead: Response) -> None:
        super().__init__()
        self._error, self._instead = error, instead

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """End the connection and see it gone."""
        interim = interim_of(scope)
        if interim is None:
            await self._instead(scope, receive, send)
            return
        log.warning(
            "broke off, for the client to go on later", error_code=self._error.code, exc_info=self._error
        )
        interim.close()
        while (await receive())["type"] != "http.disconnect":
            pass


def refusal(version: Version, error: ReelkeepError, offset_given: int | None = None) -> Response:
    """What a client with an upload's address is answered to an error."""
    told = problem(version, error, offset_given)
    return BrokenOff(error, told) if passes(error) else told


def _status(error: ReelkeepError) -> int:
    return STATUSES.get(error.code, status_of(error))


def _offsets(error: ReelkeepError, given: int | None) -> dict[str, Any]:
    """The members that the draft defines for a wrong offset."""
    if error.code != ErrorCode.UPLOAD_OFFSET_MISMATCH:
        return {}
    return {"expected-offset": error.details.get("offset"), "provided-offset": given}
