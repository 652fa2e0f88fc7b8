"""A request to the wire whose signature is right, and the store that it is for."""

from dataclasses import dataclass
from pathlib import Path

from reelkeep.http.wire.exchange import Exchange
from reelkeep.stores.keys import check_key
from reelkeep.stores.local import LocalStore
from reelkeep.stores.signer import Endpoint


@dataclass(frozen=True, slots=True)
class Acceleration:
    """How the web server in front is told to send a file by itself."""

    #: `X-Accel-Redirect` (nginx), or `X-Sendfile` (Apache and others).
    header: str
    #: The folder of all local stores.
    root: Path
    #: What nginx knows that folder as; None where the header carries the file's own path.
    location: str | None

    def reaches(self, path: Path) -> bool:
        """Whether the server in front may send this file: stores may have folders of their own elsewhere."""
        return path.is_relative_to(self.root)

    def value_for(self, path: Path) -> str:
        """What the header says for a file."""
        return str(path) if self.location is None else f"{self.location}/{path.relative_to(self.root)}"


@dataclass(frozen=True, slots=True)
class WireRequest:
    """What an operation needs."""

    exchange: Exchange
    store: LocalStore
    endpoint: Endpoint
    acceleration: Acceleration | None = None

    @property
    def key(self) -> str:
        """The object's key, or `Invalid` when no store takes such a one."""
        return check_key(self.exchange.key or "")

    def asked(self, name: str) -> str | None:
        """A parameter of the query."""
        return next((value for given, value in self.exchange.query if given == name), None)

    def location_of(self, key: str) -> str:
        """The public address of an object."""
        host, path = self.endpoint.locate(self.exchange.bucket, key)
        return f"{self.endpoint.scheme}://{host}{path}"
