"""A stream of bytes, encrypted in segments: whole, in order, of this very object, or not readable at all.

    "RKB1"  key id (8)  salt (32)  segment…

Each object has a key of its own (HKDF of the backup key, with the salt and the object's name). A segment is
AES-256-GCM over 1 MiB, its nonce the segment's number and a byte that marks the last one (STREAM, Hoang,
Reyhanitabar, Rogaway and Vizár, 2015), so that a stream that was cut, reordered or renamed is refused.
"""

import os
from collections.abc import AsyncIterator

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from reelkeep.backups.backup_key import BackupKey, BackupKeys
from reelkeep.errors import ErrorCode, ReelkeepError

MAGIC = b"RKB1"
SALT_BYTES = 32
HEAD_BYTES = len(MAGIC) + 8 + SALT_BYTES
SEGMENT_BYTES = 1 << 20
TAG_BYTES = 16


def sealed_size(size_bytes: int) -> int:
    """How many bytes a stream of so many has when it is sealed."""
    segments = max(1, -(-size_bytes // SEGMENT_BYTES))
    return HEAD_BYTES + size_bytes + segments * TAG_BYTES


async def seal_stream(key: BackupKey, name: str, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The bytes encrypted, in pieces of a segment; `name` is where they will lie."""
    salt = os.urandom(SALT_BYTES)
    cipher = _cipher(key, salt, name)
    yield MAGIC + key.id + salt
    number = 0
    held = bytearray()
    async for piece in pieces:
        held += piece
        while len(held) > SEGMENT_BYTES:  # the last one is not known before the end
            yield cipher.encrypt(_nonce(number), bytes(held[:SEGMENT_BYTES]), None)
            del held[:SEGMENT_BYTES]
            number += 1
    yield cipher.encrypt(_nonce(number, last=True), bytes(held), None)


async def open_stream(keys: BackupKeys, name: str, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The bytes that were sealed under this name.

    Raises `BACKUP_KEY` when none of the keys is theirs, and `BACKUP_DAMAGED` at the first segment that is not
    as it was written, or missing.
    """
    held = bytearray()
    cipher: AESGCM | None = None
    number = 0
    sealed_bytes = SEGMENT_BYTES + TAG_BYTES
    async for piece in pieces:
        held += piece
        if cipher is None and len(held) >= HEAD_BYTES:
            cipher = _cipher_of_head(keys, name, bytes(held[:HEAD_BYTES]))
            del held[:HEAD_BYTES]
        while cipher is not None and len(held) > sealed_bytes:
            yield _decrypt(cipher, _nonce(number), bytes(held[:sealed_bytes]), name)
            del held[:sealed_bytes]
            number += 1
    if cipher is None:
        raise _damaged(name)
    yield _decrypt(cipher, _nonce(number, last=True), bytes(held), name)


def _cipher_of_head(keys: BackupKeys, name: str, head: bytes) -> AESGCM:
    if not head.startswith(MAGIC):
        raise _damaged(name)
    key_id, salt = head[len(MAGIC) : -SALT_BYTES], head[-SALT_BYTES:]
    key = keys.find(key_id)
    if key is None:
        raise wrong_key(key_id, keys)
    return _cipher(key, salt, name)


def wrong_key(key_id: bytes, keys: BackupKeys) -> ReelkeepError:
    """What is told when a backup was made with another key."""
    return ReelkeepError(
        f"This backup was made with another key (its id is {key_id.hex()}) than is in {keys.path}. Name the "
        "file that has it by REELKEEP_BACKUP_KEY_FILE; several keys may stand in it, one a line.",
        ErrorCode.BACKUP_KEY,
    )


def _cipher(key: BackupKey, salt: bytes, name: str) -> AESGCM:
    return AESGCM(key.derive(b"sealed stream of " + name.encode(), salt))


def _nonce(number: int, *, last: bool = False) -> bytes:
    return number.to_bytes(11, "big") + bytes([last])


def _decrypt(cipher: AESGCM, nonce: bytes, segment: bytes, name: str) -> bytes:
    try:
        return cipher.decrypt(nonce, segment, None)
    except (InvalidTag, ValueError) as error:
        raise _damaged(name) from error


def _damaged(name: str) -> ReelkeepError:
    return ReelkeepError(
        f"{name} is not as it was written: cut short, or changed. Take an older backup "
        "(`reelkeep backup list`), or a copy of this one.",
        ErrorCode.BACKUP_DAMAGED,
        key=name,
    )
