"""The one frozen object that carries everything a use case needs from outside; only `wiring` builds it."""

import hashlib
import hmac
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from reelkeep.clock import Clock
from reelkeep.db.database import Database
from reelkeep.errors import ErrorCode, ReelkeepError
from reelkeep.settings import Settings
from reelkeep.speech.protocol import Engine
from reelkeep.stores.cdn import Cdn
from reelkeep.stores.key_ring import KeyRing
from reelkeep.stores.local import LocalStore
from reelkeep.stores.protocol import SignsUrls, Store
from reelkeep.stores.signer import Credentials
from reelkeep.stores_config import StoreSpec

#: Makes a store of any folder, for backups; the caller closes it.
OpenFolder = Callable[[Path], Store]


def _no_folders(folder: Path) -> Store:
    raise ReelkeepError(f"{folder} cannot be used as a store here.", ErrorCode.STORE_UNKNOWN)


class Secrets:
    """Keys for each purpose, derived from the installation's one secret (HKDF-Expand, RFC 5869)."""

    def __init__(self, secret: bytes) -> None:
        self._secret = hashlib.sha256(secret).digest()
        #: As it is kept; only a backup needs it whole.
        self.installation_secret = secret

    def derive(self, purpose: str) -> bytes:
        """32 bytes that only this installation has, different for each purpose."""
        return hmac.digest(self._secret, purpose.encode() + b"\x01", "sha256")


@dataclass(frozen=True, slots=True)
class Stores:
    """The configured stores by name, and the one that takes new bytes."""

    by_name: Mapping[str, Store]
    primary_name: str
    #: Those that are served on the local S3 wire, by bucket.
    on_wire: Mapping[str, LocalStore] = field(default_factory=dict)
    #: Whose signatures the wire takes, by access key.
    wire_keys: Mapping[str, Credentials] = field(default_factory=dict, repr=False)
    #: What lies in front of some of them, by the store's name.
    cdns: Mapping[str, Cdn] = field(default_factory=dict)
    #: What is configured for each, by name.
    specs: Mapping[str, StoreSpec] = field(default_factory=dict)
    #: The store that takes new bytes while the primary one cannot be reached.
    fallback_name: str | None = None

    @property
    def primary(self) -> Store:
        """The store that takes new bytes."""
        return self.by_name[self.primary_name]

    def wire_credentials(self, access_key: str) -> Credentials | None:
        """The secret that belongs to an access key of the wire, or None."""
        return self.wire_keys.get(access_key)

    def get(self, name: str) -> Store:
        """A store by its name; `STORE_UNKNOWN` when the settings no longer name it."""
        try:
            return self.by_name[name]
        except KeyError:
            raise ReelkeepError(
                f"The store {name!r} holds bytes but is not configured; configure it again to reach them.",
                ErrorCode.STORE_UNKNOWN,
                store=name,
            ) from None

    def signing(self, name: str) -> SignsUrls:
        """A store that clients can reach by signed URLs."""
        store = self.get(name)
        if not isinstance(store, SignsUrls):
            raise ReelkeepError(
                f"The store {name!r} cannot give signed URLs.", ErrorCode.STORE_REFUSED, store=name
            )
        return store


@dataclass(frozen=True, slots=True)
class Runtime:
    """Settings, database, stores, engines, secrets and clock."""

    settings: Settings
    database: Database
    stores: Stores
    engines: Sequence[Engine]
    secrets: Secrets
    clock: Clock
    #: Bounded local working space of this machine.
    scratch: Path
    open_folder: OpenFolder = _no_folders
    #: The data keys of the stores that we encrypt; None where there is no master key.
    key_ring: KeyRing | None = None
