"""One attempt to bring a recording's bytes in."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from reelkeep.db.base import Base, TenantTable, tenant_reference


class UploadState(StrEnum):
    """Where an upload is."""

    OPEN = "open"
    SEALED = "sealed"
    #: The bytes were refused; the recording says why.
    REFUSED = "refused"
    EXPIRED = "expired"


class UploadMethod(StrEnum):
    """How the bytes come in."""

    POST = "post"
    PUT = "put"
    #: By a process of ours that wrote them under incoming itself.
    DIRECT = "direct"
    #: S3's multipart upload, straight to the store.
    MULTIPART = "multipart"
    #: Through us, resumable: https://tus.io.
    TUS = "tus"
    #: Through us, resumable: the IETF's Resumable Uploads for HTTP.
    RESUMABLE = "resumable"
    #: Through us, one request, a form or a raw body.
    PLAIN = "plain"
    #: Fetched by a worker from `source_url`.
    URL = "url"


#: Those whose bytes this server appends, and that a client may go on with after a break.
GROWING = (UploadMethod.TUS, UploadMethod.RESUMABLE)
#: In the notes of a growing upload for which a SHA-256 was declared.
DIGEST_WANTED = "digest_wanted"
#: In the notes of a plain upload whose bytes have all grown, and are to be made the incoming object.
ONE_GO = "one_go"


class Upload(TenantTable, Base):
    """One attempt to bring a recording's bytes in: its ticket, its limits, its expiry."""

    __tablename__ = "upload"
    __sweep_columns__ = ("organization_id", "id", "state", "expires_at", "sweep_after", "seal_attempts")
    __table_args__ = (
        tenant_reference("recording_id", "recording"),
        CheckConstraint("state in ('open','sealed','refused','expired')", name="state"),
        Index("ix_upload_recording", "organization_id", "recording_id"),
        Index("ix_upload_attempts", "sweep_after", postgresql_where=text("seal_attempts <> '[]'")),
        Index(
            "uq_upload_client_key",
            "organization_id",
            "client_key",
            unique=True,
            postgresql_where=text("client_key is not null"),
        ),
        Index("ix_upload_due", "sweep_after", postgresql_where=text("state = 'open'")),
    )

    recording_id: Mapped[UUID]
    method: Mapped[str]
    store: Mapped[str] = mapped_column(ForeignKey("store.name"))
    incoming_key: Mapped[str]
    state: Mapped[str] = mapped_column(default=UploadState.OPEN)
    content_type: Mapped[str]
    size_bytes_max: Mapped[int]
    size_bytes_declared: Mapped[int | None]
    size_bytes_reserved: Mapped[int] = mapped_column(
        default=0, server_default="0", comment="quota held until it is sealed, refused or expired"
    )
    multipart_id: Mapped[str | None] = mapped_column(comment="the store's id of a multipart upload")
    growth: Mapped[dict[str, Any]] = mapped_column(
        default=dict, server_default="{}", comment="what the store wants to be told again of growing bytes"
    )
    beginning: Mapped[dict[str, Any]] = mapped_column(
        default=dict,
        server_default="{}",
        comment="of one that went over to another store: which one has its first bytes, how many, its notes",
    )
    writer_id: Mapped[UUID | None] = mapped_column(
        comment="fence: the request that may append; a newer one takes it over"
    )
    seal_attempts: Mapped[list[Any]] = mapped_column(
        default=list, server_default="[]", comment="keys where a seal may have put bytes in place, and lost"
    )
    source_url: Mapped[str | None] = mapped_column(comment="what a worker fetches; emptied at the end")
    fetch: Mapped[dict[str, Any]] = mapped_column(
        default=dict, server_default="{}", comment="what a worker that fetches leaves for the next one"
    )
    error_code: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime] = mapped_column(comment="when the ticket stops working")
    tus_metadata: Mapped[str | None] = mapped_column(
        comment="Upload-Metadata as the client sent it, while the upload is open"
    )
    client_key: Mapped[str | None] = mapped_column(
        comment="who began it, and their client's own name of it: asked for again, it is this one"
    )
    sweep_after: Mapped[datetime] = mapped_column(comment="when the sweep looks at it next")
    sealed_at: Mapped[datetime | None]


class UploadLimits(TenantTable, Base):
    """What an organization may upload where that differs from the settings; null means as the settings say.

    The row with an empty `recording_type` is for all types; one with a type goes before it, column by column.
    """

    __tablename__ = "upload_limits"
    __table_args__ = (UniqueConstraint("organization_id", "recording_type"),)

    recording_type: Mapped[str] = mapped_column(default="")
    # A None is SQL's null, never JSON's.
    content_types: Mapped[list[Any] | None] = mapped_column(JSONB(none_as_null=True))
    size_bytes_max: Mapped[int | None]
    duration_seconds_max: Mapped[int | None]
    uploads_open_max: Mapped[int | None] = mapped_column(comment="only in the row for all types")
    tickets_per_minute_max: Mapped[int | None] = mapped_column(comment="only in the row for all types")
    quota_bytes: Mapped[int | None] = mapped_column(comment="only in the row for all types")
