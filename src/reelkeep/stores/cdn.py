"""What a CDN in front of a store is to us: it takes signed addresses, and forgets what is erased.

The contract:

- `url` is arithmetic: no request is made, so it may be called anywhere.
- `forget` makes requests; not inside a unit of work. Saying the same twice is harmless. It raises
  `StoreUnavailable` (try again later) and `StoreRefused` (credentials, or no such distribution).
- A path is as the CDN is asked for it: encoded, beginning with a slash.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from urllib.parse import quote, urlsplit

Query = Sequence[tuple[str, str]]


class Cdn(Protocol):
    """A CDN in front of one store."""

    @property
    def origin(self) -> str:
        """Scheme, host and port that a browser meets, for the page's content security policy."""
        ...

    @property
    def hands_on_signatures(self) -> bool:
        """Whether its addresses carry the store's own signature too, because it has no access of its own."""
        ...

    @property
    def forgets(self) -> bool:
        """Whether it can be told to forget; otherwise what it has cached stays until it is old."""
        ...

    @property
    def forgotten_at_once_max(self) -> int:
        """Paths that one call of `forget` may have."""
        ...

    def url(self, path: str, query: Query, expires_at: datetime) -> str:
        """An address of a path that is good until then; the query's names and values are plain text."""
        ...

    async def forget(self, paths: Sequence[str], reference: str) -> None:
        """Have what is cached for these paths removed, with whatever query it was asked for.

        `reference` is the same each time that one and the same wish is repeated.
        """
        ...


@dataclass(frozen=True, slots=True)
class CdnAddress:
    """Where a CDN is met: `https://cdn.example.org` and perhaps a folder there."""

    origin: str
    #: Empty, or begins with a slash and does not end with one.
    folder: str = ""

    @classmethod
    def of(cls, url: str) -> "CdnAddress":
        """The address that a URL names."""
        parts = urlsplit(url)
        return cls(f"{parts.scheme}://{parts.netloc}", quote(parts.path.rstrip("/"), safe="/%~"))

    def path(self, inner: str) -> str:
        """The whole path of what lies there under a path that begins with a slash."""
        return self.folder + inner


def encoded(query: Query) -> list[str]:
    """Each pair as it stands in an address."""
    return [f"{quote(name, safe='-._~')}={quote(value, safe='-._~')}" for name, value in query]
