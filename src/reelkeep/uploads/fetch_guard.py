"""Where a fetch may go: http and https, to public addresses alone, whatever a name says or a redirect asks.

The check sits where the connection is made: the name is resolved once, every address that it gave is
looked at, and the socket is opened to one of these very addresses. So no second look-up can give another
one (DNS rebinding), and each redirect passes the same gate. The host's name still goes into SNI, into the
certificate's check and into the Host header. No proxy of the environment is used: it would connect for us.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

import httpcore
import httpx

from reelkeep.errors import ErrorCode, Invalid

URL_LENGTH_MAX = 4_096
PORTS = {"http": 80, "https": 443}

#: IANA's special-purpose registry, multicast, the reserved rest, and Azure's metadata host, which is public.
CLOSED_4 = tuple(
    ipaddress.IPv4Network(network)
    for network in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
        *("192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15"),
        *("198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4", "168.63.129.16/32"),
    )
)
OPEN_6 = ipaddress.IPv6Network("2000::/3")
#: Of it: Teredo and other protocol assignments, documentation, 6to4, which hide an IPv4 address.
CLOSED_6 = tuple(
    ipaddress.IPv6Network(network)
    for network in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20", "2001:10::/28")
)
#: What a network without IPv4 makes of every IPv4 address (RFC 6052); that address is in the last 32 bits.
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")

#: The addresses of a host, in the order in which to try them.
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]


def refused(message: str, host: str | None = None) -> Invalid:
    """The refusal to go to an address; it names a host at most, never a path or a password."""
    return Invalid(message, ErrorCode.FETCH_REFUSED, host=host)


def is_public(address: str) -> bool:
    """Whether an IP address is one of the open internet, in each way to write an address inside another."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(found, IPv4Address):
        return not any(found in network for network in CLOSED_4)
    return _is_public_6(found)


def _is_public_6(address: IPv6Address) -> bool:
    if address in NAT64:
        return is_public(str(IPv4Address(int(address) & 0xFFFF_FFFF)))
    return address in OPEN_6 and not any(address in network for network in CLOSED_6)


async def resolve(host: str, port: int) -> Sequence[str]:
    """The addresses as the machine's resolver gives them; `OSError` when it knows none."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


@dataclass(frozen=True, slots=True)
class Target:
    """An address to fetch, read once; nothing else of a URL is looked at later."""

    url: httpx.URL

    @property
    def host(self) -> str:
        """The name or address that is connected to; all of a URL that people are told."""
        return self.url.host

    def request_url(self) -> httpcore.URL:
        """The URL as it is requested: without user, password and fragment."""
        return httpcore.URL(
            scheme=self.url.raw_scheme,
            host=self.url.raw_host,
            port=self.url.port,
            target=self.url.raw_path,
        )

    def same_origin(self, other: "Target") -> bool:
        """Whether what is secret for one may be told to the other."""
        return _origin(self.url) == _origin(other.url)

    def follow(self, location: str) -> "Target":
        """Where a redirect leads."""
        try:
            joined = str(self.url.join(location))
        except (httpx.InvalidURL, ValueError):
            raise refused(f"{self.host} redirects to something that is no address.") from None
        return read_target(joined)


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port or PORTS.get(url.scheme)


def read_target(url: str) -> Target:
    """A URL as a target, or `FETCH_REFUSED`."""
    if len(url) > URL_LENGTH_MAX:
        raise refused(f"The URL has more than {URL_LENGTH_MAX:,} characters.")
    if any(not character.isprintable() or character.isspace() for character in url):
        raise refused("The URL has spaces or control characters in it; percent-encode them.")
    try:
        read = httpx.URL(url)
        port = read.port
    except (httpx.InvalidURL, ValueError):
        raise refused("The URL is not understood; give a full one such as https://host/file.mp3.") from None
    if read.scheme not in PORTS:
        raise refused("Only http and https addresses are fetched; give one such as https://host/file.mp3.")
    if not read.host or (port is not None and not 1 <= port <= 65_535):
        raise refused("The URL names no host, or no port; give a full one such as https://host/file.mp3.")
    return Target(read)


def check_literal(target: Target, *, private_networks: bool) -> None:
    """Refuse a host that is itself a closed address at once; names are looked at when they are resolved."""
    try:
        ipaddress.ip_address(target.host)
    except ValueError:
        if target.host == "localhost" and not private_networks:
            raise _closed(target.host) from None
        return
    check_addresses(target.host, [target.host], private_networks=private_networks)


def check_addresses(host: str, addresses: Iterable[str], *, private_networks: bool) -> None:
    """Raise `FETCH_REFUSED` when any address is not of the open internet.

    Any: a name that gives a public address beside a private one is not to be trusted with either.
    """
    if not private_networks and not all(is_public(address) for address in addresses):
        raise _closed(host)


def _closed(host: str) -> Invalid:
    return refused(
        f"{host} is not on the open internet, and nothing is fetched from private or local addresses. "
        "An operator can allow it with REELKEEP_FETCH_PRIVATE_NETWORKS.",
        host,
    )


class GuardedNetwork(httpcore.AsyncNetworkBackend):
    """Opens connections to vetted addresses only."""

    def __init__(
        self,
        *,
        private_networks: bool,
        resolve: Resolve = resolve,
        network: httpcore.AsyncNetworkBackend | None = None,
    ) -> None:
        self._network = network or httpcore.AnyIOBackend()
        self._private_networks = private_networks
        self._resolve = resolve

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Resolve once, look at every address, connect to the first of them that answers."""
        addresses = await self._addresses(host, port, timeout)
        check_addresses(host, addresses, private_networks=self._private_networks)
        failure: Exception | None = None
        for address in addresses:
            try:
                return await self._network.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure or httpcore.ConnectError("the host has no address")

    async def _addresses(self, host: str, port: int, timeout: float | None) -> Sequence[str]:
        try:
            async with asyncio.timeout(timeout):
                return await self._resolve(host, port)
        except TimeoutError as error:
            raise httpcore.ConnectTimeout("the name was not resolved in time") from error
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError("the name is not known") from error

    async def connect_unix_socket(
        self,
        path: str,  # noqa: ARG002
        timeout: float | None = None,  # noqa: ARG002
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,  # noqa: ARG002
    ) -> httpcore.AsyncNetworkStream:
        """Never: a fetch goes over the network."""
        raise refused("Only http and https addresses are fetched.")

    async def sleep(self, seconds: float) -> None:
        """Wait, for the pool's own retries."""
        await asyncio.sleep(seconds)
