"""The key that backups are encrypted with: from the operator's file, else one made in the data folder.

The file has one key a line, 64 hexadecimal digits each. The first encrypts; all of them read, so that a
key is changed by putting a new one above it.
"""

import hashlib
import hmac
import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from reelkeep.errors import ErrorCode, ReelkeepError
from reelkeep.settings import Settings

KEY_FILE = "backup.key"
KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class BackupKey:
    """One key; its id is told in backups and gives nothing of it away."""

    secret: bytes = field(repr=False)

    @property
    def id(self) -> bytes:
        """Eight bytes that name the key."""
        return hashlib.sha256(b"reelkeep backup key" + self.secret).digest()[:8]

    def derive(self, purpose: bytes, salt: bytes = b"") -> bytes:
        """A key of 32 bytes for one purpose (HKDF, RFC 5869, one block)."""
        pseudorandom = hmac.digest(salt or bytes(32), self.secret, "sha256")
        return hmac.digest(pseudorandom, purpose + b"\x01", "sha256")


@dataclass(frozen=True, slots=True)
class BackupKeys:
    """All keys of an installation."""

    all: tuple[BackupKey, ...]
    path: Path
    #: This very call made the key: it must be told, and kept elsewhere.
    is_new: bool = False

    @property
    def current(self) -> BackupKey:
        """The one that encrypts."""
        return self.all[0]

    def find(self, key_id: bytes) -> BackupKey | None:
        """The key with this id."""
        return next((key for key in self.all if key.id == key_id), None)


def load_keys(settings: Settings, *, make: bool = False) -> BackupKeys:
    """The keys of this installation; with `make`, one is made in the data folder where there is none.

    Blocks. Raises `BACKUP_KEY` when there is none, or the file has something else in it.
    """
    path = settings.backup_key_file or settings.data / KEY_FILE
    is_new = make and not path.exists() and settings.backup_key_file is None and _make(path)
    try:
        lines = path.read_text().split()
    except OSError as error:
        raise ReelkeepError(
            f"The key of the backups cannot be read from {path}: {error.strerror}. Put the key there that "
            "was shown when it was made, or name its file by REELKEEP_BACKUP_KEY_FILE.",
            ErrorCode.BACKUP_KEY,
        ) from error
    return BackupKeys(tuple(_parse(line, path) for line in lines) or _none(path), path, is_new)


def _make(path: Path) -> bool:
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(f"{secrets.token_hex(KEY_BYTES)}\n")
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(fresh, path)  # fails where another process was first: then its key counts
    except FileExistsError:
        return False
    finally:
        fresh.unlink()
    return True


def _parse(line: str, path: Path) -> BackupKey:
    try:
        secret = bytes.fromhex(line)
    except ValueError:
        secret = b""
    if len(secret) != KEY_BYTES:
        raise ReelkeepError(
            f"{path} must have keys of {KEY_BYTES * 2} hexadecimal digits, one a line; "
            "`openssl rand -hex 32` makes one.",
            ErrorCode.BACKUP_KEY,
        )
    return BackupKey(secret)


def _none(path: Path) -> tuple[BackupKey, ...]:
    raise ReelkeepError(f"{path} is empty; put the key of the backups there.", ErrorCode.BACKUP_KEY)
