"""The append-only table of facts."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Identity, Index, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from reelkeep.db.base import Base, TenantTable
from reelkeep.db.types import Xid8

#: What is appended when a copy's bytes are found to be gone or wrong.
BAD_COPY_KINDS = ("copy.missing", "copy.damaged")


class Event(TenantTable, Base):
    """One fact: ids only, no names and no text.

    Readers go by (epoch, xid, seq) below `pg_snapshot_xmin`: by `seq` alone, an event of a slow
    transaction would be missed for ever. A restore raises the epoch, since transaction ids start anew.
    """

    __tablename__ = "event"
    __table_args__ = (
        Index("ix_event_order", "epoch", "xid", "seq"),
        Index("ix_event_recording", "organization_id", "recording_id"),
        Index(
            "ix_event_bad_copy",
            "organization_id",
            "at",
            postgresql_where=text("kind in ('copy.missing', 'copy.damaged')"),
        ),
    )
    # What the database adds is for readers; a writer would wait for it each time.
    __mapper_args__ = {"eager_defaults": False}  # noqa: RUF012 - as SQLAlchemy declares it

    seq: Mapped[int] = mapped_column(BigInteger, Identity(always=True))
    epoch: Mapped[int] = mapped_column(server_default=text("1"))
    xid: Mapped[int] = mapped_column(Xid8, server_default=text("pg_current_xact_id()"))
    kind: Mapped[str]
    at: Mapped[datetime] = mapped_column(server_default=func.now())
    actor_user_id: Mapped[UUID | None]
    recording_id: Mapped[UUID | None]
    upload_id: Mapped[UUID | None]
    facts: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict)
