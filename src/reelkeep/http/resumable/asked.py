"""What a request of this protocol asks for, read from its headers alone."""

from dataclasses import dataclass

from starlette.datastructures import Headers

from reelkeep.errors import ErrorCode, Invalid
from reelkeep.http.resumable import fields
from reelkeep.http.resumable.versions import NEWEST, VERSION_FIELD, VERSIONS, Version, version_of

PARTIAL_TYPE = "application/partial-upload"


@dataclass(frozen=True, slots=True)
class Creation:
    """A request that begins an upload."""

    version: Version
    #: The end of the body is the end of the upload.
    complete: bool
    #: Of the whole upload, where it is known.
    length: int | None
    #: The SHA-256 that its body must have.
    sha256: bytes | None


@dataclass(frozen=True, slots=True)
class Append:
    """A request that goes on with an upload."""

    version: Version
    offset: int
    complete: bool
    length: int | None
    #: The SHA-256 that its body must have.
    sha256: bytes | None


def read_creation(headers: Headers) -> Creation | None:
    """How an upload is begun, or None where the request is a plain one.

    A plain one is also what says that its body is whole in a version that is not spoken here: the draft has
    it ignored. One that says it is not whole is refused, or a part would be taken for the whole.
    """
    version = version_of(headers.getlist(VERSION_FIELD))
    if version is None:
        if any(v.complete_field in headers and _complete(v, headers) is False for v in VERSIONS.values()):
            raise _unknown_version()
        return None
    complete = _complete(version, headers)
    if complete is None:
        return None
    if offset_given(headers):
        raise Invalid("Begin an upload without Upload-Offset, or go on with one at its own address.")
    return Creation(version, complete, _length(headers, 0, complete), _digest(headers))


def read_append(headers: Headers) -> Append:
    """How an upload is gone on with; raises `INVALID_REQUEST` and `UPLOAD_SIZE_MISMATCH`."""
    version = version_asked(headers)
    offset = offset_given(headers)
    if offset is None:
        raise Invalid("The header Upload-Offset is missing or no number; HEAD says where to go on.")
    content_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    if version.types_patches and content_type != PARTIAL_TYPE:
        raise Invalid(f"Send the rest with Content-Type: {PARTIAL_TYPE}.", content_type=content_type)
    complete = _complete(version, headers)
    if complete is None and version.must_say_complete:
        raise Invalid(f"The header {version.complete_field} is missing; ?1 says that this is the last part.")
    complete = complete is not False
    return Append(version, offset, complete, _length(headers, offset, complete), _digest(headers))


def version_asked(headers: Headers) -> Version:
    """The version at an upload's own address; none named is the newest, so that curl needs less."""
    lines = headers.getlist(VERSION_FIELD)
    version = version_of(lines) if lines else NEWEST
    if version is None:
        raise _unknown_version()
    return version


def offset_given(headers: Headers) -> int | None:
    """Where the client believes that its body begins."""
    return fields.integer(headers.getlist("Upload-Offset"))


def content_length(headers: Headers) -> int | None:
    """The declared length of the body; None where it comes in chunks."""
    text = headers.get("content-length", "")
    return int(text) if text.isascii() and text.isdigit() else None


def _complete(version: Version, headers: Headers) -> bool | None:
    said = fields.boolean(headers.getlist(version.complete_field))
    return None if said is None else said != version.says_incomplete


def _digest(headers: Headers) -> bytes | None:
    return fields.sha256(headers.getlist("Content-Digest"))


def _length(headers: Headers, offset: int, complete: bool) -> int | None:
    """The length of the whole, told in one way or in two that agree."""
    declared = fields.integer(headers.getlist("Upload-Length"))
    body = content_length(headers)
    by_body = offset + body if complete and body is not None else None
    if declared is not None and by_body is not None and declared != by_body:
        raise Invalid(
            f"Upload-Length says {declared:,} bytes, and with this body there would be {by_body:,}.",
            ErrorCode.UPLOAD_SIZE_MISMATCH,
            size_bytes=by_body,
            size_bytes_declared=declared,
        )
    return by_body if declared is None else declared


def _unknown_version() -> Invalid:
    spoken = ", ".join(str(number) for number in VERSIONS)
    return Invalid(
        f"{VERSION_FIELD} names no version that is spoken here; send one of {spoken}.",
        versions=list(VERSIONS),
    )
