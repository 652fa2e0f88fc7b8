"""Copies with their state and class, where blobs should have copies, moves between stores, holds."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from reelkeep.db import tenancy

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

STAMP = sa.DateTime(timezone=True)
NOW = sa.text("now()")


def upgrade() -> None:
    """Go one step forward."""
    _copies()
    _placement()
    _holds()
    _keys_and_what_tells_of_itself()
    _retention()
    op.add_column(
        "store",
        sa.Column(
            "identity",
            sa.Uuid(),
            comment="of a folder that several machines share; also in its identity.json",
        ),
    )


def _copies() -> None:
    op.add_column(
        "copy",
        sa.Column(
            "size_bytes",
            sa.BigInteger(),
            server_default="0",
            comment="of the blob's bytes there; 0 from a version that did not know it",
        ),
    )
    op.execute(
        "update copy c set size_bytes = b.size_bytes from blob b"
        " where b.organization_id = c.organization_id and b.id = c.blob_id"
    )
    op.alter_column("copy", "size_bytes", nullable=False)
    op.execute("update copy set storage_class = '' where storage_class is null")
    op.alter_column(
        "copy", "storage_class", nullable=False, server_default="", comment="empty: the store's own"
    )
    for column in (
        sa.Column("restore_state", sa.Text(), comment="of a cold class: asked, pending, ready"),
        sa.Column("restore_until", STAMP),
        sa.Column(
            "degraded",
            sa.Boolean(),
            server_default="false",
            nullable=False,
            comment="taken in here because the wanted store was away",
        ),
        sa.Column("claim_id", sa.Uuid(), comment="fence: the attempt that writes or moves its bytes"),
        sa.Column("claimed_until", STAMP),
        sa.Column(
            "remove_after",
            STAMP,
            comment="when a copy that is let go is removed: links that were given out outlive it",
        ),
    ):
        op.add_column("copy", column)
    op.execute('alter table copy alter column key type text collate "C"')
    op.create_check_constraint(
        op.f("ck_copy_state"), "copy", "state in ('making','present','missing','damaged','deleting')"
    )
    op.create_check_constraint(
        op.f("ck_copy_restore_state"), "copy", "restore_state in ('asked','pending','ready')"
    )
    op.create_index("ix_copy_store", "copy", ["organization_id", "store", "id"])
    op.create_index(
        "ix_copy_unsettled",
        "copy",
        ["organization_id", "id"],
        postgresql_where=sa.text("state <> 'present'"),
    )
    op.create_index("ix_copy_verified", "copy", ["verified_at", "id"])
    op.create_index(
        "ix_copy_degraded", "copy", ["organization_id", "id"], postgresql_where=sa.text("degraded")
    )
    op.create_index("ix_rendition_blob", "rendition", ["organization_id", "blob_id"])
    swept = ("organization_id", "id", "blob_id", "store", "state", "size_bytes", "storage_class", "degraded")
    later = ("restore_state", "restore_until", "claim_id", "claimed_until", "remove_after", "verified_at")
    _run(tenancy.sweep_statements("copy", [*swept, *later]))
    _run(tenancy.sweep_statements("blob", ["organization_id", "id", "kind", "size_bytes", "created_at"]))


def _placement() -> None:
    op.create_table(
        "placement_rules",
        sa.Column("scope", sa.Text(), nullable=False, comment="everybody, or an organization's id"),
        sa.Column("rules", sa.Text(), nullable=False, comment="as `placement/rules.py` reads them"),
        sa.Column("written_at", STAMP, server_default=NOW, nullable=False),
        sa.Column("passed_at", STAMP, comment="when a pass last carried them out"),
        sa.PrimaryKeyConstraint("scope", name=op.f("pk_placement_rules")),
    )
    op.create_table(
        "relocation",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("target", sa.Text()),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column(
            "copies_total", sa.BigInteger(), server_default="0", nullable=False, comment="there when it began"
        ),
        sa.Column("bytes_total", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("began_at", STAMP, server_default=NOW, nullable=False),
        sa.Column("ended_at", STAMP),
        sa.CheckConstraint("state in ('running','paused','done')", name=op.f("ck_relocation_state")),
        sa.CheckConstraint("source <> target", name=op.f("ck_relocation_two_stores")),
        sa.ForeignKeyConstraint(["source"], ["store.name"], name=op.f("fk_relocation_source")),
        sa.ForeignKeyConstraint(["target"], ["store.name"], name=op.f("fk_relocation_target")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_relocation")),
        sa.UniqueConstraint("source", name=op.f("uq_relocation_source")),
    )
    op.create_table(
        "placement_pass",
        sa.Column("name", sa.Text(), nullable=False, comment="what it is for: rules, scrub, …"),
        sa.Column("organization_id", sa.Uuid(), comment="where it is; null: at the beginning"),
        sa.Column("after_id", sa.Uuid(), comment="the last row that was looked at"),
        sa.Column("looked_at", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column(
            "found",
            sa.BigInteger(),
            server_default="0",
            nullable=False,
            comment="that were not as they should be",
        ),
        sa.Column("began_at", STAMP, server_default=NOW, nullable=False),
        sa.Column("ended_at", STAMP),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_placement_pass")),
    )
    for table in ("placement_rules", "relocation", "placement_pass"):
        _run(tenancy.directory_table_statements(table))


def _holds() -> None:
    op.create_table(
        "hold",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("recording_id", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_at", STAMP, server_default=NOW, nullable=False),
        sa.Column("released_at", STAMP),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organization.id"], name=op.f("fk_hold_organization_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "recording_id"],
            ["recording.organization_id", "recording.id"],
            name=op.f("fk_hold_organization_id_recording_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_hold")),
    )
    op.create_index("ix_hold_recording", "hold", ["organization_id", "recording_id"])
    _run(tenancy.tenant_table_statements("hold"))


def _keys_and_what_tells_of_itself() -> None:
    op.alter_column(
        "upload", "seal_attempts", comment="keys where a seal may have put bytes in place, and lost"
    )
    op.add_column(
        "blob",
        sa.Column(
            "recording_id",
            sa.Uuid(),
            comment="whose bytes they are; no foreign key, since the recording names its original",
        ),
    )
    op.execute(
        "update blob b set recording_id = r.id from recording r"
        " where r.organization_id = b.organization_id and r.original_blob_id = b.id"
    )
    op.execute(
        "update blob b set recording_id = r.recording_id from rendition r"
        " where r.organization_id = b.organization_id and r.blob_id = b.id"
    )
    op.create_index("ix_blob_recording", "blob", ["organization_id", "recording_id"])
    op.add_column(
        "transcript", sa.Column("blob_id", sa.Uuid(), comment="the same words as a file in a store")
    )
    op.create_foreign_key(
        op.f("fk_transcript_organization_id_blob_id"),
        "transcript",
        "blob",
        ["organization_id", "blob_id"],
        ["organization_id", "id"],
        ondelete="SET NULL (blob_id)",
    )
    op.create_index("ix_transcript_blob", "transcript", ["organization_id", "blob_id"])
    op.create_table(
        "organization_storage",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column(
            "key_templates",
            postgresql.JSONB(),
            server_default="{}",
            nullable=False,
            comment="template by store:NAME, kind:local or kind:s3, else default; as `blobs/keys.py` reads it",
        ),
        sa.Column("transcripts", sa.Text(), comment="gzip or plain; null: as the template suggests"),
        *_of_an_organization("organization_storage"),
        sa.UniqueConstraint("organization_id", name=op.f("uq_organization_storage_organization_id")),
    )
    op.create_table(
        "erased",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("recording_id", sa.Uuid(), nullable=False),
        sa.Column("erased_at", STAMP, server_default=NOW, nullable=False),
        *_of_an_organization("erased"),
        sa.UniqueConstraint(
            "organization_id", "recording_id", name=op.f("uq_erased_organization_id_recording_id")
        ),
    )
    for table in ("organization_storage", "erased"):
        _run(tenancy.tenant_table_statements(table))


def _retention() -> None:
    op.create_index(
        "ix_copy_restoring", "copy", ["id"], postgresql_where=sa.text("restore_state is not null")
    )
    op.create_index("ix_recording_age", "recording", ["created_at", "id"])
    op.create_index(
        "ix_recording_trash",
        "recording",
        ["deleted_at", "id"],
        postgresql_where=sa.text("deleted_at is not null"),
    )
    op.create_index(
        "ix_recording_original_age",
        "recording",
        ["created_at", "id"],
        postgresql_where=sa.text("original_blob_id is not null"),
    )
    _run(tenancy.sweep_statements("hold", ["organization_id", "id", "recording_id", "released_at"]))
    op.execute(
        f"GRANT SELECT (created_at, deleted_at, original_blob_id) ON recording TO {tenancy.SWEEP_ROLE}"
    )
    op.execute(f"GRANT SELECT (recording_id) ON blob TO {tenancy.SWEEP_ROLE}")


def _of_an_organization(table: str) -> tuple[sa.Constraint, ...]:
    return (
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organization.id"],
            name=op.f(f"fk_{table}_organization_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f(f"pk_{table}")),
    )


def _run(statements: list[str]) -> None:
    for statement in statements:
        op.execute(statement)


def downgrade() -> None:
    """Refuse: going back is a restore, never a guess at lost columns."""
    raise NotImplementedError("restore a backup made before this migration instead")
