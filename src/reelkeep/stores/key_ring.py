"""Where an encrypted store has its keys from: one for each recording, wrapped by a master key kept apart."""

from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID


@dataclass(frozen=True, slots=True)
class DataKey:
    """The key of one recording's bytes. Its id stands in every object that it opens."""

    id: UUID
    #: 32 bytes.
    secret: bytes = field(repr=False)


class KeyRing(Protocol):
    """The data keys that an encrypted store writes and reads with. Both may ask a database or a key service,
    so they are never called inside a unit of work."""

    async def key_for(self, object_key: str) -> DataKey:
        """The key to write an object with: its recording's, made and kept durably before it is first used.

        Raises `KEY_ERASED` for a recording whose key was erased: nothing new is kept of it.
        """
        ...

    async def key_of(self, key_id: UUID, object_key: str) -> DataKey:
        """The key that an object names, to read it.

        Raises `KEY_ERASED` when it was erased, `ENCRYPTION_KEY` when its master key is not here, and
        `WrongBytes` when no such key belongs to what lies under `object_key`.
        """
        ...

    def forget(self) -> None:
        """Forget every key that is kept in memory, as after erasing one."""
        ...


class Wraps(Protocol):
    """A master key: it wraps and unwraps data keys, and never leaves its place (a file, a key service)."""

    @property
    def id(self) -> str:
        """What the operator calls it; kept beside what it has wrapped."""
        ...

    async def wrap(self, secret: bytes, context: bytes) -> bytes:
        """A data key made unreadable for anybody without the master key, and bound to `context`."""
        ...

    async def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """The data key again; `ENCRYPTION_KEY` when another master key wrapped it, or it was changed."""
        ...

    async def derived(self, purpose: bytes) -> bytes:
        """32 bytes for one purpose, always the same."""
        ...

    async def check_value(self) -> bytes:
        """16 bytes that tell this master key from any other and give nothing of it away."""
        ...
