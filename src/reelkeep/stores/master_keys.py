"""Master keys that the operator keeps in a file or in the environment; see `key_ring.Wraps`.

One key a line: an id of the operator's own and 64 hexadecimal digits (`openssl rand -hex 32`). The first one
wraps; all of them unwrap, so that a key is changed by putting a new one above it.
"""

import hmac
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from reelkeep.errors import ErrorCode, KeyRefused, ReelkeepError
from reelkeep.stores.key_ring import Wraps

KEY_BYTES = 32
_NONCE_BYTES = 12
_LINE = re.compile(r"([A-Za-z0-9._-]{1,64})[ \t:=]+([0-9A-Fa-f]{64})")


@dataclass(frozen=True, slots=True)
class MasterKey:
    """One master key in this process's memory. Wrapping is AES-256-GCM under a key derived for that alone."""

    id: str
    secret: bytes = field(repr=False)

    async def wrap(self, secret: bytes, context: bytes) -> bytes:
        """A fresh nonce and the encrypted key: each is wrapped once, far below what random nonces allow."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher().encrypt(nonce, secret, context)

    async def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """See `Wraps`."""
        try:
            return self._cipher().decrypt(wrapped[:_NONCE_BYTES], wrapped[_NONCE_BYTES:], context)
        except (InvalidTag, ValueError) as error:
            raise KeyRefused(
                f"The master key {self.id!r} does not open a data key that names it: the row was changed, or "
                "belongs to another installation.",
                master_key=self.id,
            ) from error

    async def check_value(self) -> bytes:
        """See `Wraps`."""
        return self._derive(b"check value")[:16]

    async def derived(self, purpose: bytes) -> bytes:
        """See `Wraps`."""
        return self._derive(b"for " + purpose)

    def _derive(self, purpose: bytes) -> bytes:
        # HKDF-Expand (RFC 5869), one block; the secret is uniform.
        return hmac.digest(self.secret, b"reelkeep master key: " + purpose + b"\x01", "sha256")

    def _cipher(self) -> AESGCM:
        return AESGCM(self._derive(b"wrap data keys"))


def parse_master_keys(text: str, place: str) -> tuple[MasterKey, ...]:
    """The keys in a text, the wrapping one first; `place` is where it is from.

    Raises `SETTINGS_INVALID` that says which line is wrong and never shows it.
    """
    keys: list[MasterKey] = []
    for number, line in enumerate(re.split(r"[\n,;]", text), 1):
        told = line.strip()
        if not told or told.startswith("#"):
            continue
        found = _LINE.fullmatch(told)
        if found is None:
            raise _invalid(
                f"{place}, line {number}, is no master key: write an id of your own and 64 hexadecimal "
                "digits, as `reelkeep storage encryption new-key` prints them."
            )
        if any(key.id == found[1] for key in keys):
            raise _invalid(f"{place} has two master keys with the id {found[1]!r}; ids are never used twice.")
        keys.append(MasterKey(found[1], bytes.fromhex(found[2])))
    if not keys:
        raise _invalid(f"{place} has no master key; `reelkeep storage encryption new-key` makes one.")
    return tuple(keys)


def find_master_key(keys: Sequence[Wraps], key_id: str) -> Wraps:
    """The master key with this id; `ENCRYPTION_KEY` when it is not here."""
    for key in keys:
        if key.id == key_id:
            return key
    raise KeyRefused(
        f"The master key {key_id!r} is needed and not configured. Add it to REELKEEP_ENCRYPTION_KEY_FILE, "
        "below the one that is used now.",
        master_key=key_id,
    )


def _invalid(message: str) -> ReelkeepError:
    return ReelkeepError(message, ErrorCode.SETTINGS_INVALID)
