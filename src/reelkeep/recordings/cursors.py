"""Where a page of a list that is newest first ended, as text that clients hand back."""

import base64
import binascii
from datetime import datetime
from uuid import UUID

from reelkeep.errors import Invalid


def escape_like(words: str) -> str:
    """Words of a person as a part of a LIKE pattern that matches just them."""
    return words.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def write_cursor(created_at: datetime, row_id: UUID) -> str:
    """The place of a row."""
    plain = f"{created_at.isoformat()} {row_id}"
    return base64.urlsafe_b64encode(plain.encode()).decode().rstrip("=")


def read_cursor(cursor: str) -> tuple[datetime, UUID]:
    """The place again, or `INVALID_REQUEST`."""
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        created_at, row_id = base64.urlsafe_b64decode(padded.encode()).decode().split(" ")
        return datetime.fromisoformat(created_at), UUID(row_id)
    except (ValueError, binascii.Error) as error:
        raise Invalid("The cursor is not one that this server gave; leave it out to start anew.") from error
