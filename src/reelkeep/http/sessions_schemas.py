"""The shapes of answers about sessions, and of the request for a fetch from a URL."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, Field

from reelkeep.http.schemas import HostId, Metadata, RecordingStatus, Request, SegmentOut, Sha256Hex
from reelkeep.recordings.sessions import PART_NUMBER_MAX

SessionStatus = Literal["empty", "uploading", "processing", "ready", "failed"]
STATUS_TOLD = (
    "The least finished of the parts; `failed` when one has failed and none is underway, `empty` without any."
)
START_TOLD = "Where it begins on the session's one timeline; may move while `duration_is_known` is false."


class FromUrlIn(Request):
    """A recording to fetch; the server that has it says what is left out here."""

    url: str = Field(min_length=1, max_length=4096, description="http or https; kept until it is fetched.")
    filename: str | None = Field(default=None, min_length=1, max_length=255)
    content_type: str | None = Field(default=None, min_length=3, max_length=100)
    recording_type: str = Field(default="recording", min_length=1, max_length=50)
    title: str | None = Field(default=None, max_length=200)
    appointment_id: HostId | None = None
    visit_id: HostId | None = None
    estimated_duration_seconds: float | None = Field(default=None, ge=0)
    size_bytes: int | None = Field(default=None, ge=1)
    sha256: Sha256Hex | None = None
    transcribe: bool = True
    recording_metadata: Metadata = Field(default_factory=dict)
    session_id: HostId | None = Field(
        default=None, description="Your own id of the event that was recorded; made when it is new."
    )
    session_title: str | None = Field(default=None, max_length=200)
    part_number: int | None = Field(
        default=None, ge=1, le=PART_NUMBER_MAX, description="Its place in the session; without one, the next."
    )


class RetryFetchIn(Request):
    """The address again: it was forgotten when the fetch ended."""

    url: str = Field(min_length=1, max_length=4096)


class SessionPartOut(BaseModel):
    """One recording of a session and its place."""

    recording_id: UUID
    part_number: int
    status: RecordingStatus
    title: str | None
    filename: str
    start_seconds: float = Field(description=START_TOLD)
    duration_seconds: float | None = Field(description="Declared at first, then as measured.")
    waveform: list[int] = Field(description="64 bar heights, 0 to 100; empty until peaks are made.")
    playback_ready: bool
    transcript_ready: bool
    processing_error: str | None
    error_code: str | None


class SessionOut(BaseModel):
    """An event that was recorded, in one or more recordings."""

    id: UUID
    external_id: str
    title: str | None
    status: SessionStatus = Field(description=STATUS_TOLD)
    duration_seconds: float = Field(description="Of all parts together, as far as it is known.")
    duration_is_known: bool
    missing_part_numbers: list[int] = Field(description="Numbers below the highest that no part has.")
    parts: list[SessionPartOut]
    created_at: datetime


class SessionListOut(BaseModel):
    """One page of sessions, newest first."""

    items: list[SessionOut]
    total: int
    limit: int
    next_cursor: str | None = Field(description="Give it as `cursor` for the next page; null on the last.")


class SessionListQuery(Request):
    """Which sessions, and which page of them."""

    q: str | None = Field(default=None, max_length=200, description="Part of the title or the external id.")
    external_id: HostId | None = Field(default=None, description="The host's own id, exactly.")
    limit: int = Field(default=50, ge=1, le=200)
    cursor: str | None = Field(default=None, max_length=200, description="`next_cursor` of the last page.")


class SessionPlaybackPartOut(BaseModel):
    """One part as it is played."""

    recording_id: UUID
    part_number: int
    status: RecordingStatus
    start_seconds: float = Field(description=START_TOLD)
    duration_seconds: float | None
    url: str | None = Field(description="Carries its own authority for a while; null until it can be played.")
    content_type: str | None
    file_size_bytes: int | None


class SessionPlaybackOut(BaseModel):
    """What a player needs to play the parts as one."""

    session_id: UUID
    duration_seconds: float
    duration_is_known: bool
    missing_part_numbers: list[int]
    parts: list[SessionPlaybackPartOut]
    expires_in: int = Field(description="Seconds that the URLs are good for.")
    expires_at: datetime


class SessionSegmentOut(SegmentOut):
    """A run of words; times in seconds on the session's one timeline."""

    recording_id: UUID
    part_number: int


class UnspokenPartOut(BaseModel):
    """A part without a transcript."""

    recording_id: UUID
    part_number: int
    status: RecordingStatus


class SessionTranscriptOut(BaseModel):
    """What was said in all parts, as one."""

    session_id: UUID
    duration_seconds: float
    duration_is_known: bool
    text: str
    segments: list[SessionSegmentOut]
    warnings: list[str]
    parts_without_transcript: list[UnspokenPartOut]
    missing_part_numbers: list[int]
