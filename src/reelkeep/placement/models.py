"""Where blobs should have copies, and the moves between stores that are under way. Directory tables."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, func
from sqlalchemy.orm import Mapped, mapped_column

from reelkeep.clock import new_id
from reelkeep.db.base import Base

#: The scope of the rules for every organization that has none of its own.
EVERYBODY = "everybody"


class PlacementRules(Base):
    """The rules of one scope, as they were written. A directory table."""

    __tablename__ = "placement_rules"

    scope: Mapped[str] = mapped_column(primary_key=True, comment="everybody, or an organization's id")
    rules: Mapped[str] = mapped_column(comment="as `placement/rules.py` reads them")
    written_at: Mapped[datetime] = mapped_column(server_default=func.now())
    #: A pass over all blobs that began after this has seen them.
    passed_at: Mapped[datetime | None] = mapped_column(comment="when a pass last carried them out")


class RelocationState(StrEnum):
    """Where a move from one store to another is."""

    RUNNING = "running"
    PAUSED = "paused"
    #: Nothing is left there; it stays in force, so that late uploads follow.
    DONE = "done"


class Relocation(Base):
    """What rules place in `source` goes to `target` instead. A directory table.

    Without a target the source is drained: what the rules want elsewhere is enough.
    """

    __tablename__ = "relocation"
    __table_args__ = (
        CheckConstraint("state in ('running','paused','done')", name="state"),
        CheckConstraint("source <> target", name="two_stores"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    source: Mapped[str] = mapped_column(ForeignKey("store.name"), unique=True)
    target: Mapped[str | None] = mapped_column(ForeignKey("store.name"))
    state: Mapped[str] = mapped_column(default=RelocationState.RUNNING)
    copies_total: Mapped[int] = mapped_column(default=0, server_default="0", comment="there when it began")
    bytes_total: Mapped[int] = mapped_column(default=0, server_default="0")
    began_at: Mapped[datetime] = mapped_column(server_default=func.now())
    ended_at: Mapped[datetime | None]


class PlacementPass(Base):
    """One look at every blob of every organization, and how far it is. A directory table."""

    __tablename__ = "placement_pass"

    name: Mapped[str] = mapped_column(primary_key=True, comment="what it is for: rules, scrub, …")
    organization_id: Mapped[UUID | None] = mapped_column(comment="where it is; null: at the beginning")
    after_id: Mapped[UUID | None] = mapped_column(comment="the last row that was looked at")
    looked_at: Mapped[int] = mapped_column(default=0, server_default="0")
    found: Mapped[int] = mapped_column(
        default=0, server_default="0", comment="that were not as they should be"
    )
    began_at: Mapped[datetime] = mapped_column(server_default=func.now())
    ended_at: Mapped[datetime | None]
