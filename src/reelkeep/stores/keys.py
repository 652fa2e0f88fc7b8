"""Which keys an object may have: the same in every store."""

import re

from reelkeep.errors import Invalid

#: A key's longest length; Amazon S3's own limit.
KEY_BYTES_MAX = 1024
#: A part's longest length, so that the local store may add its endings within a file system's 255.
PART_BYTES_MAX = 200

_KEY = re.compile(r"[A-Za-z0-9._-]+(?:/[A-Za-z0-9._-]+)*")


def check_key(key: str) -> str:
    """The key itself, or `Invalid` when it is not parts of `A-Z a-z 0-9 . _ -` joined by `/`."""
    parts = key.split("/")
    if (
        len(key) > KEY_BYTES_MAX
        or not _KEY.fullmatch(key)
        or any(part in (".", "..") or len(part) > PART_BYTES_MAX for part in parts)
    ):
        raise Invalid(
            f"The key {key[:80]!r} is not allowed: use parts of A-Z a-z 0-9 . _ - joined by '/', "
            f"at most {PART_BYTES_MAX} characters a part and {KEY_BYTES_MAX} in all."
        )
    return key
