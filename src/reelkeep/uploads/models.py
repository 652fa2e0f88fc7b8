"""One attempt to bring a recording's bytes in."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, func, text
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


class Upload(TenantTable, Base):
    """One attempt to bring a recording's bytes in: its ticket, its limits, its expiry."""

    __tablename__ = "upload"
    __sweep_columns__ = ("organization_id", "id", "state", "expires_at", "sweep_after")
    __table_args__ = (
        tenant_reference("recording_id", "recording"),
        CheckConstraint("state in ('open','sealed','refused','expired')", name="state"),
        Index("ix_upload_recording", "organization_id", "recording_id"),
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
    error_code: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime] = mapped_column(comment="when the ticket stops working")
    sweep_after: Mapped[datetime] = mapped_column(comment="when the sweep looks at it next")
    sealed_at: Mapped[datetime | None]
