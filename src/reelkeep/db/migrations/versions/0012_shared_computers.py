"""What an organization has decided of its computers, and the client's own name of an upload."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go one step forward."""
    shared = "its people record at computers that others use too: browsers encrypt what they keep"
    op.add_column(
        "organization",
        sa.Column("shared_computers", sa.Boolean(), server_default="false", nullable=False, comment=shared),
    )
    named = "who began it, and their client's own name of it: asked for again, it is this one"
    op.add_column("upload", sa.Column("client_key", sa.Text(), nullable=True, comment=named))
    op.create_index(
        "uq_upload_client_key",
        "upload",
        ["organization_id", "client_key"],
        unique=True,
        postgresql_where=sa.text("client_key is not null"),
    )


def downgrade() -> None:
    """Refuse: going back is a restore, never a guess at lost columns."""
    raise NotImplementedError("restore a backup made before this migration instead")
