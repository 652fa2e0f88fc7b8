"""Data keys of encrypted stores, what tells master keys apart, and recordings that a client encrypted."""

import sqlalchemy as sa
from alembic import op

from reelkeep.db import tenancy

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

STAMP = sa.DateTime(timezone=True)
NOW = sa.text("now()")


def upgrade() -> None:
    """Go one step forward."""
    op.create_table(
        "master_key",
        sa.Column("id", sa.Text(), nullable=False, comment="what the operator calls it"),
        sa.Column(
            "check_value",
            sa.LargeBinary(),
            nullable=False,
            comment="tells it from another key with the same id, and gives nothing of it away",
        ),
        sa.Column("created_at", STAMP, server_default=NOW, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_master_key")),
    )
    op.create_table(
        "data_key",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "recording_id",
            sa.Uuid(),
            nullable=False,
            comment="whose bytes it opens; no foreign key: what was erased outlives the recording",
        ),
        sa.Column("master_key_id", sa.Text(), comment="what wraps it; null: erased"),
        sa.Column("wrapped", sa.LargeBinary(), comment="null: erased"),
        sa.Column("created_at", STAMP, server_default=NOW, nullable=False),
        sa.Column("erased_at", STAMP),
        sa.CheckConstraint(
            "(wrapped is null) = (erased_at is not null) and (wrapped is null) = (master_key_id is null)",
            name=op.f("ck_data_key_erased"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organization.id"],
            name=op.f("fk_data_key_organization_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["master_key_id"], ["master_key.id"], name=op.f("fk_data_key_master_key_id")),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_data_key")),
        sa.UniqueConstraint(
            "organization_id", "recording_id", name=op.f("uq_data_key_organization_id_recording_id")
        ),
    )
    op.create_index("ix_data_key_master_key", "data_key", ["master_key_id"])
    for statement in (
        *tenancy.directory_table_statements("master_key"),
        *tenancy.tenant_table_statements("data_key"),
        *tenancy.sweep_statements("data_key", ["organization_id", "id", "master_key_id"]),
    ):
        op.execute(statement)
    op.add_column(
        "store",
        sa.Column(
            "encrypted",
            sa.Boolean(),
            server_default="false",
            nullable=False,
            comment="whether we encrypt what lies in it",
        ),
    )
    op.add_column(
        "recording",
        sa.Column(
            "client_encrypted",
            sa.Boolean(),
            server_default="false",
            nullable=False,
            comment="its bytes were encrypted by the client: kept as they came, never looked into",
        ),
    )


def downgrade() -> None:
    """Refuse: going back is a restore, never a guess at lost columns."""
    raise NotImplementedError("restore a backup made before this migration instead")
