"""How an encrypted object is laid out: whole, in order, of this very key, or not readable at all.

    "RKE1"  data key's id (16)  salt (32)  |  segment 0  |  segment 1  |  …  |  last segment

Each object has a key of its own: HKDF (RFC 5869) of the data key, with the object's random salt, its head and
the key that it lies under. A segment is AES-256-GCM over 256 KiB of plain bytes, the last one over what is
left (an empty object has one empty segment). Nonce and additional data are the segment's number and a byte
that marks the last one: the STREAM construction (Hoang, Reyhanitabar, Rogaway and Vizár, 2015), as in Tink's
AES-GCM-HKDF streaming. Since salts are random and long, no object key is used for two objects, and since
numbers count up, no nonce twice under one. So segments that were changed, reordered, left out, cut off, or
come from another object or another key are all refused, and the plain size follows from the object's.

The number has 11 bytes; what limits an object is the store (Amazon S3: 5 TiB), not this.
"""

import hmac
import os
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from reelkeep.errors import WrongBytes
from reelkeep.stores.key_ring import DataKey

MAGIC = b"RKE1"
SALT_BYTES = 32
HEAD_BYTES = len(MAGIC) + 16 + SALT_BYTES
SEGMENT_BYTES = 256 * 1024
TAG_BYTES = 16
SEALED_SEGMENT_BYTES = SEGMENT_BYTES + TAG_BYTES


class SealedObject:
    """The segments of one object: seals and opens them by number. Blocks for about 30 µs a segment."""

    def __init__(self, data_key: DataKey, head: bytes, object_key: str) -> None:
        self.head = head
        self._object_key = object_key
        pseudorandom = hmac.digest(head[-SALT_BYTES:], data_key.secret, "sha256")
        about = b"reelkeep object\x00" + head + object_key.encode() + b"\x01"
        self._cipher = AESGCM(hmac.digest(pseudorandom, about, "sha256"))

    @classmethod
    def new(cls, data_key: DataKey, object_key: str) -> "SealedObject":
        """One that is about to be written."""
        return cls(data_key, MAGIC + data_key.id.bytes + os.urandom(SALT_BYTES), object_key)

    def seal(self, number: int, plain: bytes | memoryview, *, last: bool) -> bytes:
        """A segment as it is stored. Each number once."""
        place = _place(number, last)
        return self._cipher.encrypt(place, plain, place)

    def open(self, number: int, sealed: bytes | memoryview, *, last: bool) -> bytes:
        """A segment's plain bytes, or `WrongBytes`."""
        place = _place(number, last)
        try:
            return self._cipher.decrypt(place, sealed, place)
        except (InvalidTag, ValueError) as error:  # ValueError: too short for a tag
            raise damaged(self._object_key) from error


def key_id_of(head: bytes, object_key: str) -> UUID:
    """Which data key opens an object with this head; `WrongBytes` when it is none of ours."""
    if len(head) != HEAD_BYTES or not head.startswith(MAGIC):
        raise WrongBytes(
            f"The object {object_key!r} was not encrypted by Reelkeep, or its beginning was changed.",
            key=object_key,
        )
    return UUID(bytes=head[len(MAGIC) : -SALT_BYTES])


def sealed_size(size_bytes: int) -> int:
    """How many bytes an object of so many plain ones has."""
    return HEAD_BYTES + size_bytes + segments_in(size_bytes) * TAG_BYTES


def segments_in(size_bytes: int) -> int:
    """How many segments so many plain bytes make."""
    return max(1, -(-size_bytes // SEGMENT_BYTES))


def plain_size(sealed_bytes: int) -> int | None:
    """How many plain bytes an object of this size has; None when none of ours has this size."""
    body = sealed_bytes - HEAD_BYTES
    segments = max(1, -(-body // SEALED_SEGMENT_BYTES))
    size_bytes = body - segments * TAG_BYTES
    return size_bytes if size_bytes >= 0 and segments_in(size_bytes) == segments else None


def place_of(number: int) -> int:
    """Where a segment begins in the object."""
    return HEAD_BYTES + number * SEALED_SEGMENT_BYTES


def damaged(object_key: str) -> WrongBytes:
    """The error for what is not as it was written."""
    return WrongBytes(
        f"The object {object_key!r} is not as it was written: changed, cut short, moved here from another "
        "key, or encrypted with another data key.",
        key=object_key,
    )


def _place(number: int, last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([last])
