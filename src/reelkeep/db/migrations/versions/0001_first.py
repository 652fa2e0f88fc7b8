"""The first tables, their policies and roles, and the job queue."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from reelkeep.db import tenancy
from reelkeep.db.jobs_schema import create_jobs_schema
from reelkeep.db.types import Xid8

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


TENANT_TABLES = (
    "blob",
    "event",
    "copy",
    "recording",
    "finished_stretch",
    "rendition",
    "step",
    "transcript",
    "upload",
    "segment",
)
DIRECTORY_TABLES = (
    "app_user",
    "organization",
    "store",
    "api_token",
    "membership",
    "one_time_link",
    "sign_in",
)
SWEEP_COLUMNS = {
    "upload": ("organization_id", "id", "state", "expires_at", "sweep_after"),
    "step": ("organization_id", "id", "recording_id", "state", "queued_at"),
    "recording": ("organization_id", "id"),
}


def upgrade() -> None:
    """Go one step forward."""
    _run(tenancy.role_statements())
    create_jobs_schema(op.get_bind())
    op.create_table(
        "app_user",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column(
            "password_hash", sa.Text(), nullable=True, comment="argon2id; empty until a password is set"
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("disabled_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_app_user")),
    )
    op.create_index("uq_app_user_email", "app_user", [sa.literal_column("lower(email)")], unique=True)
    op.create_table(
        "organization",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_organization")),
    )
    op.create_table(
        "store",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False, comment="local or s3"),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_store")),
    )
    op.create_table(
        "api_token",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False, comment="SHA-256 of the token"),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organization.id"],
            name=op.f("fk_api_token_organization_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["app_user.id"], name=op.f("fk_api_token_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_token")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_api_token_token_hash")),
    )
    op.create_index(op.f("ix_api_token_user_id"), "api_token", ["user_id"], unique=False)
    op.create_table(
        "blob",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("content_type", sa.Text(), nullable=False),
        sa.Column(
            "sha256",
            sa.LargeBinary(),
            nullable=True,
            comment="null until one process has read all bytes; never guessed",
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("size_bytes >= 0", name=op.f("ck_blob_size")),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organization.id"], name=op.f("fk_blob_organization_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_blob")),
    )
    op.create_table(
        "event",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("seq", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("epoch", sa.BigInteger(), server_default=sa.text("1"), nullable=False),
        sa.Column("xid", Xid8(), server_default=sa.text("pg_current_xact_id()"), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("actor_user_id", sa.Uuid(), nullable=True),
        sa.Column("recording_id", sa.Uuid(), nullable=True),
        sa.Column("upload_id", sa.Uuid(), nullable=True),
        sa.Column("facts", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organization.id"],
            name=op.f("fk_event_organization_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_event")),
    )
    op.create_index("ix_event_order", "event", ["epoch", "xid", "seq"], unique=False)
    op.create_index("ix_event_recording", "event", ["organization_id", "recording_id"], unique=False)
    op.create_table(
        "membership",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organization.id"],
            name=op.f("fk_membership_organization_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["app_user.id"], name=op.f("fk_membership_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("organization_id", "user_id", name=op.f("pk_membership")),
    )
    op.create_table(
        "one_time_link",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("secret_hash", sa.LargeBinary(), nullable=False, comment="SHA-256 of the link's token"),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["user_id"], ["app_user.id"], name=op.f("fk_one_time_link_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_one_time_link")),
        sa.UniqueConstraint("secret_hash", name=op.f("uq_one_time_link_secret_hash")),
    )
    op.create_table(
        "sign_in",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("secret_hash", sa.LargeBinary(), nullable=False, comment="SHA-256 of the cookie"),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organization.id"],
            name=op.f("fk_sign_in_organization_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["app_user.id"], name=op.f("fk_sign_in_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sign_in")),
        sa.UniqueConstraint("secret_hash", name=op.f("uq_sign_in_secret_hash")),
    )
    op.create_index(op.f("ix_sign_in_user_id"), "sign_in", ["user_id"], unique=False)
    op.create_table(
        "copy",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("blob_id", sa.Uuid(), nullable=False),
        sa.Column("store", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("storage_class", sa.Text(), nullable=True),
        sa.Column(
            "verified_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="when its bytes were last read and its SHA-256 matched",
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id", "blob_id"],
            ["blob.organization_id", "blob.id"],
            name=op.f("fk_copy_organization_id_blob_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organization.id"], name=op.f("fk_copy_organization_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["store"], ["store.name"], name=op.f("fk_copy_store")),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_copy")),
        sa.UniqueConstraint(
            "organization_id", "blob_id", "store", name=op.f("uq_copy_organization_id_blob_id_store")
        ),
    )
    op.create_index("uq_copy_store_key", "copy", ["store", "key"], unique=True)
    op.create_table(
        "recording",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("title", sa.Text(), nullable=True),
        sa.Column("recording_type", sa.Text(), nullable=False),
        sa.Column("appointment_id", sa.Text(), nullable=True),
        sa.Column("visit_id", sa.Text(), nullable=True),
        sa.Column("recorded_by_user_id", sa.Uuid(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("failure_code", sa.Text(), nullable=True),
        sa.Column("failure_message", sa.Text(), nullable=True),
        sa.Column("original_filename", sa.Text(), nullable=False),
        sa.Column(
            "content_type", sa.Text(), nullable=False, comment="declared at first, then as found by looking"
        ),
        sa.Column(
            "sha256_declared",
            sa.LargeBinary(),
            nullable=True,
            comment="what the client promised; compared when all bytes are first read",
        ),
        sa.Column("original_blob_id", sa.Uuid(), nullable=True),
        sa.Column("size_bytes", sa.BigInteger(), nullable=True),
        sa.Column(
            "duration_seconds", sa.Double(), nullable=True, comment="declared at first, then as measured"
        ),
        sa.Column("transcribe", sa.Boolean(), nullable=False, comment="whether words were asked for"),
        sa.Column("recording_metadata", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("uploaded_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("processed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("deleted_by_user_id", sa.Uuid(), nullable=True),
        sa.CheckConstraint(
            "status in ('uploading','uploaded','processing','transcribed','processed','failed')",
            name=op.f("ck_recording_status"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "original_blob_id"],
            ["blob.organization_id", "blob.id"],
            name=op.f("fk_recording_organization_id_original_blob_id"),
            ondelete="SET NULL (original_blob_id)",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "recorded_by_user_id"],
            ["membership.organization_id", "membership.user_id"],
            name=op.f("fk_recording_organization_id_recorded_by_user_id"),
            ondelete="SET NULL (recorded_by_user_id)",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organization.id"],
            name=op.f("fk_recording_organization_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_recording")),
    )
    op.create_index(
        "ix_recording_appointment", "recording", ["organization_id", "appointment_id"], unique=False
    )
    op.create_index(
        "ix_recording_newest",
        "recording",
        ["organization_id", sa.literal_column("created_at desc"), sa.literal_column("id desc")],
        unique=False,
    )
    op.create_index("ix_recording_visit", "recording", ["organization_id", "visit_id"], unique=False)
    op.create_table(
        "finished_stretch",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("recording_id", sa.Uuid(), nullable=False),
        sa.Column(
            "plan",
            sa.Text(),
            nullable=False,
            comment="digest of the sound, the cuts, the engine and its options",
        ),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("result", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id", "recording_id"],
            ["recording.organization_id", "recording.id"],
            name=op.f("fk_finished_stretch_organization_id_recording_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organization.id"],
            name=op.f("fk_finished_stretch_organization_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_finished_stretch")),
        sa.UniqueConstraint(
            "organization_id",
            "recording_id",
            "plan",
            "position",
            name=op.f("uq_finished_stretch_organization_id_recording_id_plan_position"),
        ),
    )
    op.create_table(
        "rendition",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("recording_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("blob_id", sa.Uuid(), nullable=False),
        sa.Column("details", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id", "blob_id"],
            ["blob.organization_id", "blob.id"],
            name=op.f("fk_rendition_organization_id_blob_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "recording_id"],
            ["recording.organization_id", "recording.id"],
            name=op.f("fk_rendition_organization_id_recording_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organization.id"],
            name=op.f("fk_rendition_organization_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_rendition")),
        sa.UniqueConstraint(
            "organization_id",
            "recording_id",
            "kind",
            name=op.f("uq_rendition_organization_id_recording_id_kind"),
        ),
    )
    op.create_table(
        "step",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("recording_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column(
            "attempts", sa.BigInteger(), nullable=False, comment="claims that did not end in an orderly stop"
        ),
        sa.Column("run_id", sa.Uuid(), nullable=True),
        sa.Column("parameters", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("progress", sa.Double(), nullable=True, comment="0 to 1 while running"),
        sa.Column("error_code", sa.Text(), nullable=True),
        sa.Column("error_message", sa.Text(), nullable=True),
        sa.Column("warnings", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("result", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("queued_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "state in ('todo','running','done','failed','skipped')", name=op.f("ck_step_state")
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "recording_id"],
            ["recording.organization_id", "recording.id"],
            name=op.f("fk_step_organization_id_recording_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organization.id"], name=op.f("fk_step_organization_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_step")),
        sa.UniqueConstraint(
            "organization_id", "recording_id", "kind", name=op.f("uq_step_organization_id_recording_id_kind")
        ),
    )
    op.create_index(
        "ix_step_unfinished",
        "step",
        ["queued_at", "id"],
        unique=False,
        postgresql_where=sa.text("state in ('todo', 'running')"),
    )
    op.create_table(
        "transcript",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("recording_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("engine", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("device", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), nullable=True),
        sa.Column("language_probability", sa.Double(), nullable=True),
        sa.Column(
            "confidence", sa.Double(), nullable=True, comment="mean over words, on the engine's own scale"
        ),
        sa.Column("duration_seconds", sa.Double(), nullable=False),
        sa.Column("warnings", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id", "recording_id"],
            ["recording.organization_id", "recording.id"],
            name=op.f("fk_transcript_organization_id_recording_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organization.id"],
            name=op.f("fk_transcript_organization_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_transcript")),
        sa.UniqueConstraint(
            "organization_id",
            "recording_id",
            "version",
            name=op.f("uq_transcript_organization_id_recording_id_version"),
        ),
    )
    op.create_table(
        "upload",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("recording_id", sa.Uuid(), nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("store", sa.Text(), nullable=False),
        sa.Column("incoming_key", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("content_type", sa.Text(), nullable=False),
        sa.Column("size_bytes_max", sa.BigInteger(), nullable=False),
        sa.Column("size_bytes_declared", sa.BigInteger(), nullable=True),
        sa.Column("error_code", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column(
            "expires_at", sa.DateTime(timezone=True), nullable=False, comment="when the ticket stops working"
        ),
        sa.Column(
            "sweep_after",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="when the sweep looks at it next",
        ),
        sa.Column("sealed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("state in ('open','sealed','refused','expired')", name=op.f("ck_upload_state")),
        sa.ForeignKeyConstraint(
            ["organization_id", "recording_id"],
            ["recording.organization_id", "recording.id"],
            name=op.f("fk_upload_organization_id_recording_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organization.id"],
            name=op.f("fk_upload_organization_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["store"], ["store.name"], name=op.f("fk_upload_store")),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_upload")),
    )
    op.create_index(
        "ix_upload_due", "upload", ["sweep_after"], unique=False, postgresql_where=sa.text("state = 'open'")
    )
    op.create_index("ix_upload_recording", "upload", ["organization_id", "recording_id"], unique=False)
    op.create_table(
        "segment",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("transcript_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("start_seconds", sa.Double(), nullable=False),
        sa.Column("end_seconds", sa.Double(), nullable=False),
        sa.Column("speaker", sa.Text(), nullable=True),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("confidence", sa.Double(), nullable=True),
        sa.Column(
            "words",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="[text, start, end, confidence] each; times in seconds",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "transcript_id"],
            ["transcript.organization_id", "transcript.id"],
            name=op.f("fk_segment_organization_id_transcript_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organization.id"],
            name=op.f("fk_segment_organization_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_segment")),
    )
    op.create_index(
        "ix_segment_transcript", "segment", ["organization_id", "transcript_id", "position"], unique=True
    )
    for table in TENANT_TABLES:
        _run(tenancy.tenant_table_statements(table))
    for table in DIRECTORY_TABLES:
        _run(tenancy.directory_table_statements(table))
    for table, columns in SWEEP_COLUMNS.items():
        _run(tenancy.sweep_statements(table, columns))


def _run(statements: list[str]) -> None:
    for statement in statements:
        op.execute(statement)


def downgrade() -> None:
    """Refuse: going back is a restore, never a guess at lost columns."""
    raise NotImplementedError("restore a backup made before this migration instead")
