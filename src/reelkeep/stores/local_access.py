"""Who may do what on the local S3 wire: our own signer everything that is signed, an access key its store."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from reelkeep.stores.signer import Credentials


@dataclass(frozen=True, slots=True)
class WireAccess:
    """An access key that the wire knows, and how far it reaches."""

    credentials: Credentials
    #: The one store that it opens; None opens every store on the wire.
    store: str | None = None
    #: It may read and list, and change nothing.
    read_only: bool = False

    def opens(self, store: str) -> bool:
        """Whether it is a key to this store at all."""
        return self.store in (None, store)


#: Finds an access key by its name at each request, so that one that was revoked ends at once.
FindAccess = Callable[[str], Awaitable[WireAccess | None]]
