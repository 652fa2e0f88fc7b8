"""Since when a copy lies in its storage class: services charge for a least number of days there."""

import sqlalchemy as sa
from alembic import op

from reelkeep.db import tenancy

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go one step forward."""
    op.add_column(
        "copy",
        sa.Column(
            "placed_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="since when its bytes lie there in this class; null: since created_at",
        ),
    )
    op.execute(f"GRANT SELECT (created_at, placed_at) ON copy TO {tenancy.SWEEP_ROLE}")


def downgrade() -> None:
    """Refuse: going back is a restore, never a guess at lost columns."""
    raise NotImplementedError("restore a backup made before this migration instead")
