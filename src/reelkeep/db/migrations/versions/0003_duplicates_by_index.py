"""The first recording with the same bytes comes straight from the index, however many there are."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go one step forward."""
    op.drop_index("ix_blob_sha256", table_name="blob")
    op.create_index("ix_blob_sha256", "blob", ["organization_id", "sha256", "id"], unique=False)


def downgrade() -> None:
    """Refuse: going back is a restore, never a guess at lost columns."""
    raise NotImplementedError("restore a backup made before this migration instead")
