"""What a refusal is answered with, so that clients as they are do the right thing.

`docs/tus.md` has the table. Behind it are two rules: a client that may go on later is never told anything
that makes it begin at zero, and one whose content was refused never takes that for success or tries for ever.
"""

from starlette.responses import JSONResponse, Response

from reelkeep.errors import ErrorCode, NotFound, ReelkeepError
from reelkeep.http.errors import answer, status_of
from reelkeep.logs import get_logger

log = get_logger(__name__)

CHECKSUM_MISMATCH = 460
WAIT_SECONDS = 5
#: The request is wrong in itself.
BAD_REQUEST = (ErrorCode.INVALID_REQUEST, ErrorCode.UPLOAD_SIZE_MISMATCH)
#: Sending on, or again, mends it.
PASSES = (ErrorCode.UPLOAD_STALLED, ErrorCode.UPLOAD_INCOMPLETE)
#: Said of a PATCH while its upload stays as it is.
STAYS = (ErrorCode.UPLOAD_OFFSET_MISMATCH, ErrorCode.UPLOAD_BUSY, ErrorCode.UPLOAD_TOO_LARGE)


def refusal(error: ReelkeepError) -> Response:
    """The answer to a PATCH or DELETE at an upload's address."""
    status = _status_of_change(error)
    told = answer(error)
    offset = error.details.get("offset")
    if isinstance(offset, int):
        told.headers["Upload-Offset"] = str(offset)
    told.status_code = status
    if status == 503:
        told.headers.setdefault("Retry-After", str(WAIT_SECONDS))
    if status_of(error) >= 500:
        log.warning("upload interrupted", error_code=error.code, exc_info=error)
    return told


def refusal_of_look(error: ReelkeepError) -> Response:
    """The answer to a HEAD at an upload's address, which has no body."""
    status = _status_of_look(error)
    headers = {}
    if status == 423:
        headers["Retry-After"] = str(error.retry_after_seconds or WAIT_SECONDS)
        log.info("upload cannot be looked at now", error_code=error.code, error=error.message)
    return Response(status_code=status, headers=headers)


def refusal_of_creation(error: ReelkeepError) -> JSONResponse:
    """The answer to a POST: as everywhere, but that a wrong header is 400."""
    told = answer(error)
    if error.code in BAD_REQUEST:
        told.status_code = 400
    if error.code == ErrorCode.WRONG_BYTES:
        told.status_code = CHECKSUM_MISMATCH
    return told


def _status_of_look(error: ReelkeepError) -> int:
    if isinstance(error, NotFound):
        return 404
    if _may_pass(error):
        return 423
    return 400 if error.code == ErrorCode.INVALID_REQUEST else 410


def _status_of_change(error: ReelkeepError) -> int:
    status = status_of(error)
    if error.code == ErrorCode.WRONG_BYTES:
        return CHECKSUM_MISMATCH
    if error.code in STAYS or isinstance(error, NotFound) or status == 507:
        return status
    if error.code in BAD_REQUEST:
        return 400
    return 503 if _may_pass(error) else 410


def _may_pass(error: ReelkeepError) -> bool:
    waits = error.retry_after_seconds is not None or error.code in PASSES
    return waits or status_of(error) >= 500 or status_of(error) in (401, 403, 429)
