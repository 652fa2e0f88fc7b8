"""What was made from an original."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Index, UniqueConstraint, func
from sqlalchemy.orm import Mapped, mapped_column

from reelkeep.db.base import Base, TenantTable, tenant_reference


class RenditionKind(StrEnum):
    """The kinds of files made from an original."""

    PLAYBACK = "playback"
    PEAKS = "peaks"


class Rendition(TenantTable, Base):
    """A file made from an original, as a blob."""

    __tablename__ = "rendition"
    __table_args__ = (
        tenant_reference("recording_id", "recording"),
        tenant_reference("blob_id", "blob"),
        UniqueConstraint("organization_id", "recording_id", "kind"),
        Index("ix_rendition_blob", "organization_id", "blob_id"),
    )

    recording_id: Mapped[UUID]
    kind: Mapped[str]
    blob_id: Mapped[UUID]
    details: Mapped[dict[str, Any]] = mapped_column(default=dict)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
