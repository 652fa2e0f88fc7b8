"""Tickets for stores that clients cannot reach: the file goes by one request to an address of this server.

A client uses such a ticket as any other, a form or a PUT, then completes. The address is the upload's own
(`uploads.address`): who has it may send this upload's bytes until the ticket ends, and nothing else.
"""

from collections.abc import AsyncIterator
from uuid import UUID

from reelkeep.errors import Conflict, ErrorCode, Invalid, WrongBytes
from reelkeep.runtime import Runtime
from reelkeep.settings import POST_BYTES_MAX
from reelkeep.stores.protocol import ObjectFacts, Ticket
from reelkeep.uploads.address import address_of, read_address
from reelkeep.uploads.find import load_promised
from reelkeep.uploads.limits import COMPRESS_OR_PARTS, ONE_REQUEST
from reelkeep.uploads.models import Upload, UploadMethod, UploadState

SEND_PATH = "/api/v1/uploads/send"


def ticket_through_us(runtime: Runtime, upload: Upload) -> Ticket:
    """The ticket of an upload whose store clients cannot reach; its fields are those of a store's ticket."""
    address = address_of(runtime, upload.organization_id, upload.id)
    method = "PUT" if upload.method == UploadMethod.PUT else "POST"
    fields = {"Content-Type": upload.content_type}
    if method == "POST":
        fields = {"key": upload.incoming_key, **fields}
    return Ticket(method, f"{runtime.settings.base_url}{SEND_PATH}/{address}", fields)


async def take_by_ticket(
    runtime: Runtime,
    address: str,
    content_type: str | None,
    size_bytes: int | None,
    body: AsyncIterator[bytes],
) -> ObjectFacts:
    """Keep the bytes of an upload under `incoming/`, in place of any that came before; completing seals them.

    `content_type` and `size_bytes` are what the request says, None where it does not. Raises
    `UPLOAD_NOT_FOUND`, `UPLOAD_EXPIRED`, `RECORDING_STATE` when it is sealed, `UPLOAD_METHOD`,
    `TYPE_MISMATCH`, `UPLOAD_TOO_LARGE`, `UPLOAD_SIZE_MISMATCH` and `UPLOAD_DIGEST_MISMATCH`; then what had
    come before stays.
    """
    organization_id, upload_id = read_address(runtime, address)
    upload, sha256 = await _open_upload(runtime, organization_id, upload_id)
    if content_type is not None and content_type.lower() != upload.content_type.lower():
        raise Invalid(
            f"The ticket is for {upload.content_type} and {content_type} came.",
            ErrorCode.TYPE_MISMATCH,
            content_type=content_type,
        )
    bytes_max = upload.size_bytes_declared or min(upload.size_bytes_max, POST_BYTES_MAX)
    if size_bytes is not None and size_bytes > bytes_max:
        raise _too_large(bytes_max)
    try:
        return await runtime.stores.get(upload.store).put(
            upload.incoming_key,
            _bounded(body, bytes_max),
            content_type=upload.content_type,
            size_bytes=upload.size_bytes_declared,
            sha256=sha256,
        )
    except WrongBytes as error:
        of_size = error.details.get("check") == "size_bytes"
        raise Conflict(
            "The bytes that came are not those that were declared; send the file again.",
            ErrorCode.UPLOAD_SIZE_MISMATCH if of_size else ErrorCode.UPLOAD_DIGEST_MISMATCH,
            **error.details,
        ) from error


async def _open_upload(runtime: Runtime, organization_id: UUID, upload_id: UUID) -> tuple[Upload, str | None]:
    async with runtime.database.work(organization_id) as session:
        upload = await session.get(Upload, (organization_id, upload_id))
        sha256 = None
        if upload is not None:
            promised = await load_promised(session, runtime, organization_id, upload.recording_id)
            sha256 = promised.sha256_declared.hex() if promised.sha256_declared else None
    if upload is None or upload.state in (UploadState.EXPIRED, UploadState.REFUSED):
        raise _ended()
    if upload.state == UploadState.SEALED:
        raise Conflict(
            "The recording is safe already; there is nothing to send.", recording_id=str(upload.recording_id)
        )
    if upload.method not in ONE_REQUEST:
        raise Conflict(
            f"An upload of the method {upload.method} is sent to another address; its ticket has it.",
            ErrorCode.UPLOAD_METHOD,
            method=upload.method,
        )
    if upload.expires_at <= runtime.clock.now():
        raise _ended()
    return upload, sha256


async def _bounded(body: AsyncIterator[bytes], bytes_max: int) -> AsyncIterator[bytes]:
    received = 0
    async for piece in body:
        received += len(piece)
        if received > bytes_max:
            raise _too_large(bytes_max)
        yield piece


def _too_large(bytes_max: int) -> Invalid:
    return Invalid(
        f"More came than the {bytes_max:,} bytes that this ticket is for; {COMPRESS_OR_PARTS}.",
        ErrorCode.UPLOAD_TOO_LARGE,
        size_bytes_max=bytes_max,
        remedy=COMPRESS_OR_PARTS,
    )


def _ended() -> Conflict:
    return Conflict(
        "This ticket has ended; renew it, or begin a new upload.",
        ErrorCode.UPLOAD_EXPIRED,
    )
