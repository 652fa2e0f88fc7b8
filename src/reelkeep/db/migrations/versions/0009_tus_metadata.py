"""What a tus client said of its upload, to be repeated to it."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go one step forward."""
    told = "Upload-Metadata as the client sent it, while the upload is open"
    op.add_column("upload", sa.Column("tus_metadata", sa.Text(), comment=told))


def downgrade() -> None:
    """Refuse: going back is a restore, never a guess at lost columns."""
    raise NotImplementedError("restore a backup made before this migration instead")
