"""What may be uploaded: an organization's limits over the settings, and what is declared against them."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any
from uuid import UUID

from sqlalchemy import Text, Uuid, bindparam, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from reelkeep.blobs.usage import Ceiling
from reelkeep.errors import ErrorCode, Invalid
from reelkeep.recordings.create import NewRecording
from reelkeep.settings import POST_BYTES_MAX, Settings
from reelkeep.uploads.models import UploadLimits, UploadMethod

#: RFC 6838, section 4.2.
MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]*/[a-z0-9][a-z0-9!#$&^_.+-]*")
#: The `recording_type` of the row that is for all types.
ALL_TYPES = ""
#: What counts for the organization as a whole, so only the row for all types says it.
WHOLE = ("uploads_open_max", "tickets_per_minute_max", "quota_bytes")
BY_TYPE = ("content_types", "size_bytes_max", "duration_seconds_max")
COMPRESS_OR_PARTS = "compress it, or send it in parts, each a recording of one session"
#: What a file at a URL is until the server that has it was asked.
UNKNOWN_TYPE = "application/octet-stream"
#: Those that send a whole file by one request to the store.
ONE_REQUEST = (UploadMethod.POST, UploadMethod.PUT)


@dataclass(frozen=True, slots=True)
class Limits:
    """What one organization may upload of one recording type."""

    content_types: Sequence[str]
    size_bytes_max: int
    duration_seconds_max: int
    uploads_open_max: int
    tickets_per_minute_max: int
    #: None: no limit.
    quota_bytes: int | None

    def ceiling(self, method: UploadMethod) -> Ceiling:
        """What the organization may have at once; what the operator brings in itself is no ticket."""
        counted = None if method == UploadMethod.DIRECT else self.tickets_per_minute_max
        return Ceiling(self.quota_bytes, self.uploads_open_max, counted)


def merge_limits(settings: Settings, rows: Iterable[UploadLimits | None]) -> Limits:
    """The settings, and over them these rows, the one for all types first."""
    found: dict[str, Any] = {
        "content_types": settings.upload_content_types,
        "size_bytes_max": settings.upload_size_bytes_max,
        "duration_seconds_max": settings.duration_seconds_max,
        "uploads_open_max": settings.uploads_open_max,
        "tickets_per_minute_max": settings.tickets_per_minute_max,
        "quota_bytes": settings.quota_bytes,
    }
    for row in rows:
        if row is not None:
            names = (*BY_TYPE, *WHOLE) if row.recording_type == ALL_TYPES else BY_TYPE
            found |= {name: value for name in names if (value := getattr(row, name)) is not None}
    # What a worker can take is a bound for everybody.
    found["duration_seconds_max"] = min(found["duration_seconds_max"], settings.duration_seconds_max)
    return Limits(**found)


_IN_FORCE = (
    select(UploadLimits)
    .where(
        UploadLimits.organization_id == bindparam("organization_id", type_=Uuid()),
        or_(
            UploadLimits.recording_type == ALL_TYPES,
            UploadLimits.recording_type == bindparam("recording_type", type_=Text()),
        ),
    )
    .order_by(UploadLimits.recording_type)
)


async def load_limits(
    session: AsyncSession, settings: Settings, organization_id: UUID, recording_type: str = ALL_TYPES
) -> Limits:
    """The limits in force for recordings of this type; one statement."""
    values = {"organization_id": organization_id, "recording_type": recording_type}
    return merge_limits(settings, await session.scalars(_IN_FORCE, values))


def check_declared(limits: Limits, new: NewRecording, method: UploadMethod) -> None:
    """Raise what is wrong with what a client declares, before anything is written or sent."""
    if new.client_encrypted:
        _check_opaque(new.content_type)
    elif method != UploadMethod.URL or new.content_type != UNKNOWN_TYPE:
        check_type(limits, new.content_type)
    check_size(new.size_bytes, limits.size_bytes_max)
    if method in ONE_REQUEST:
        _check_one_request(new.size_bytes)
    check_duration(new.duration_seconds, limits.duration_seconds_max)


def plain_type(content_type: str) -> str:
    """A media type without its parameters, in lower case: `audio/webm;codecs=opus` is `audio/webm`."""
    return content_type.split(";", 1)[0].strip().lower()


def is_allowed(limits: Limits, media_type: str) -> bool:
    """Whether a plain media type is among those that are taken."""
    return any(fnmatchcase(media_type, allowed) for allowed in limits.content_types)


def check_type(limits: Limits, content_type: str) -> None:
    """Raise `UNSUPPORTED_TYPE` unless the declared type is one that is taken."""
    plain = plain_type(content_type)
    # A header is made of it; \r and \n would make two.
    well_formed = MEDIA_TYPE.fullmatch(plain) and content_type.isascii() and content_type.isprintable()
    if not well_formed or not is_allowed(limits, plain):
        raise not_taken(limits, plain)


def not_taken(limits: Limits, media_type: str) -> Invalid:
    """The refusal of a type that is not taken here."""
    return Invalid(
        f"{media_type or 'This'} is not a type that is taken here; send one of "
        f"{', '.join(limits.content_types)}.",
        ErrorCode.UNSUPPORTED_TYPE,
        content_type=media_type,
        allowed=list(limits.content_types),
    )


def check_size(size_bytes: int | None, size_bytes_max: int) -> None:
    """Raise `UPLOAD_TOO_LARGE`, with the limit and the remedy, when a known size is over it."""
    if size_bytes is not None and size_bytes > size_bytes_max:
        raise Invalid(
            f"The file has {size_bytes:,} bytes and the limit is {size_bytes_max:,}; {COMPRESS_OR_PARTS}.",
            ErrorCode.UPLOAD_TOO_LARGE,
            size_bytes=size_bytes,
            size_bytes_max=size_bytes_max,
            remedy=COMPRESS_OR_PARTS,
        )


def check_duration(duration_seconds: float | None, duration_seconds_max: int) -> None:
    """Raise `MEDIA_TOO_LONG`, with the limit and the remedy, when a known duration is over it."""
    if duration_seconds is not None and duration_seconds > duration_seconds_max:
        raise Invalid(
            f"The recording has {duration_seconds:,.0f} seconds and the limit is {duration_seconds_max:,}; "
            "send it in parts, each a recording of one session.",
            ErrorCode.MEDIA_TOO_LONG,
            duration_seconds=duration_seconds,
            duration_seconds_max=duration_seconds_max,
            remedy="send it in parts, each a recording of one session",
        )


def _check_opaque(content_type: str) -> None:
    if plain_type(content_type) != UNKNOWN_TYPE:
        raise Invalid(
            f"What a client has encrypted itself is sent as {UNKNOWN_TYPE}; {content_type} is what is in it.",
            ErrorCode.UNSUPPORTED_TYPE,
            content_type=content_type,
            allowed=[UNKNOWN_TYPE],
        )


def _check_one_request(size_bytes: int | None) -> None:
    if size_bytes is not None and size_bytes > POST_BYTES_MAX:
        raise Invalid(
            f"The file has {size_bytes:,} bytes and one form or PUT carries at most {POST_BYTES_MAX:,}, "
            'S3\'s own limit; ask for a ticket with the method "multipart" or "tus".',
            ErrorCode.UPLOAD_TOO_LARGE,
            size_bytes=size_bytes,
            size_bytes_max=POST_BYTES_MAX,
            remedy="use multipart or tus",
        )
