"""What was said: finished stretches while an engine works, then a transcript with its segments."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Index, UniqueConstraint, func
from sqlalchemy.orm import Mapped, mapped_column

from reelkeep.db.base import Base, TenantTable, tenant_reference


class FinishedStretch(TenantTable, Base):
    """What one stretch gave, kept so that a killed run goes on from the last finished one."""

    __tablename__ = "finished_stretch"
    __table_args__ = (
        tenant_reference("recording_id", "recording"),
        UniqueConstraint("organization_id", "recording_id", "plan", "position"),
    )

    recording_id: Mapped[UUID]
    plan: Mapped[str] = mapped_column(comment="digest of the sound, the cuts, the engine and its options")
    position: Mapped[int]
    result: Mapped[dict[str, Any]]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Transcript(TenantTable, Base):
    """One version of what was said in a recording."""

    __tablename__ = "transcript"
    __table_args__ = (
        tenant_reference("recording_id", "recording"),
        tenant_reference("blob_id", "blob", ondelete="SET NULL (blob_id)"),
        UniqueConstraint("organization_id", "recording_id", "version"),
        Index("ix_transcript_blob", "organization_id", "blob_id"),
    )

    recording_id: Mapped[UUID]
    version: Mapped[int]
    blob_id: Mapped[UUID | None] = mapped_column(comment="the same words as a file in a store")
    engine: Mapped[str]
    model: Mapped[str]
    device: Mapped[str]
    language: Mapped[str | None]
    language_probability: Mapped[float | None]
    confidence: Mapped[float | None] = mapped_column(comment="mean over words, on the engine's own scale")
    duration_seconds: Mapped[float]
    warnings: Mapped[list[Any]] = mapped_column(default=list)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class TranscriptSegment(TenantTable, Base):
    """A run of words that belong together."""

    __tablename__ = "segment"
    __table_args__ = (
        tenant_reference("transcript_id", "transcript"),
        Index("ix_segment_transcript", "organization_id", "transcript_id", "position", unique=True),
    )

    transcript_id: Mapped[UUID]
    position: Mapped[int]
    start_seconds: Mapped[float]
    end_seconds: Mapped[float]
    speaker: Mapped[str | None]
    text: Mapped[str]
    confidence: Mapped[float | None]
    words: Mapped[list[Any]] = mapped_column(
        default=list, comment="[text, start, end, confidence] each; times in seconds"
    )
