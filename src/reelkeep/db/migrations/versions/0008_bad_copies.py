"""What was found bad is counted without a look at every event."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go one step forward."""
    op.create_index(
        "ix_event_bad_copy",
        "event",
        ["organization_id", "at"],
        postgresql_where=sa.text("kind in ('copy.missing', 'copy.damaged')"),
    )


def downgrade() -> None:
    """Refuse: going back is a restore, never a guess at lost columns."""
    raise NotImplementedError("restore a backup made before this migration instead")
