"""A recording, its life cycle and the steps that work on it."""

from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, LargeBinary, UniqueConstraint, func, select, text
from sqlalchemy.orm import Mapped, column_property, mapped_column

from reelkeep.db.base import Base, TenantTable, member_reference, tenant_reference


class Status(StrEnum):
    """Where a recording is in its life."""

    UPLOADING = "uploading"
    UPLOADED = "uploaded"
    PROCESSING = "processing"
    #: The words are there.
    TRANSCRIBED = "transcribed"
    #: Everything that was asked for is done, and no words were asked for.
    PROCESSED = "processed"
    FAILED = "failed"


class StepKind(StrEnum):
    """The pieces of processing of one recording."""

    PROBE = "probe"
    PLAYBACK = "playback"
    PEAKS = "peaks"
    TRANSCRIBE = "transcribe"


class StepState(StrEnum):
    """Where one step is."""

    TODO = "todo"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    #: It cannot be done because a step before it failed.
    SKIPPED = "skipped"


class Session(TenantTable, Base):
    """The event that was recorded, in one or more recordings: its ordered parts play and read as one."""

    __tablename__ = "session"
    __table_args__ = (UniqueConstraint("organization_id", "external_id"),)

    external_id: Mapped[str] = mapped_column(comment="the host application's own id, or one that we made")
    title: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Recording(TenantTable, Base):
    """One captured piece of media and its life."""

    __tablename__ = "recording"
    __sweep_columns__ = ("organization_id", "id", "created_at", "deleted_at", "original_blob_id")
    __table_args__ = (
        member_reference("recorded_by_user_id"),
        tenant_reference("original_blob_id", "blob", ondelete="SET NULL (original_blob_id)"),
        tenant_reference(
            "duplicate_of_recording_id", "recording", ondelete="SET NULL (duplicate_of_recording_id)"
        ),
        tenant_reference("session_id", "session", ondelete="SET NULL (session_id)"),
        UniqueConstraint("organization_id", "session_id", "part_number"),
        CheckConstraint(
            "status in ('uploading','uploaded','processing','transcribed','processed','failed')",
            name="status",
        ),
        Index("ix_recording_newest", "organization_id", text("created_at desc"), text("id desc")),
        Index("ix_recording_appointment", "organization_id", "appointment_id"),
        Index("ix_recording_visit", "organization_id", "visit_id"),
        Index("ix_recording_original_blob", "organization_id", "original_blob_id"),
        Index("ix_recording_age", "created_at", "id"),
        Index("ix_recording_trash", "deleted_at", "id", postgresql_where=text("deleted_at is not null")),
        Index(
            "ix_recording_original_age",
            "created_at",
            "id",
            postgresql_where=text("original_blob_id is not null"),
        ),
    )

    title: Mapped[str | None]
    recording_type: Mapped[str]
    #: The host application's own ids, opaque to us.
    appointment_id: Mapped[str | None]
    visit_id: Mapped[str | None]
    recorded_by_user_id: Mapped[UUID | None]
    status: Mapped[str] = mapped_column(default=Status.UPLOADING)
    failure_code: Mapped[str | None]
    failure_message: Mapped[str | None]
    original_filename: Mapped[str]
    content_type: Mapped[str] = mapped_column(comment="declared at first, then as found by looking")
    sha256_declared: Mapped[bytes | None] = mapped_column(
        LargeBinary, comment="what the client promised; compared when all bytes are first read"
    )
    original_blob_id: Mapped[UUID | None]
    duplicate_of_recording_id: Mapped[UUID | None] = mapped_column(
        comment="an older recording of the organization with the same bytes; told, never dropped"
    )
    session_id: Mapped[UUID | None]
    part_number: Mapped[int | None] = mapped_column(comment="its place in the session, from 1")
    size_bytes: Mapped[int | None]
    duration_seconds: Mapped[float | None] = mapped_column(comment="declared at first, then as measured")
    transcribe: Mapped[bool] = mapped_column(default=True, comment="whether words were asked for")
    media_kept: Mapped[bool] = mapped_column(
        default=True, server_default="true", comment="false: its bytes go when it has been analysed"
    )
    client_encrypted: Mapped[bool] = mapped_column(
        default=False,
        server_default="false",
        comment="its bytes were encrypted by the client: kept as they came, never looked into",
    )
    recording_metadata: Mapped[dict[str, Any]] = mapped_column(default=dict)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now(), onupdate=func.now())
    uploaded_at: Mapped[datetime | None]
    processed_at: Mapped[datetime | None]
    deleted_at: Mapped[datetime | None]
    deleted_by_user_id: Mapped[UUID | None]

    @property
    def original_is_gone(self) -> bool:
        """Whether it once had its bytes, and a retention rule has removed them."""
        return self.uploaded_at is not None and self.original_blob_id is None

    if TYPE_CHECKING:
        #: The session's own id at the host; read with the row, never written.
        session_external_id: Mapped[str | None]


Recording.session_external_id = column_property(
    select(Session.external_id)
    .where(Session.organization_id == Recording.organization_id, Session.id == Recording.session_id)
    .correlate_except(Session)
    .scalar_subquery(),
    expire_on_flush=False,  # read again after every write otherwise, also outside of the unit of work
)


class Step(TenantTable, Base):
    """One piece of processing of one recording; `run_id` fences every write of the worker that has it."""

    __tablename__ = "step"
    __sweep_columns__ = ("organization_id", "id", "recording_id", "state", "queued_at")
    __table_args__ = (
        tenant_reference("recording_id", "recording"),
        UniqueConstraint("organization_id", "recording_id", "kind"),
        Index("ix_step_unfinished", "queued_at", "id", postgresql_where=text("state in ('todo', 'running')")),
        CheckConstraint("state in ('todo','running','done','failed','skipped')", name="state"),
    )

    recording_id: Mapped[UUID]
    kind: Mapped[str]
    state: Mapped[str] = mapped_column(default=StepState.TODO)
    attempts: Mapped[int] = mapped_column(default=0, comment="claims that did not end in an orderly stop")
    run_id: Mapped[UUID | None]
    parameters: Mapped[dict[str, Any]] = mapped_column(default=dict)
    progress: Mapped[float | None] = mapped_column(comment="0 to 1 while running")
    error_code: Mapped[str | None]
    error_message: Mapped[str | None]
    warnings: Mapped[list[Any]] = mapped_column(default=list)
    result: Mapped[dict[str, Any]] = mapped_column(default=dict)
    queued_at: Mapped[datetime] = mapped_column(server_default=func.now())
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]


class Hold(TenantTable, Base):
    """Something that forbids removing a recording, whatever a rule says, until it is released."""

    __tablename__ = "hold"
    __sweep_columns__ = ("organization_id", "id", "recording_id", "released_at")
    __table_args__ = (
        tenant_reference("recording_id", "recording"),
        Index("ix_hold_recording", "organization_id", "recording_id"),
    )

    recording_id: Mapped[UUID]
    reason: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    released_at: Mapped[datetime | None]


class Erased(TenantTable, Base):
    """A recording that was erased for good: no import from a store that still has it brings it back."""

    __tablename__ = "erased"
    __table_args__ = (UniqueConstraint("organization_id", "recording_id"),)

    recording_id: Mapped[UUID]
    erased_at: Mapped[datetime] = mapped_column(server_default=func.now())
