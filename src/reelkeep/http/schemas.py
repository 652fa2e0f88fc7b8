"""The shapes of requests and answers under `/api/v1`; the OpenAPI document is made from them."""

import json
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from reelkeep.blobs.deliver import Via
from reelkeep.blobs.media_state import MediaState

METADATA_CHARACTERS_MAX = 16_000
DEPTH_MAX = 50

Sha256Hex = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
HostId = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Password = Annotated[str, StringConstraints(min_length=1, max_length=1024, strip_whitespace=False)]


def _check_text(value: Any, depth: int = 0) -> None:
    """Refuse a string that no database keeps as text, and nesting that nothing needs."""
    if depth > DEPTH_MAX:
        raise ValueError(f"must not be nested more than {DEPTH_MAX} levels deep")
    if isinstance(value, str):
        if "\x00" in value or any("\ud800" <= character <= "\udfff" for character in value):
            raise ValueError("must not contain the character U+0000 or half of a surrogate pair")
    elif isinstance(value, dict):
        for name, part in value.items():
            _check_text(name)
            _check_text(part, depth + 1)
    elif isinstance(value, list):
        for part in value:
            _check_text(part, depth + 1)


def _checked_metadata(metadata: dict[str, Any]) -> dict[str, Any]:
    """Refuse what JSON has no word for, and more than a recording's facts need."""
    if len(json.dumps(metadata, allow_nan=False)) > METADATA_CHARACTERS_MAX:
        raise ValueError(f"must have at most {METADATA_CHARACTERS_MAX} characters as JSON")
    return metadata


Metadata = Annotated[dict[str, Any], AfterValidator(_checked_metadata)]


class Request(BaseModel):
    """What a client sends, in a body or a query; unknown fields are ignored: a client may be newer."""

    model_config = ConfigDict(str_strip_whitespace=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _only_text(cls, body: Any) -> Any:
        """Look at every string before any field is."""
        _check_text(body)
        return body


class ErrorOut(BaseModel):
    """Every error, everywhere."""

    message: str = Field(description="What happened and what to do, in a sentence.")
    error_code: str = Field(description="A stable code from the catalogue in docs/errors.md.")
    details: dict[str, Any] = Field(default_factory=dict, description="Typed facts, such as `retry_after`.")


# Accounts


class LoginIn(Request):
    """An e-mail address and a password."""

    email: str = Field(max_length=320)
    password: Password


class UserOut(BaseModel):
    """A person."""

    id: UUID
    email: str
    name: str | None


class OrganizationOut(BaseModel):
    """A tenant."""

    id: UUID
    name: str


class TokenOut(BaseModel):
    """A bearer token for the API."""

    access_token: str
    token_type: Literal["bearer"] = "bearer"
    expires_in: int = Field(description="Seconds.")
    user: UserOut
    organization: OrganizationOut
    role: str


class PoliciesOut(BaseModel):
    """What an organization has decided for all its people."""

    shared_computers: bool = Field(
        description="Its people record at computers that others use too: browsers encrypt what they keep "
        "until it is safe on the server."
    )


class PoliciesIn(Request):
    """Policies to be set; those not named stay."""

    shared_computers: bool | None = None


class MeOut(BaseModel):
    """Who the caller is, in which organization, and what they may do there."""

    user: UserOut
    organization: OrganizationOut
    role: str
    permissions: list[str]
    policies: PoliciesOut
    recorder_secret: str = Field(
        description="A part of the key with which a recorder encrypts what it keeps at a shared computer; "
        "the same at every sign-in of this person in this organization. For memory alone, never a disk."
    )
    csrf_token: str | None = Field(
        description="For a browser's sign-in: sent back as X-CSRF-Token with every change."
    )


class LinkIn(Request):
    """The secret of a one-time link."""

    token: str = Field(max_length=200)


class LinkOut(BaseModel):
    """What a one-time link is good for."""

    purpose: Literal["first_administrator", "set_password"]
    email: str | None


class WelcomeIn(Request):
    """The first administrator."""

    token: str = Field(max_length=200)
    organization_name: str = Field(min_length=1, max_length=200)
    name: str | None = Field(default=None, max_length=200)
    email: str = Field(max_length=320)
    password: Password


class SetPasswordIn(Request):
    """A new password, by a one-time link."""

    token: str = Field(max_length=200)
    password: Password


# Uploads


class InitiateIn(Request):
    """What is about to be uploaded."""

    filename: str = Field(min_length=1, max_length=255)
    content_type: str = Field(min_length=3, max_length=100)
    recording_type: str = Field(default="recording", min_length=1, max_length=50)
    title: str | None = Field(default=None, max_length=200)
    appointment_id: HostId | None = None
    visit_id: HostId | None = None
    estimated_duration_seconds: float | None = Field(default=None, ge=0)
    method: Literal["post", "put", "multipart", "tus"] = Field(
        default="post", description="`post` and `put` carry at most 5 GiB; the others go on after a break."
    )
    size_bytes: int | None = Field(default=None, ge=1)
    sha256: Sha256Hex | None = None
    transcribe: bool = True
    client_encrypted: bool = Field(
        default=False,
        description="The client encrypts the bytes: they are kept as they come, never looked into or "
        "processed. `content_type` is then `application/octet-stream`.",
    )
    recording_metadata: Metadata = Field(default_factory=dict)
    session_id: HostId | None = Field(
        default=None, description="Your own id of the event that was recorded; made when it is new."
    )
    session_title: str | None = Field(default=None, max_length=200)
    part_number: int | None = Field(
        default=None, ge=1, le=10_000, description="Its place in the session; without it, the last."
    )


class InitiateOut(BaseModel):
    """A ticket: where and how to send the bytes."""

    recording_id: UUID
    upload_url: str
    upload_fields: dict[str, str] = Field(
        description="For post: form fields, the file last. For put: headers to send. Else empty."
    )
    upload_method: Literal["post", "put", "multipart", "tus", "resumable"]
    s3_key: str
    bucket: str
    expires_in: int = Field(description="Seconds.")
    max_file_size: int = Field(description="Bytes.")
    part_size_bytes: int | None = Field(default=None, description="For multipart: of each part but the last.")
    upload_id: str | None = Field(
        default=None, description="For multipart: the store's id of it, once it has been begun there."
    )
    upload_via: Literal["store", "reelkeep"] = Field(
        default="store", description="Where the bytes go: straight to the store, or through this server."
    )


class CompleteIn(Request):
    """What the client knows of the bytes it sent; all of it optional and checked."""

    file_size_bytes: int | None = Field(default=None, ge=0)
    duration_seconds: float | None = Field(default=None, ge=0)
    recording_metadata: Metadata | None = None


# Recordings


class StepOut(BaseModel):
    """One piece of processing."""

    kind: Literal["probe", "playback", "peaks", "transcribe"]
    state: Literal["todo", "running", "done", "failed", "skipped"]
    attempts: int
    progress: float | None = Field(description="0 to 1 while running, where it is known.")
    error_code: str | None
    error_message: str | None
    warnings: list[str]
    queued_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


RecordingStatus = Literal["uploading", "uploaded", "processing", "transcribed", "processed", "failed"]


class RecordingOut(BaseModel):
    """A recording in a list."""

    id: UUID
    title: str | None
    recording_type: str
    appointment_id: str | None
    visit_id: str | None
    recorded_by_user_id: UUID | None
    session_id: UUID | None = Field(description="The session that it is a part of.")
    session_external_id: str | None
    part_number: int | None
    status: RecordingStatus
    progress: float | None = Field(description="0 to 1 over all steps while processing.")
    filename: str
    original_filename: str
    mime_type: str
    file_size_bytes: int | None
    duration_seconds: float | None
    processing_error: str | None
    error_code: str | None
    client_encrypted: bool = Field(
        description="The client encrypted it: it is kept as it came, with no playback and no words."
    )
    media_kept: bool = Field(
        True, description="False: it was analysed while storage was disabled, and its sound is not kept."
    )
    duplicate_of: UUID | None = Field(
        description="An older recording with the same bytes; nothing is dropped."
    )
    waveform: list[int] = Field(description="64 bar heights, 0 to 100; empty until peaks are made.")
    recording_metadata: dict[str, Any]
    is_deleted: bool
    deleted_at: datetime | None
    created_at: datetime
    updated_at: datetime
    uploaded_at: datetime | None
    processed_at: datetime | None


class HoldOut(BaseModel):
    """Something that forbids removing a recording."""

    id: UUID
    reason: str
    created_at: datetime


class HoldIn(BaseModel):
    """Why a recording may not be removed."""

    reason: str = Field(min_length=1, max_length=500, examples=["Case 2026-117"])


class RecordingDetailOut(RecordingOut):
    """A recording with its steps and where its bytes are."""

    s3_bucket: str | None
    s3_key: str | None
    sha256: str | None
    transcript_text: str | None
    transcript_confidence: float | None
    transcript_language: str | None
    transcription_service: str | None
    processing_started_at: datetime | None
    processing_completed_at: datetime | None
    playback_ready: bool
    peaks_ready: bool
    transcript_ready: bool
    warnings: list[str]
    held: bool = Field(description="A hold forbids removing anything of it for good.")
    holds: list[HoldOut] = Field(description="Those in force, the oldest first.")
    original_removed: bool = Field(
        description="A retention rule has removed the original; what was made of it before is there."
    )
    media_state: MediaState | None = Field(
        description="Whether what is played can be read: `archived` has to be asked for (restore-media) and "
        "takes hours, `restoring` was asked for, `missing` no store has. Null: nothing was uploaded yet."
    )
    original_state: MediaState | None = Field(description="The same of the original.")
    steps: list[StepOut]


class RecordingListOut(BaseModel):
    """One page of recordings, newest first."""

    items: list[RecordingOut]
    total: int
    limit: int
    offset: int
    next_cursor: str | None = Field(description="Give it as `cursor` for the next page; null on the last.")


class ListQuery(Request):
    """Which recordings, and which page of them."""

    status: RecordingStatus | None = None
    appointment_id: str | None = Field(default=None, max_length=200)
    visit_id: str | None = Field(default=None, max_length=200)
    recording_type: str | None = Field(default=None, max_length=50)
    session: str | None = Field(
        default=None, max_length=200, description="A session's id, or the host's own."
    )
    q: str | None = Field(default=None, max_length=200, description="Part of the title or the file name.")
    created_from: datetime | None = None
    created_to: datetime | None = None
    mine: bool = Field(default=False, description="Only those that the caller recorded.")
    deleted: bool = Field(default=False, description="The trash instead.")
    limit: int = Field(default=50, ge=1, le=200)
    offset: int = Field(default=0, ge=0, le=100_000)
    cursor: str | None = Field(default=None, max_length=200, description="`next_cursor` of the last page.")


class RecordingPatchIn(Request):
    """What a person may change; what is not given stays."""

    title: str | None = Field(None, max_length=200)
    recording_metadata: dict[str, Any] | None = Field(
        None, description="Fields that join the ones there; one of the same name is replaced."
    )


class RerunIn(Request):
    """A step again; parameters that are not given stay as they were."""

    engine: str | None = Field(default=None, max_length=50)
    language: str | None = Field(default=None, pattern=r"^[a-z]{2,3}$")


class SignedUrlOut(BaseModel):
    """A URL that carries its own authority for a while."""

    download_url: str
    expires_in: int = Field(description="Seconds.")
    expires_at: datetime
    filename: str
    content_type: str
    file_size_bytes: int
    via: Via = Field(description="Whose URL it is: the store's, a CDN's in front of it, or Reelkeep's own.")


class PeaksOut(BaseModel):
    """The waveform: lowest and highest value of each interval, -128 to 127, taken in turn."""

    start_seconds: float
    end_seconds: float
    duration_seconds: float
    data: list[int] = Field(description="min, max, min, max, …")


class WordOut(BaseModel):
    """One spoken word; times in seconds."""

    text: str
    start: float
    end: float
    confidence: float | None


class SegmentOut(BaseModel):
    """A run of words that belong together; times in seconds."""

    start: float
    end: float
    speaker: str | None
    text: str
    confidence: float | None
    words: list[WordOut]


class TranscriptOut(BaseModel):
    """What was said. No segments means that no speech was found."""

    recording_id: UUID
    version: int
    engine: str
    model: str
    device: str
    language: str | None
    language_probability: float | None
    confidence: float | None
    duration_seconds: float
    warnings: list[str]
    text: str
    segments: list[SegmentOut]
    created_at: datetime


# The server itself


class EngineOut(BaseModel):
    """One speech engine, and whether it can be used now."""

    name: str
    quality: str
    languages: list[str] = Field(description="ISO 639-1; empty: many, found out by itself.")
    ready: bool
    model: str | None
    device: str | None
    reason: str | None = Field(description="Why it is not ready.")
    fix: str | None = Field(description="What a person does about it.")


class EnginesOut(BaseModel):
    """The engines, best first, and which one is used."""

    chosen: str | None
    why: str
    engines: list[EngineOut]


class InfoOut(BaseModel):
    """What a page must know before anybody signs in."""

    version: str
    needs_first_administrator: bool
    max_file_size: int = Field(description="Bytes.")
    content_types: list[str]


class CheckOut(BaseModel):
    """One thing that was looked at."""

    name: str
    ok: bool
    needed: bool = Field(True, description="Whether the server cannot do its work while this is not ok.")
    message: str
    fix: str | None = None


class ReadyOut(BaseModel):
    """Whether this server can do its work."""

    ready: bool
    degraded: bool = Field(False, description="It does its work, and somebody should look at a check.")
    checks: list[CheckOut]
