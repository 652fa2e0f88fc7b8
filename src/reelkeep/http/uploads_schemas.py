"""The shapes of requests and answers about uploads in parts, and about limits."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, Field, StringConstraints

from reelkeep.http.schemas import CompleteIn, Request

# Uploads in parts


class MultipartOut(BaseModel):
    """A multipart upload that is open in the store."""

    recording_id: UUID
    upload_id: str = Field(description="The store's own.")
    key: str
    bucket: str
    part_size_bytes: int = Field(description="Of each part but the last.")
    expires_in: int = Field(description="Seconds; begins anew with every part that is asked for.")
    max_file_size: int = Field(description="Bytes.")


class PartNumbersIn(Request):
    """Which parts are about to be sent."""

    part_numbers: list[Annotated[int, Field(ge=1, le=10_000)]] = Field(min_length=1, max_length=1000)


class PartUrlOut(BaseModel):
    """Where one part goes: a PUT with its bytes as the body."""

    part_number: int
    url: str


class PartUrlsOut(BaseModel):
    """Where parts go."""

    parts: list[PartUrlOut]
    expires_in: int = Field(description="Seconds that these addresses are good for.")


class PartOut(BaseModel):
    """A part that has arrived, in S3's own words."""

    number: int = Field(serialization_alias="PartNumber")
    size_bytes: int = Field(serialization_alias="Size")
    etag: str = Field(serialization_alias="ETag")


class PartIn(Request):
    """A part that was sent, in S3's own words."""

    number: int = Field(alias="PartNumber", ge=1, le=10_000)
    etag: str = Field(alias="ETag", min_length=1, max_length=200)


class MultipartCompleteIn(CompleteIn):
    """All parts that make the file."""

    parts: list[PartIn] = Field(min_length=1, max_length=10_000)


class SignIn(Request):
    """One request of a browser to the store: what Uppy's `signRequest` is asked, of which recording."""

    recording_id: UUID | None = Field(default=None, description="Not needed where `key` is its ticket's.")
    method: Literal["PUT", "POST", "GET", "DELETE"]
    key: str | None = Field(default=None, max_length=1024)
    upload_id: str | None = Field(default=None, alias="uploadId", min_length=1, max_length=1024)
    part_number: int | None = Field(default=None, alias="partNumber", ge=1, le=10_000)


class SignedRequestOut(BaseModel):
    """The address to send the request to, and the key that it is about."""

    url: str
    key: str


# Limits


class LimitsIn(Request):
    """An organization's limits for one recording type, whole: null means as the settings say."""

    recording_type: str = Field(
        default="", max_length=50, description="Empty: for all types; a type's own limits go before these."
    )
    content_types: list[Annotated[str, StringConstraints(max_length=100)]] | None = Field(
        default=None, min_length=1, max_length=100, description="As `audio/*`."
    )
    size_bytes_max: int | None = Field(default=None, ge=1)
    duration_seconds_max: int | None = Field(default=None, ge=1)
    uploads_open_max: int | None = Field(default=None, ge=1, description="Only for all types.")
    tickets_per_minute_max: int | None = Field(default=None, ge=1, description="Only for all types.")
    quota_bytes: int | None = Field(default=None, ge=0, description="Only for all types.")


class LimitsRowOut(BaseModel):
    """Limits as they were set; null means as the settings, or the limits for all types, say."""

    recording_type: str = Field(description="Empty: for all types.")
    content_types: list[str] | None
    size_bytes_max: int | None
    duration_seconds_max: int | None
    uploads_open_max: int | None
    tickets_per_minute_max: int | None
    quota_bytes: int | None


class LimitsInForceOut(BaseModel):
    """Limits that hold now."""

    content_types: list[str]
    size_bytes_max: int
    duration_seconds_max: int
    uploads_open_max: int
    tickets_per_minute_max: int
    quota_bytes: int | None = Field(description="Null: no limit.")


class UsageOut(BaseModel):
    """What the organization keeps, and has reserved for uploads that are open."""

    bytes_used: int
    bytes_reserved: int
    uploads_open: int
    quota_bytes: int | None = Field(description="Null: no limit.")


class LimitsOut(BaseModel):
    """What was set, what holds for all types, and what is used of it."""

    limits: list[LimitsRowOut]
    in_force: LimitsInForceOut
    usage: UsageOut
