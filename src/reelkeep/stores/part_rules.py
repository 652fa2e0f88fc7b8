"""What S3 asks of the parts of an object, whatever store takes them.

Source: Amazon S3 API reference, "CompleteMultipartUpload" and "Multipart upload limits".
"""

import hashlib
import re
from collections.abc import Sequence

from reelkeep.errors import Invalid
from reelkeep.stores.protocol import PART_NUMBER_MAX

_MD5 = re.compile(r"[0-9a-f]{32}")


def check_part_number(number: int) -> int:
    """The number itself, or `Invalid`."""
    if not 1 <= number <= PART_NUMBER_MAX:
        raise Invalid(f"A part's number is 1 to {PART_NUMBER_MAX:,}, not {number}.")
    return number


def check_parts(parts: Sequence[tuple[int, str]]) -> list[tuple[int, str]]:
    """The parts with bare etags, or `Invalid` when there are none or their numbers do not ascend."""
    if not parts:
        raise Invalid("Name the parts that make the object: there must be at least one.")
    before = 0
    for number, _ in parts:
        if check_part_number(number) <= before:
            raise Invalid(f"Name the parts by ascending number, each once: {number} comes after {before}.")
        before = number
    return [(number, etag.strip().strip('"')) for number, etag in parts]


def etag_of_parts(etags: Sequence[str]) -> str | None:
    """The etag of the object that parts make, or None where theirs are not MD5s."""
    if not all(_MD5.fullmatch(etag) for etag in etags):
        return None
    joined = b"".join(bytes.fromhex(etag) for etag in etags)
    return f"{hashlib.md5(joined, usedforsecurity=False).hexdigest()}-{len(etags)}"
