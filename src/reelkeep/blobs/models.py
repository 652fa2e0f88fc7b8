"""Immutable bytes, the stores that hold them, and which store has which."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, UniqueConstraint, func
from sqlalchemy.orm import Mapped, mapped_column

from reelkeep.db.base import Base, TenantTable, tenant_reference


class BlobKind(StrEnum):
    """What a blob is to its recording; placement rules go by it."""

    ORIGINAL = "original"
    PLAYBACK = "playback"
    PEAKS = "peaks"


class CopyState(StrEnum):
    """What is known of one copy."""

    PRESENT = "present"
    DELETING = "deleting"


class StoreRow(Base):
    """A store by its configured name, so that copies can point at it. A directory table."""

    __tablename__ = "store"

    name: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(comment="local or s3")
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Blob(TenantTable, Base):
    """Immutable bytes: an original, a playback rendition, peaks."""

    __tablename__ = "blob"
    __table_args__ = (
        CheckConstraint("size_bytes >= 0", name="size"),
        Index("ix_blob_sha256", "organization_id", "sha256", "id"),
    )

    kind: Mapped[str]
    size_bytes: Mapped[int]
    content_type: Mapped[str]
    sha256: Mapped[bytes | None] = mapped_column(
        LargeBinary, comment="null until one process has read all bytes; never guessed"
    )
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Copy(TenantTable, Base):
    """One blob in one store."""

    __tablename__ = "copy"
    __table_args__ = (
        tenant_reference("blob_id", "blob"),
        UniqueConstraint("organization_id", "blob_id", "store"),
        Index("uq_copy_store_key", "store", "key", unique=True),
    )

    blob_id: Mapped[UUID]
    store: Mapped[str] = mapped_column(ForeignKey("store.name"))
    key: Mapped[str]
    state: Mapped[str] = mapped_column(default=CopyState.PRESENT)
    storage_class: Mapped[str | None]
    verified_at: Mapped[datetime | None] = mapped_column(
        comment="when its bytes were last read and its SHA-256 matched"
    )
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Usage(TenantTable, Base):
    """What one organization keeps and has reserved, exactly: one row, changed with what it counts."""

    __tablename__ = "usage"
    __table_args__ = (UniqueConstraint("organization_id"),)

    bytes_used: Mapped[int] = mapped_column(default=0, server_default="0", comment="sum of its blobs")
    bytes_reserved: Mapped[int] = mapped_column(
        default=0, server_default="0", comment="sum of what its open uploads hold"
    )
    uploads_open: Mapped[int] = mapped_column(default=0, server_default="0")
    minute: Mapped[datetime | None] = mapped_column(comment="the minute that `tickets` counts")
    tickets: Mapped[int] = mapped_column(default=0, server_default="0")


class AccessKey(Base):
    """A key to the local S3 wire for tools; its secret is derived, never stored. A directory table."""

    __tablename__ = "access_key"

    access_key: Mapped[str] = mapped_column(primary_key=True)
    store: Mapped[str] = mapped_column(ForeignKey("store.name"))
    read_only: Mapped[bool] = mapped_column(default=False, server_default="false")
    note: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    revoked_at: Mapped[datetime | None]
