"""Where the bytes of an upload grow: in one store, or in two since the first went away in its midst.

upload.beginning    the store that has the first bytes, how many they are, and its notes; or empty
upload.store        the store that has those after them, and takes more
upload.growth       its notes
"""

from dataclasses import asdict, dataclass
from typing import Any

from reelkeep.errors import StoreRefused
from reelkeep.runtime import Runtime
from reelkeep.stores.protocol import Grows, GrowthNotes
from reelkeep.uploads.models import Upload


@dataclass(frozen=True, slots=True)
class Beginning:
    """The first bytes of an upload that went on elsewhere."""

    store: str
    #: Those that came before the upload went over; `growth` tells of more while they are joined.
    size_bytes: int
    growth: GrowthNotes
    #: Who is joining the rest to them, and until when, in seconds since 1970, nobody else does.
    joiner: str | None = None
    joins_until: float = 0.0

    @classmethod
    def of(cls, upload: Upload) -> "Beginning | None":
        """An upload's, or None where all of it grows in one store."""
        return cls(**upload.beginning) if upload.beginning else None

    def write(self) -> dict[str, Any]:
        """As JSON, for the row."""
        return asdict(self)


def growing_in(runtime: Runtime, name: str) -> Grows:
    """A store as one whose objects grow; `STORE_REFUSED` for one that cannot."""
    store = runtime.stores.get(name)
    if not isinstance(store, Grows):
        raise StoreRefused(
            f"The store {store.name!r} takes no uploads in several goes; use another method.",
            store=store.name,
        )
    return store


def growing_store(runtime: Runtime, upload: Upload) -> Grows:
    """The store in which the upload goes on."""
    return growing_in(runtime, upload.store)


def bytes_before(upload: Upload) -> int:
    """How many of the upload's bytes lie in another store than the one in which it goes on."""
    beginning = Beginning.of(upload)
    return 0 if beginning is None else beginning.size_bytes


async def grown(runtime: Runtime, upload: Upload) -> int:
    """How many bytes of the upload are safe; a store that it has left is not asked."""
    here = await growing_store(runtime, upload).grown(upload.incoming_key, upload.growth)
    return bytes_before(upload) + here


def notes_in(upload: Upload | None, store: str) -> GrowthNotes:
    """What a store wants to be told again of the upload; empty where it has nothing that counts."""
    if upload is None:
        return {}
    beginning = Beginning.of(upload)
    if beginning is not None and beginning.store == store:
        return beginning.growth
    return upload.growth if upload.store == store else {}


async def discard_grown(runtime: Runtime, upload: Upload, *others: str) -> None:
    """Remove what has grown in every store that the row names, and in these."""
    beginning = Beginning.of(upload)
    names = [upload.store, *others, *([beginning.store] if beginning else [])]
    for name in dict.fromkeys(names):
        await growing_in(runtime, name).discard_growth(upload.incoming_key, notes_in(upload, name))
