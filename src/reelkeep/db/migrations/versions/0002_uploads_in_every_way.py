"""Limits and usage, uploads in parts and in several goes, sessions, keys to the wire."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from reelkeep.db import tenancy

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TENANT_TABLES = ("session", "upload_limits", "usage")
DIRECTORY_TABLES = ("access_key",)
COUNT_WHAT_IS_THERE = """
insert into usage (organization_id, id, bytes_used, bytes_reserved, uploads_open)
select o.id, gen_random_uuid(),
       (select coalesce(sum(size_bytes), 0) from blob b where b.organization_id = o.id),
       0,
       (select count(*) from upload u where u.organization_id = o.id and u.state = 'open')
  from organization o
"""


def upgrade() -> None:
    """Go one step forward."""
    op.create_table(
        "access_key",
        sa.Column("access_key", sa.Text(), nullable=False),
        sa.Column("store", sa.Text(), nullable=False),
        sa.Column("read_only", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["store"], ["store.name"], name=op.f("fk_access_key_store")),
        sa.PrimaryKeyConstraint("access_key", name=op.f("pk_access_key")),
    )
    op.create_table(
        "session",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "external_id",
            sa.Text(),
            nullable=False,
            comment="the host application's own id, or one that we made",
        ),
        sa.Column("title", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organization.id"],
            name=op.f("fk_session_organization_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_session")),
        sa.UniqueConstraint(
            "organization_id", "external_id", name=op.f("uq_session_organization_id_external_id")
        ),
    )
    op.create_table(
        "upload_limits",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("recording_type", sa.Text(), nullable=False),
        sa.Column("content_types", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("size_bytes_max", sa.BigInteger(), nullable=True),
        sa.Column("duration_seconds_max", sa.BigInteger(), nullable=True),
        sa.Column(
            "uploads_open_max", sa.BigInteger(), nullable=True, comment="only in the row for all types"
        ),
        sa.Column(
            "tickets_per_minute_max", sa.BigInteger(), nullable=True, comment="only in the row for all types"
        ),
        sa.Column("quota_bytes", sa.BigInteger(), nullable=True, comment="only in the row for all types"),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organization.id"],
            name=op.f("fk_upload_limits_organization_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_upload_limits")),
        sa.UniqueConstraint(
            "organization_id", "recording_type", name=op.f("uq_upload_limits_organization_id_recording_type")
        ),
    )
    op.create_table(
        "usage",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "bytes_used", sa.BigInteger(), server_default="0", nullable=False, comment="sum of its blobs"
        ),
        sa.Column(
            "bytes_reserved",
            sa.BigInteger(),
            server_default="0",
            nullable=False,
            comment="sum of what its open uploads hold",
        ),
        sa.Column("uploads_open", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column(
            "minute", sa.DateTime(timezone=True), nullable=True, comment="the minute that `tickets` counts"
        ),
        sa.Column("tickets", sa.BigInteger(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organization.id"],
            name=op.f("fk_usage_organization_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_usage")),
        sa.UniqueConstraint("organization_id", name=op.f("uq_usage_organization_id")),
    )
    op.add_column(
        "recording",
        sa.Column(
            "duplicate_of_recording_id",
            sa.Uuid(),
            nullable=True,
            comment="an older recording of the organization with the same bytes; told, never dropped",
        ),
    )
    op.add_column("recording", sa.Column("session_id", sa.Uuid(), nullable=True))
    op.add_column(
        "recording",
        sa.Column("part_number", sa.BigInteger(), nullable=True, comment="its place in the session, from 1"),
    )
    op.create_unique_constraint(
        op.f("uq_recording_organization_id_session_id_part_number"),
        "recording",
        ["organization_id", "session_id", "part_number"],
    )
    op.create_foreign_key(
        op.f("fk_recording_organization_id_session_id"),
        "recording",
        "session",
        ["organization_id", "session_id"],
        ["organization_id", "id"],
        ondelete="SET NULL (session_id)",
    )
    op.create_foreign_key(
        op.f("fk_recording_organization_id_duplicate_of_recording_id"),
        "recording",
        "recording",
        ["organization_id", "duplicate_of_recording_id"],
        ["organization_id", "id"],
        ondelete="SET NULL (duplicate_of_recording_id)",
    )
    op.add_column(
        "upload",
        sa.Column(
            "size_bytes_reserved",
            sa.BigInteger(),
            server_default="0",
            nullable=False,
            comment="quota held until it is sealed, refused or expired",
        ),
    )
    op.add_column(
        "upload",
        sa.Column("multipart_id", sa.Text(), nullable=True, comment="the store's id of a multipart upload"),
    )
    op.add_column(
        "upload",
        sa.Column(
            "growth",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default="{}",
            nullable=False,
            comment="what the store wants to be told again of growing bytes",
        ),
    )
    op.add_column(
        "upload",
        sa.Column(
            "writer_id",
            sa.Uuid(),
            nullable=True,
            comment="fence: the request that may append; a newer one takes it over",
        ),
    )
    op.add_column(
        "upload",
        sa.Column(
            "source_url", sa.Text(), nullable=True, comment="what a worker fetches; emptied at the end"
        ),
    )
    op.add_column(
        "upload",
        sa.Column(
            "fetch",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default="{}",
            nullable=False,
            comment="what a worker that fetches leaves for the next one",
        ),
    )
    op.create_index(
        "ix_recording_original_blob", "recording", ["organization_id", "original_blob_id"], unique=False
    )
    op.add_column(
        "upload",
        sa.Column(
            "seal_attempts",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default="[]",
            nullable=False,
            comment="blobs whose bytes a seal may have put in place, and lost",
        ),
    )
    op.create_index(
        "ix_upload_attempts",
        "upload",
        ["sweep_after"],
        unique=False,
        postgresql_where=sa.text("seal_attempts <> '[]'"),
    )
    op.execute("GRANT SELECT (seal_attempts) ON upload TO reelkeep_sweep")
    op.create_index("ix_blob_sha256", "blob", ["organization_id", "sha256"], unique=False)
    for table in TENANT_TABLES:
        _run(tenancy.tenant_table_statements(table))
    for table in DIRECTORY_TABLES:
        _run(tenancy.directory_table_statements(table))
    op.execute(COUNT_WHAT_IS_THERE)


def _run(statements: list[str]) -> None:
    for statement in statements:
        op.execute(statement)


def downgrade() -> None:
    """Refuse: going back is a restore, never a guess at lost columns."""
    raise NotImplementedError("restore a backup made before this migration instead")
