"""Where a fetch may go."""

from collections.abc import Sequence

import httpcore
import pytest

from reelkeep.errors import ErrorCode, Invalid
from reelkeep.uploads.fetch_guard import (
    GuardedNetwork,
    check_addresses,
    check_literal,
    is_public,
    read_target,
    resolve,
)

CLOSED = [
    # IPv4: this host, private, shared (CGNAT), loopback, link-local with the metadata of most clouds,
    # protocol assignments (Oracle's metadata), documentation, 6to4 relays, benchmarks, multicast, reserved
    *("0.0.0.0", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1", "127.0.0.1"),
    *("127.255.255.254", "169.254.169.254", "192.0.0.192", "192.0.2.1", "192.88.99.1", "198.18.0.1"),
    *("198.51.100.7", "203.0.113.7", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255"),
    # Alibaba's metadata, Azure's host
    *("100.100.100.200", "168.63.129.16"),
    # IPv6: unspecified, loopback, link-local, site-local, unique local with AWS's metadata, multicast,
    # documentation, discard, ORCHID, Teredo
    *("::", "::1", "fe80::1", "fe80::1%eth0", "fec0::1", "fc00::1", "fd00:ec2::254", "ff02::1"),
    *("2001:db8::1", "3fff::1", "100::1", "2001:10::1", "2001:0:53aa:64c:0:0:7f00:1"),
    # an IPv4 address inside: mapped, translated, compatible, NAT64 (also local), 6to4
    *("::ffff:127.0.0.1", "::ffff:8.8.8.8", "::ffff:0:127.0.0.1", "::127.0.0.1", "64:ff9b::127.0.0.1"),
    *("64:ff9b::a9fe:a9fe", "64:ff9b:1::8.8.8.8", "2002:7f00:1::", "2002:808:808::"),
    "no address",
]
OPEN = [
    "8.8.8.8",
    "172.32.0.1",
    "100.128.0.1",
    "2606:4700::1111",
    "2a00:1450:4001:80b::200e",
    "64:ff9b::8.8.8.8",
]


@pytest.mark.parametrize("address", CLOSED)
def test_no_way_to_write_a_closed_address_is_public(address: str) -> None:
    assert not is_public(address)
    with pytest.raises(Invalid, match="open internet") as refusal:
        check_addresses("media.example.org", ["8.8.8.8", address], private_networks=False)
    assert refusal.value.code == ErrorCode.FETCH_REFUSED
    check_addresses("media.example.org", [address], private_networks=True)


@pytest.mark.parametrize("address", OPEN)
def test_addresses_of_the_open_internet_are_public(address: str) -> None:
    assert is_public(address)
    check_addresses("media.example.org", [address], private_networks=False)


@pytest.mark.parametrize(
    "url",
    [
        *(
            "file:///etc/passwd",
            "ftp://example.org/a.mp3",
            "gopher://example.org/",
            "data:audio/wav,x",
            "s3://b/k",
        ),
        *(
            "//example.org/a.mp3",
            "example.org/a.mp3",
            "http://",
            "http:///a.mp3",
            "",
            "http://example.org:0/",
        ),
        *(
            "http://example.org:99999/",
            "http://exa mple.org/",
            "http://example.org/a\r\nHost: x",
            "http://e\x00/",
        ),
        *("http://[::1", "http://0177.0.0.1/", f"http://example.org/{'a' * 4096}", "javascript:alert(1)"),
    ],
)
def test_what_is_no_address_of_the_web_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(Invalid) as refusal:
        read_target(url)
    assert refusal.value.code == ErrorCode.FETCH_REFUSED
    assert not url.strip() or url not in refusal.value.message


@pytest.mark.parametrize(
    "url",
    [
        *("http://127.0.0.1/", "http://[::1]:8080/", "http://[::ffff:10.0.0.1]/", "http://localhost:5432/"),
        *("http://169.254.169.254/latest/", "http://LOCALHOST/"),
    ],
)
def test_a_closed_address_in_the_url_itself_is_refused_at_once(url: str) -> None:
    with pytest.raises(Invalid):
        check_literal(read_target(url), private_networks=False)
    check_literal(read_target(url), private_networks=True)


async def test_other_ways_to_write_loopback_end_at_the_gate() -> None:
    """Decimal, hexadecimal and short forms are names to us, and addresses to the machine's resolver."""
    network = GuardedNetwork(private_networks=False)
    for host in ("2130706433", "0x7f.1", "0x7f000001", "127.1", "localhost", "017700000001"):
        with pytest.raises(Invalid):
            await network.connect_tcp(host, 80, timeout=5)


async def test_a_name_is_resolved_once_and_the_connection_goes_to_what_was_looked_at() -> None:
    """A rebinding resolver gives a public address first and a private one ever after."""
    asked: list[str] = []

    async def rebinding(host: str, _port: int) -> Sequence[str]:
        asked.append(host)
        return ["192.0.2.1"] if len(asked) == 1 else ["127.0.0.1"]

    tried: list[str] = []

    class Noting(httpcore.AnyIOBackend):
        async def connect_tcp(self, host: str, *_args: object, **_kw: object) -> httpcore.AsyncNetworkStream:
            tried.append(host)
            raise httpcore.ConnectError("nothing is there")

    network = GuardedNetwork(private_networks=True, resolve=rebinding, network=Noting())
    with pytest.raises(httpcore.ConnectError):
        await network.connect_tcp("rebind.example.org", 80, timeout=1)
    assert (asked, tried) == (["rebind.example.org"], ["192.0.2.1"])

    guarded = GuardedNetwork(private_networks=False, resolve=rebinding, network=Noting())
    with pytest.raises(Invalid):
        await guarded.connect_tcp("rebind.example.org", 80, timeout=1)
    assert tried == ["192.0.2.1"]


async def test_the_next_address_of_a_host_is_tried_when_one_does_not_answer() -> None:
    tried: list[str] = []

    class SecondOnly(httpcore.AnyIOBackend):
        async def connect_tcp(self, host: str, *_args: object, **_kw: object) -> httpcore.AsyncNetworkStream:
            tried.append(host)
            if len(tried) == 1:
                raise httpcore.ConnectTimeout("slow")
            raise httpcore.ConnectError("refused")

    async def two(_host: str, _port: int) -> Sequence[str]:
        return ["8.8.8.8", "2606:4700::1111"]

    network = GuardedNetwork(private_networks=False, resolve=two, network=SecondOnly())
    with pytest.raises(httpcore.ConnectError):
        await network.connect_tcp("media.example.org", 443, timeout=1)
    assert tried == ["8.8.8.8", "2606:4700::1111"]


async def test_a_name_nobody_knows_is_a_failed_connection() -> None:
    async def unknown(_host: str, _port: int) -> Sequence[str]:
        raise OSError("no such name")

    with pytest.raises(httpcore.ConnectError):
        await GuardedNetwork(private_networks=False, resolve=unknown).connect_tcp("x.invalid", 80, timeout=1)
    assert list(await resolve("127.0.0.1", 80)) == ["127.0.0.1"]


def test_a_target_is_asked_for_without_its_user_password_and_fragment() -> None:
    target = read_target("https://user:pass%20word@münchen.example/ä%20b.mp3?sig=ü#end")
    asked = target.request_url()
    assert (asked.host, asked.target) == (b"xn--mnchen-3ya.example", b"/%C3%A4%20b.mp3?sig=%C3%BC")
    assert target.same_origin(read_target("https://münchen.example:443/other"))
    assert not target.same_origin(read_target("http://münchen.example/ä%20b.mp3"))
    assert str(target.follow("//other.example/x").url) == "https://other.example/x"
    with pytest.raises(Invalid):
        target.follow("file:///etc/passwd")
