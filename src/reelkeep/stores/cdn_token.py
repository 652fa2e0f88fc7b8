"""Addresses with a token, for CDNs that check one: Bunny, a Cloudflare Worker, nginx, a server of one's own.

Two schemes:

- `hmac-sha256`: `?token=HS256-…&NAME=VALUE…&expires=EPOCH`. The token is the unpadded base64url of
  HMAC-SHA256 over the path, `EPOCH`, and the query's other pairs: sorted, decoded, `NAME=VALUE` joined by
  `&`. This is the form of Bunny's token authentication (github.com/BunnyWay/BunnyCDN.TokenAuthentication).
- `nginx-secure-link`: `?expires=EPOCH&md5=…&NAME=VALUE…`. `md5` is the unpadded base64url of MD5 over
  `EPOCH`, the path, a space and the secret: what nginx's `secure_link_md5 "$secure_link_expires$uri SECRET"`
  checks. The query is not covered: use it with addresses that carry the store's own signature.
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from urllib.parse import quote, unquote

import httpx

from reelkeep.errors import StoreRefused, StoreUnavailable
from reelkeep.stores.cdn import CdnAddress, Query, encoded

Scheme = Literal["hmac-sha256", "nginx-secure-link"]

#: Cloudflare takes so many files in one request; others take more.
FILES_AT_ONCE_MAX = 30
CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 30.0
#: One that has nothing cached says so, and that is what was wanted.
_NOTHING_THERE = frozenset({404, 410, 412})


@dataclass(frozen=True, slots=True)
class Purges:
    """How a CDN is told to forget: one request for each address, or one with a list of them."""

    #: May hold `{url}` (the whole address, percent-encoded) or `{path}` (its path as it is); with neither,
    #: one request carries all addresses as JSON.
    url: str
    method: str = "PURGE"
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    #: The name of the list in that JSON.
    json_field: str = "files"

    @property
    def one_by_one(self) -> bool:
        """Whether each address needs a request of its own."""
        return "{url}" in self.url or "{path}" in self.url


class TokenCdn:
    """A CDN that checks a token, in front of one store."""

    forgotten_at_once_max = FILES_AT_ONCE_MAX

    def __init__(
        self,
        url: str,
        secret: str,
        *,
        scheme: Scheme = "hmac-sha256",
        hands_on_signatures: bool = False,
        purges: Purges | None = None,
    ) -> None:
        self._address = CdnAddress.of(url)
        self._secret = secret
        self._scheme = scheme
        self._hands_on = hands_on_signatures
        self._purges = purges

    @property
    def origin(self) -> str:
        """Scheme, host and port of the CDN."""
        return self._address.origin

    @property
    def hands_on_signatures(self) -> bool:
        """As configured."""
        return self._hands_on

    @property
    def forgets(self) -> bool:
        """Whether an address to purge at is configured."""
        return self._purges is not None

    def url(self, path: str, query: Query, expires_at: datetime) -> str:
        """An address with a token that is good until then."""
        whole, moment = self._address.path(path), int(expires_at.timestamp())
        bare = f"{self._address.origin}{whole}"
        if self._scheme == "nginx-secure-link":
            proof = [f"expires={moment}", f"md5={secure_link(self._secret, whole, moment)}"]
            return f"{bare}?{'&'.join([*proof, *encoded(query)])}"
        token = hmac_token(self._secret, whole, query, moment)
        return f"{bare}?{'&'.join([f'token={token}', *encoded(sorted(query)), f'expires={moment}'])}"

    async def forget(self, paths: Sequence[str], reference: str) -> None:  # noqa: ARG002 - purging twice is harmless
        """Purge each path."""
        if self._purges is None:
            return
        purges, wholes = self._purges, [self._address.path(path) for path in paths]
        addresses = [f"{self._address.origin}{whole}" for whole in wholes]
        timeout = httpx.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS)
        async with httpx.AsyncClient(timeout=timeout, headers=dict(purges.headers)) as client:
            if not purges.one_by_one:
                await _ask(client, purges.method, purges.url, {purges.json_field: addresses})
                return
            for whole, address in zip(wholes, addresses, strict=True):
                at = purges.url.replace("{url}", quote(address, safe="")).replace("{path}", whole)
                await _ask(client, purges.method, at)


def hmac_token(secret: str, path: str, query: Query, expires_at_epoch: int) -> str:
    """The token of `hmac-sha256`."""
    told = "&".join(f"{name}={value}" for name, value in sorted(query))
    digest = hmac.digest(secret.encode(), f"{path}{expires_at_epoch}{told}".encode(), "sha256")
    return f"HS256-{_url_safe(digest)}"


def secure_link(secret: str, path: str, expires_at_epoch: int) -> str:
    """The value of `md5` that nginx's secure_link module expects; its `$uri` is the path decoded."""
    text = f"{expires_at_epoch}{unquote(path)} {secret}"
    return _url_safe(hashlib.md5(text.encode(), usedforsecurity=False).digest())


def _url_safe(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


async def _ask(
    client: httpx.AsyncClient, method: str, url: str, body: Mapping[str, Sequence[str]] | None = None
) -> None:
    host = httpx.URL(url).host
    try:
        answer = await client.request(method, url, json=body)
    except httpx.HTTPError as error:
        raise StoreUnavailable(
            f"The CDN at {host} could not be asked to forget: {type(error).__name__}.", host=host
        ) from error
    if answer.is_success or answer.status_code in _NOTHING_THERE:
        return
    later = answer.status_code >= 500 or answer.status_code in (408, 425, 429)
    kind = StoreUnavailable if later else StoreRefused
    raise kind(
        f"The CDN at {host} answered {answer.status_code} when it was asked to forget.",
        host=host,
        status=answer.status_code,
    )
