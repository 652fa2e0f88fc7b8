"""Look at bytes before they are sealed: how many there are, which they are, what is in them."""

from reelkeep.errors import Conflict, ErrorCode, Invalid
from reelkeep.media.sniff import sniff, types_agree
from reelkeep.stores.protocol import ObjectFacts, Store
from reelkeep.uploads.limits import Limits, check_size, is_allowed, not_taken, plain_type
from reelkeep.uploads.models import Upload

SNIFF_BYTES = 64 * 1024


def check_length(facts: ObjectFacts, upload: Upload, claimed: int | None) -> None:
    """Raise `UPLOAD_TOO_LARGE`, `UPLOAD_EMPTY`, or `UPLOAD_SIZE_MISMATCH` with what was declared."""
    check_size(facts.size_bytes, upload.size_bytes_max)
    if facts.size_bytes == 0:
        raise Invalid(
            "The file is empty; send it again under the same ticket.",
            ErrorCode.UPLOAD_EMPTY,
            recording_id=str(upload.recording_id),
        )
    for declared in (upload.size_bytes_declared, claimed):
        if declared is not None and declared != facts.size_bytes:
            raise Conflict(
                f"{facts.size_bytes:,} bytes arrived and {declared:,} were declared; "
                "send the file again under the same ticket.",
                ErrorCode.UPLOAD_SIZE_MISMATCH,
                recording_id=str(upload.recording_id),
                size_bytes=facts.size_bytes,
                size_bytes_declared=declared,
            )


def check_digest(facts: ObjectFacts, sha256_declared: bytes | None) -> None:
    """Compare where the store knows the digest; elsewhere the first step that reads all bytes does."""
    if facts.sha256 and sha256_declared and facts.sha256 != sha256_declared.hex():
        raise Conflict(
            "The bytes that arrived are not those that were declared (SHA-256 differs); send them again.",
            ErrorCode.UPLOAD_DIGEST_MISMATCH,
            sha256=facts.sha256,
            sha256_declared=sha256_declared.hex(),
        )


async def look_inside(store: Store, facts: ObjectFacts, upload: Upload, limits: Limits) -> str:
    """Look at the first bytes instead of believing the declared type; the type to keep.

    Raises `UNSUPPORTED_TYPE` for what is no sound or video, or none that is taken here, and `TYPE_MISMATCH`.
    """
    head = bytearray()
    async for piece in store.read(facts.key, 0, min(SNIFF_BYTES, facts.size_bytes)):
        head += piece
    found = sniff(bytes(head), facts.size_bytes)
    declared = plain_type(upload.content_type)
    if found is None:
        raise Invalid(
            f"The file says {declared}, but what is in it is no sound or video that is known here.",
            ErrorCode.UNSUPPORTED_TYPE,
            recording_id=str(upload.recording_id),
            content_type=declared,
        )
    if not types_agree(declared, found):
        raise Invalid(
            f"The file says {declared}, but what is in it is {found.media_type}; "
            "upload it again as what it is.",
            ErrorCode.TYPE_MISMATCH,
            recording_id=str(upload.recording_id),
            content_type=declared,
            found=found.media_type,
        )
    if not _is_taken(limits, declared, found.media_type):
        raise not_taken(limits, found.media_type)
    return declared


def _is_taken(limits: Limits, declared: str, found: str) -> bool:
    """Whether the limits allow what was found: as itself, or as the sound or video that it may as well be."""
    if declared.startswith(("audio/", "video/")):
        return is_allowed(limits, declared)
    kind = found.partition("/")[2]
    return is_allowed(limits, f"audio/{kind}") or is_allowed(limits, f"video/{kind}")
