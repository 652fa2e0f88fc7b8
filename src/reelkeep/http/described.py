"""What a request that carries a file says of the recording: the fields of `initiate`, wherever they stand."""

import json
import mimetypes
from dataclasses import fields as fields_of
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from reelkeep.errors import Invalid
from reelkeep.http import schemas
from reelkeep.http.filenames import filename_of, parameters_of, plain_name
from reelkeep.recordings.create import NewRecording

#: Fields as JSON: they stay out of addresses, which every proxy logs.
HEADER = "Reelkeep-Recording"
#: Types that say nothing: what curl, and tus-js-client in the IETF's draft, send where they were told none.
UNTOLD = (
    *("", "application/octet-stream", "application/x-www-form-urlencoded", "binary/octet-stream"),
    "application/partial-upload",
)
ENDINGS = {
    ".aif": "audio/aiff",
    ".aiff": "audio/aiff",
    ".amr": "audio/amr",
    ".caf": "audio/x-caf",
    ".m4b": "audio/mp4",
    ".mka": "audio/x-matroska",
    ".wav": "audio/wav",
}
#: Not the machine's own lists: they differ.
_TYPES = mimetypes.MimeTypes()
#: Fields whose value is JSON where all values are text.
STRUCTURED = ("recording_metadata",)
RENAMED = {
    "filename": "original_filename",
    "estimated_duration_seconds": "duration_seconds",
    "session_id": "session_external_id",
}
KNOWN = frozenset(field.name for field in fields_of(NewRecording))


def describe_raw(request: Request) -> schemas.InitiateIn:
    """What the headers and the query of a raw body say; the header `Reelkeep-Recording` goes first."""
    disposition = request.headers.get("content-disposition", "").encode("latin-1")
    told = {"filename": filename_of(parameters_of(disposition))}
    fields = told | _from_text(dict(request.query_params)) | _from_header(request.headers.get(HEADER))
    return described(fields, request.headers.get("content-type"))


def describe_form(
    fields: dict[str, str], filename: str | None, content_type: str | None
) -> schemas.InitiateIn:
    """What a form's fields say, and the head of its file's part."""
    return described({"filename": filename} | _from_text(fields), content_type)


def described(fields: dict[str, Any], content_type: str | None) -> schemas.InitiateIn:
    """The fields as `initiate` takes them; the name and the type are found out where they are not told."""
    name = plain_name(str(fields.get("filename") or "")) or "recording"
    kind = str(fields.get("content_type") or content_type or "")
    # What a client has encrypted is no sound, whatever its name ends with.
    opaque = str(fields.get("client_encrypted", "")).lower() in ("true", "1", "on", "yes")
    if not opaque and kind.partition(";")[0].strip().lower() in UNTOLD:
        kind = _type_of(name) or kind or UNTOLD[1]
    try:
        told = {**fields, "filename": name, "content_type": kind or UNTOLD[1]}
        return schemas.InitiateIn.model_validate(told)
    except ValidationError as error:
        problems = [{**problem, "loc": ("body", *problem["loc"])} for problem in error.errors()]
        raise RequestValidationError(problems) from error


def new_recording(body: schemas.InitiateIn, size_bytes: int | None = None) -> NewRecording:
    """The recording that these fields describe."""
    told = {RENAMED.get(name, name): value for name, value in body.model_dump().items()}
    known = {name: value for name, value in told.items() if name in KNOWN}
    return NewRecording(**known | ({} if size_bytes is None else {"size_bytes": size_bytes}))


def _type_of(name: str) -> str | None:
    ending = "." + name.rpartition(".")[2].lower()
    return ENDINGS.get(ending) or _TYPES.guess_type(f"x{ending}")[0]


def _from_header(text: str | None) -> dict[str, Any]:
    if text is None:
        return {}
    try:
        fields = json.loads(text.encode("latin-1").decode())
    except ValueError:
        fields = None
    if not isinstance(fields, dict):
        raise Invalid(f'The header {HEADER} must be JSON such as {{"title": "First visit"}}.')
    return fields


def _from_text(fields: dict[str, str]) -> dict[str, Any]:
    """Fields whose values are all text; an empty one was not given."""
    found: dict[str, Any] = {name: value for name, value in fields.items() if value}
    for name in STRUCTURED:
        if name in found:
            try:
                found[name] = json.loads(found[name])
            except ValueError as error:
                raise Invalid(f"{name} must be JSON such as {{}}.", field=name) from error
    return found
