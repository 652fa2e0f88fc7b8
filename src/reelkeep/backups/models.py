"""Every backup that was begun, and what became of it. A directory table."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from reelkeep.clock import new_id
from reelkeep.db.base import Base


class BackupState(StrEnum):
    """Where a backup is."""

    RUNNING = "running"
    #: Its manifest is written: it can be restored.
    WHOLE = "whole"
    FAILED = "failed"
    #: It was removed, by the rule that keeps the last ones or by its age.
    REMOVED = "removed"


class Backup(Base):
    """One backup; the truth is the manifest in the store, this is what the page and the schedule go by."""

    __tablename__ = "backup"
    __table_args__ = (
        CheckConstraint("state in ('running','whole','failed','removed')", name="state"),
        Index("ix_backup_started", "started_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    place: Mapped[str] = mapped_column(comment="the store's name, or a folder")
    state: Mapped[str] = mapped_column(default=BackupState.RUNNING)
    with_blobs: Mapped[bool] = mapped_column(default=False, server_default="false")
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    size_bytes: Mapped[int | None] = mapped_column(comment="of the database's dump and the lists, encrypted")
    blobs: Mapped[int | None] = mapped_column(comment="that must exist at that point")
    blobs_copied: Mapped[int | None] = mapped_column(comment="that this backup had to copy")
    bytes_copied: Mapped[int | None]
    blobs_missing: Mapped[int | None] = mapped_column(comment="that no store could give")
    error_code: Mapped[str | None]
    error_message: Mapped[str | None]
    drilled_at: Mapped[datetime | None] = mapped_column(comment="when it was last restored and found good")
    # A None is SQL's null, never JSON's.
    drill: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
