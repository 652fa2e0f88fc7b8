"""Uploads that go on in another store when theirs goes away in their midst."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go one step forward."""
    op.add_column(
        "upload",
        sa.Column(
            "beginning",
            postgresql.JSONB(),
            server_default="{}",
            nullable=False,
            comment="of one that went over to another store: which one has its first bytes, how many, its notes",
        ),
    )


def downgrade() -> None:
    """Refuse: going back is a restore, never a guess at lost columns."""
    raise NotImplementedError("restore a backup made before this migration instead")
