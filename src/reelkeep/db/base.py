"""The base of every table, and the two kinds there are.

A *tenant table* belongs to one organization: its primary key is `(organization_id, id)`, it has a
row-level security policy, and a foreign key to another tenant table carries `organization_id`, so that no
row can point into another organization. A *directory table* is read before or across organizations
(sign-in, tokens, stores); it has no policy, and `DIRECTORY_TABLES` names them all.
"""

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import BigInteger, DateTime, ForeignKey, ForeignKeyConstraint, MetaData, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from reelkeep.clock import new_id

DIRECTORY_TABLES = frozenset(
    {
        "organization",
        "app_user",
        "membership",
        "api_token",
        "sign_in",
        "one_time_link",
        "store",
        "access_key",
        "placement_rules",
        "relocation",
        "placement_pass",
        "store_traffic",
        "master_key",
        "backup",
    }
)

NAMES = {
    "pk": "pk_%(table_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
}


class Base(DeclarativeBase):
    """The base of every table."""

    metadata = MetaData(naming_convention=NAMES)
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: DateTime(timezone=True),
        str: Text,
        int: BigInteger,
        dict[str, Any]: JSONB,
        list[Any]: JSONB,
    }


class TenantTable:
    """A table whose rows each belong to one organization."""

    #: Columns that the sweep role may read across organizations: ids and due dates, never content.
    __sweep_columns__: ClassVar[tuple[str, ...]] = ()

    organization_id: Mapped[UUID] = mapped_column(
        ForeignKey("organization.id", ondelete="CASCADE"), primary_key=True, sort_order=-2
    )
    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id, sort_order=-1)


def tenant_reference(column: str, table: str, ondelete: str = "CASCADE") -> ForeignKeyConstraint:
    """A foreign key to another tenant table, inside the same organization by the database's own rule."""
    return ForeignKeyConstraint(
        ["organization_id", column], [f"{table}.organization_id", f"{table}.id"], ondelete=ondelete
    )


def member_reference(column: str) -> ForeignKeyConstraint:
    """A foreign key to a user through the membership; the column is emptied when the member leaves."""
    return ForeignKeyConstraint(
        ["organization_id", column],
        ["membership.organization_id", "membership.user_id"],
        ondelete=f"SET NULL ({column})",
    )
