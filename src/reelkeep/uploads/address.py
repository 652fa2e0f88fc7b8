"""The address of an upload that comes in several goes: whoever has it may go on with the upload, nobody else.

It names the organization and the upload and is signed, so it needs no sign-in and outlives the one that it
was given under. It can only ever append to, look at, or discard this one upload.
"""

import base64
import binascii
import hmac
from uuid import UUID

from reelkeep.errors import ErrorCode, NotFound
from reelkeep.runtime import Runtime

PURPOSE = "upload address"
IDS_BYTES, SIGNATURE_BYTES = 32, 16


def address_of(runtime: Runtime, organization_id: UUID, upload_id: UUID) -> str:
    """64 characters that are safe in a path and cannot be guessed; the same each time."""
    ids = organization_id.bytes + upload_id.bytes
    return base64.urlsafe_b64encode(ids + _signature(runtime, ids)).decode()


def read_address(runtime: Runtime, text: str) -> tuple[UUID, UUID]:
    """The organization and the upload, or `UPLOAD_NOT_FOUND` for an address that was never given."""
    try:
        whole = base64.b64decode(text.encode("ascii"), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        whole = b""
    ids, signature = whole[:IDS_BYTES], whole[IDS_BYTES:]
    if len(ids) != IDS_BYTES or not hmac.compare_digest(signature, _signature(runtime, ids)):
        raise NotFound(
            "No upload has this address; begin a new upload, or use the whole address that was given.",
            ErrorCode.UPLOAD_NOT_FOUND,
        )
    return UUID(bytes=ids[:16]), UUID(bytes=ids[16:])


def _signature(runtime: Runtime, ids: bytes) -> bytes:
    return hmac.digest(runtime.secrets.derive(PURPOSE), ids, "sha256")[:SIGNATURE_BYTES]
