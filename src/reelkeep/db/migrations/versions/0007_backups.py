"""Backups, and recordings whose bytes are not kept."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from reelkeep.db import tenancy

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

STAMP = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Go one step forward."""
    op.create_table(
        "backup",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("place", sa.Text(), nullable=False, comment="the store's name, or a folder"),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("with_blobs", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("started_at", STAMP, nullable=False),
        sa.Column("finished_at", STAMP),
        sa.Column("size_bytes", sa.BigInteger(), comment="of the database's dump and the lists, encrypted"),
        sa.Column("blobs", sa.BigInteger(), comment="that must exist at that point"),
        sa.Column("blobs_copied", sa.BigInteger(), comment="that this backup had to copy"),
        sa.Column("bytes_copied", sa.BigInteger()),
        sa.Column("blobs_missing", sa.BigInteger(), comment="that no store could give"),
        sa.Column("error_code", sa.Text()),
        sa.Column("error_message", sa.Text()),
        sa.Column("drilled_at", STAMP, comment="when it was last restored and found good"),
        sa.Column("drill", postgresql.JSONB()),
        sa.CheckConstraint("state in ('running','whole','failed','removed')", name=op.f("ck_backup_state")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_backup")),
    )
    op.create_index("ix_backup_started", "backup", ["started_at"])
    for statement in tenancy.directory_table_statements("backup"):
        op.execute(statement)
    op.add_column(
        "recording",
        sa.Column(
            "media_kept",
            sa.Boolean(),
            server_default="true",
            nullable=False,
            comment="false: its bytes go when it has been analysed",
        ),
    )


def downgrade() -> None:
    """Refuse: going back is a restore, never a guess at lost columns."""
    raise NotImplementedError("restore a backup made before this migration instead")
