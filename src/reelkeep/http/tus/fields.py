"""The headers of tus, read and written; nothing here knows of a request or of an upload."""

import base64
import binascii
from collections.abc import Mapping
from datetime import datetime
from email.utils import format_datetime
from typing import Any, Literal, cast

from reelkeep.errors import Invalid
from reelkeep.uploads.receive import Checksum

VERSION = "1.0.0"
BYTES_TYPE = "application/offset+octet-stream"
ALGORITHMS = {"sha1": 20, "sha256": 32}
EXTENSIONS = (
    "creation",
    "creation-with-upload",
    "creation-defer-length",
    "checksum",
    "expiration",
    "termination",
)
RECORDING_ID = "Reelkeep-Recording-Id"

#: What a page of another origin may send and read: tusd's list, the drafts of the IETF, and our own.
CORS_SENT = (
    "Authorization",
    "Content-Digest",
    "Content-Disposition",
    "Content-Type",
    "Reelkeep-Recording",
    "Repr-Digest",
    "Tus-Resumable",
    "Upload-Checksum",
    "Upload-Complete",
    "Upload-Concat",
    "Upload-Defer-Length",
    "Upload-Draft-Interop-Version",
    "Upload-Incomplete",
    "Upload-Length",
    "Upload-Metadata",
    "Upload-Offset",
    "X-HTTP-Method-Override",
    "X-Request-ID",
    "X-Requested-With",
)
CORS_READ = (
    "Location",
    RECORDING_ID,
    "Tus-Extension",
    "Tus-Max-Size",
    "Tus-Resumable",
    "Tus-Version",
    "Upload-Complete",
    "Upload-Concat",
    "Upload-Defer-Length",
    "Upload-Draft-Interop-Version",
    "Upload-Expires",
    "Upload-Incomplete",
    "Upload-Length",
    "Upload-Limit",
    "Upload-Metadata",
    "Upload-Offset",
)
CORS_MAX_AGE_SECONDS = 86_400

#: Clients' own names for what `initiate` calls otherwise.
RENAMED = {
    "filetype": "content_type",
    "contentType": "content_type",
    "duration_seconds": "estimated_duration_seconds",
}
FIELDS = frozenset(
    {
        "filename",
        "content_type",
        "recording_type",
        "title",
        "appointment_id",
        "visit_id",
        "estimated_duration_seconds",
        "sha256",
        "transcribe",
        "session_id",
        "session_title",
        "part_number",
    }
)
#: The client's own name of the upload: sent again with it, a creation finds the upload that it made before.
UPLOAD_KEY = "upload_key"
UPLOAD_KEY_CHARACTERS_MAX = 100
#: What Uppy sends of itself: said already by `filename` and `filetype`, or nothing.
UPPYS_OWN = frozenset({"name", "type", "relativePath"})


def number(headers: Mapping[str, str], name: str) -> int | None:
    """A header that is a whole number from 0, or None where there is none."""
    text = headers.get(name)
    if text is None:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise Invalid(f"The header {name} must be a whole number, not {text[:40]!r}.", header=name)
    return int(text)


def length(headers: Mapping[str, str]) -> int | None:
    """The upload's length, or None where `Upload-Defer-Length: 1` leaves it for later; one must be said."""
    declared, deferred = number(headers, "upload-length"), headers.get("upload-defer-length")
    if (declared is None) == (deferred is None) or deferred not in (None, "1"):
        raise Invalid(
            "Say the length with Upload-Length, or Upload-Defer-Length: 1 while it is not known; not both."
        )
    return declared


def metadata(text: str | None) -> dict[str, str]:
    """`Upload-Metadata`: names, each with a value in base64 or without one."""
    found: dict[str, str] = {}
    for pair in (text or "").split(","):
        name, _, encoded = pair.strip().partition(" ")
        if not name:
            continue
        if name in found:
            raise Invalid(f"Upload-Metadata says {name[:80]!r} twice.", header="Upload-Metadata")
        try:
            found[name] = base64.b64decode(encoded.strip(), validate=True).decode()
        except (binascii.Error, ValueError) as error:
            raise Invalid(
                f"Upload-Metadata: the value of {name[:80]!r} must be text in UTF-8, in base64.",
                header="Upload-Metadata",
            ) from error
    return found


def described_by(told: Mapping[str, str]) -> dict[str, Any]:
    """Metadata as the fields of `initiate`; what has no field there is kept with the recording."""
    fields: dict[str, Any] = {}
    kept: dict[str, Any] = {}
    for name, value in told.items():
        field = RENAMED.get(name, name)
        if field in FIELDS:
            if value:
                fields[field] = value
        elif name not in UPPYS_OWN and name != UPLOAD_KEY:
            kept[name] = value
    if not fields.get("filename") and told.get("name"):
        fields["filename"] = told["name"]
    return fields | ({"recording_metadata": kept} if kept else {})


def upload_key(told: Mapping[str, str]) -> str | None:
    """The client's own name of the upload, or None where it gives it none."""
    key = told.get(UPLOAD_KEY) or None
    if key is not None and (
        len(key) > UPLOAD_KEY_CHARACTERS_MAX or not key.isascii() or not key.isprintable()
    ):
        raise Invalid(
            f"{UPLOAD_KEY} must be at most {UPLOAD_KEY_CHARACTERS_MAX} ASCII characters, such as a UUID.",
            field=UPLOAD_KEY,
        )
    return key


def checksum(text: str | None) -> Checksum | None:
    """`Upload-Checksum`: an algorithm and a digest in base64."""
    if text is None:
        return None
    algorithm, _, encoded = text.strip().partition(" ")
    if algorithm not in ALGORITHMS:
        raise Invalid(
            f"Upload-Checksum: {algorithm[:40]!r} is not known; send one of {', '.join(ALGORITHMS)}.",
            header="Upload-Checksum",
            algorithms=list(ALGORITHMS),
        )
    try:
        digest = base64.b64decode(encoded.strip(), validate=True)
    except (binascii.Error, ValueError):
        digest = b""
    if len(digest) != ALGORITHMS[algorithm]:
        raise Invalid(f"Upload-Checksum: the digest is no {algorithm} in base64.", header="Upload-Checksum")
    return Checksum(cast(Literal["sha256", "sha1"], algorithm), digest)


def is_bytes(content_type: str | None) -> bool:
    """Whether a body is an upload's bytes."""
    return (content_type or "").partition(";")[0].strip().lower() == BYTES_TYPE


def date(moment: datetime) -> str:
    """A moment as HTTP has it."""
    return format_datetime(moment, usegmt=True)
