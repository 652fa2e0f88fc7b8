"""Immutable bytes, the stores that hold them, and which store has which."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, Text, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column

from reelkeep.db.base import Base, TenantTable, tenant_reference


class BlobKind(StrEnum):
    """What a blob is to its recording; placement rules go by it."""

    ORIGINAL = "original"
    PLAYBACK = "playback"
    PEAKS = "peaks"
    #: The words of a recording as a file, so that a store alone can give them back.
    TRANSCRIPT = "transcript"
    #: The small JSON file beside an original that tells what it is.
    SIDECAR = "sidecar"


class CopyState(StrEnum):
    """What is known of one copy."""

    #: Its bytes are being written under its key; `claimed_until` says how long its writer is believed in.
    MAKING = "making"
    PRESENT = "present"
    #: The store has no such object, or has other bytes there: to be made again from another copy.
    MISSING = "missing"
    DAMAGED = "damaged"
    #: Nobody is sent there any more; its bytes go at `remove_after`.
    DELETING = "deleting"


class RestoreState(StrEnum):
    """Of a copy in a cold class: whether its bytes can be read for a while."""

    ASKED = "asked"
    PENDING = "pending"
    READY = "ready"


#: Storage classes of S3 whose bytes can be read only after they were asked for (GLACIER_IR can at once).
COLD_CLASSES = frozenset({"GLACIER", "DEEP_ARCHIVE"})


class StoreRow(Base):
    """A store by its configured name, so that copies can point at it. A directory table."""

    __tablename__ = "store"

    name: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(comment="local or s3")
    identity: Mapped[UUID | None] = mapped_column(
        comment="of a folder that several machines share; also in its identity.json"
    )
    encrypted: Mapped[bool] = mapped_column(
        default=False, server_default="false", comment="whether we encrypt what lies in it"
    )
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Blob(TenantTable, Base):
    """Immutable bytes: an original, a playback rendition, peaks, words, what describes them."""

    __tablename__ = "blob"
    __sweep_columns__ = ("organization_id", "id", "recording_id", "kind", "size_bytes", "created_at")
    __table_args__ = (
        CheckConstraint("size_bytes >= 0", name="size"),
        Index("ix_blob_sha256", "organization_id", "sha256", "id"),
        Index("ix_blob_recording", "organization_id", "recording_id"),
    )

    recording_id: Mapped[UUID | None] = mapped_column(
        comment="whose bytes they are; no foreign key, since the recording names its original"
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
    __sweep_columns__ = (
        "organization_id",
        "id",
        "blob_id",
        "store",
        "state",
        "size_bytes",
        "storage_class",
        "degraded",
        "restore_state",
        "restore_until",
        "claim_id",
        "claimed_until",
        "remove_after",
        "verified_at",
        "created_at",
        "placed_at",
    )
    __table_args__ = (
        tenant_reference("blob_id", "blob"),
        UniqueConstraint("organization_id", "blob_id", "store"),
        CheckConstraint("state in ('making','present','missing','damaged','deleting')", name="state"),
        CheckConstraint("restore_state in ('asked','pending','ready')", name="restore_state"),
        Index("uq_copy_store_key", "store", "key", unique=True),
        Index("ix_copy_store", "organization_id", "store", "id"),
        Index("ix_copy_unsettled", "organization_id", "id", postgresql_where=text("state <> 'present'")),
        Index("ix_copy_verified", "verified_at", "id"),
        Index("ix_copy_restoring", "id", postgresql_where=text("restore_state is not null")),
        Index("ix_copy_degraded", "organization_id", "id", postgresql_where=text("degraded")),
    )

    blob_id: Mapped[UUID]
    store: Mapped[str] = mapped_column(ForeignKey("store.name"))
    #: Ordered by its bytes, as stores list theirs.
    key: Mapped[str] = mapped_column(Text(collation="C"))
    state: Mapped[str] = mapped_column(default=CopyState.PRESENT)
    size_bytes: Mapped[int] = mapped_column(
        server_default="0", comment="of the blob's bytes there; 0 from a version that did not know it"
    )
    storage_class: Mapped[str] = mapped_column(
        default="", server_default="", comment="empty: the store's own"
    )
    restore_state: Mapped[str | None] = mapped_column(comment="of a cold class: asked, pending, ready")
    restore_until: Mapped[datetime | None]
    degraded: Mapped[bool] = mapped_column(
        default=False, server_default="false", comment="taken in here because the wanted store was away"
    )
    claim_id: Mapped[UUID | None] = mapped_column(comment="fence: the attempt that writes or moves its bytes")
    claimed_until: Mapped[datetime | None]
    remove_after: Mapped[datetime | None] = mapped_column(
        comment="when a copy that is let go is removed: links that were given out outlive it"
    )
    verified_at: Mapped[datetime | None] = mapped_column(
        comment="when its bytes were last read and its SHA-256 matched"
    )
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    placed_at: Mapped[datetime | None] = mapped_column(
        comment="since when its bytes lie there in this class; null: since created_at"
    )


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


class StoreUsage(TenantTable, Base):
    """Bytes of an organization in one store and class, exactly; triggers on `copy` keep it, in the commit."""

    __tablename__ = "store_usage"
    __table_args__ = (UniqueConstraint("organization_id", "store", "storage_class", "shard"),)

    store: Mapped[str] = mapped_column(ForeignKey("store.name", ondelete="CASCADE"))
    storage_class: Mapped[str] = mapped_column(default="", server_default="")
    shard: Mapped[int] = mapped_column(
        default=0,
        server_default="0",
        comment="whose commits count in this row; the sum over all is what lies there",
    )
    bytes: Mapped[int] = mapped_column(default=0, server_default="0", comment="as stored")
    copies: Mapped[int] = mapped_column(default=0, server_default="0")


class StoreTraffic(Base):
    """Requests and bytes of one store on one day. A directory table."""

    __tablename__ = "store_traffic"
    __table_args__ = (
        CheckConstraint("action_class in ('write','list','read','delete')", name="action_class"),
        CheckConstraint("counted in ('seen','expected')", name="counted"),
    )

    store: Mapped[str] = mapped_column(ForeignKey("store.name", ondelete="CASCADE"), primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True, comment="in UTC")
    action_class: Mapped[str] = mapped_column(primary_key=True, comment="write, list, read, delete")
    counted: Mapped[str] = mapped_column(
        primary_key=True, comment="seen by us, or expected of a client with its own URL"
    )
    requests: Mapped[int] = mapped_column(default=0, server_default="0")
    bytes_in: Mapped[int] = mapped_column(default=0, server_default="0")
    bytes_out: Mapped[int] = mapped_column(default=0, server_default="0")


class OrganizationStorage(TenantTable, Base):
    """How one organization's blobs are laid out in stores, where it differs from the stores' own way."""

    __tablename__ = "organization_storage"
    __table_args__ = (UniqueConstraint("organization_id"),)

    key_templates: Mapped[dict[str, Any]] = mapped_column(
        default=dict,
        server_default="{}",
        comment="template by store:NAME, kind:local or kind:s3, else default; as `blobs/keys.py` reads it",
    )
    transcripts: Mapped[str | None] = mapped_column(comment="gzip or plain; null: as the template suggests")


class AccessKey(Base):
    """A key to the local S3 wire for tools; its secret is derived, never stored. A directory table."""

    __tablename__ = "access_key"

    access_key: Mapped[str] = mapped_column(primary_key=True)
    store: Mapped[str] = mapped_column(ForeignKey("store.name"))
    read_only: Mapped[bool] = mapped_column(default=False, server_default="false")
    note: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    revoked_at: Mapped[datetime | None]


class MasterKeyRow(Base):
    """A master key by the operator's name for it; the key itself is never here. A directory table."""

    __tablename__ = "master_key"

    id: Mapped[str] = mapped_column(primary_key=True, comment="what the operator calls it")
    check_value: Mapped[bytes] = mapped_column(
        LargeBinary, comment="tells it from another key with the same id, and gives nothing of it away"
    )
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class DataKeyRow(TenantTable, Base):
    """The key of one recording's bytes in encrypted stores, wrapped by a master key; an erased one stays."""

    __tablename__ = "data_key"
    __sweep_columns__ = ("organization_id", "id", "master_key_id")
    __table_args__ = (
        UniqueConstraint("organization_id", "recording_id"),
        CheckConstraint(
            "(wrapped is null) = (erased_at is not null) and (wrapped is null) = (master_key_id is null)",
            name="erased",
        ),
        Index("ix_data_key_master_key", "master_key_id"),
    )

    recording_id: Mapped[UUID] = mapped_column(
        comment="whose bytes it opens; no foreign key: what was erased outlives the recording"
    )
    master_key_id: Mapped[str | None] = mapped_column(
        ForeignKey("master_key.id"), comment="what wraps it; null: erased"
    )
    wrapped: Mapped[bytes | None] = mapped_column(LargeBinary, comment="null: erased")
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    erased_at: Mapped[datetime | None]
