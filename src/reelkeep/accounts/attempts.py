"""How often signing in may fail: counted in this process, per e-mail address and per network address."""

import hashlib
import ipaddress
import math
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta

from reelkeep.errors import ErrorCode, ReelkeepError

WINDOW = timedelta(minutes=15)
FAILURES_PER_EMAIL_MAX = 10
#: A whole clinic may share one address.
FAILURES_PER_ADDRESS_MAX = 50
#: Counts kept at most, about 200 bytes each; the one not touched for longest makes room.
COUNTS_MAX = 20_000


@dataclass
class _Count:
    since: datetime
    failures: int = 0


class SignInAttempts:
    """Counts failures in windows of 15 minutes, in bounded memory.

    An attempt counts as failed from its beginning and is forgiven when it succeeds, so that a thousand
    guesses sent at once are not all let through before the first one is answered.
    """

    def __init__(
        self,
        per_email_max: int = FAILURES_PER_EMAIL_MAX,
        per_address_max: int = FAILURES_PER_ADDRESS_MAX,
        counts_max: int = COUNTS_MAX,
    ) -> None:
        self._per_email_max = per_email_max
        self._per_address_max = per_address_max
        self._counts_max = counts_max
        self._counts: OrderedDict[bytes, _Count] = OrderedDict()

    def __len__(self) -> int:
        return len(self._counts)

    def begin(self, email: str, address: str, now: datetime) -> None:
        """Count one attempt; `RATE_LIMITED` with the seconds to wait when there were too many."""
        counts = [
            (self._count(_email_key(email), now), self._per_email_max),
            (self._count(_address_key(address), now), self._per_address_max),
        ]
        waits = [count.since + WINDOW - now for count, most in counts if count.failures >= most]
        if waits:
            raise _rate_limited(math.ceil(max(waits).total_seconds()))
        for count, _most in counts:
            count.failures += 1

    def forgive(self, email: str, address: str) -> None:
        """The attempt succeeded: forget the e-mail's failures, and this one of the address."""
        self._counts.pop(_email_key(email), None)
        self._take_back(_address_key(address))

    def withdraw(self, email: str, address: str) -> None:
        """The attempt was not tried after all: it counts for nothing."""
        self._take_back(_email_key(email))
        self._take_back(_address_key(address))

    def _take_back(self, key: bytes) -> None:
        count = self._counts.get(key)
        if count is not None and count.failures > 0:
            count.failures -= 1

    def _count(self, key: bytes, now: datetime) -> _Count:
        count = self._counts.get(key)
        if count is None or now - count.since >= WINDOW:
            count = self._counts[key] = _Count(now)
        self._counts.move_to_end(key)
        while len(self._counts) > self._counts_max:
            self._counts.popitem(last=False)
        return count


def _rate_limited(seconds: int) -> ReelkeepError:
    minutes = math.ceil(seconds / 60)
    return ReelkeepError(
        f"Signing in failed too often. Try again in {minutes} minute{'s' if minutes > 1 else ''}.",
        ErrorCode.RATE_LIMITED,
        retry_after_seconds=seconds,
    )


def _email_key(email: str) -> bytes:
    return _key("email", email.strip().casefold())


def _address_key(address: str) -> bytes:
    """One key for all that one person can send from: an IPv4 address, or an IPv6 network of 64 bits."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return _key("address", address)
    if isinstance(parsed, ipaddress.IPv6Address):
        network = ipaddress.IPv6Network((int(parsed), 64), strict=False)
        return _key("address", str(parsed.ipv4_mapped or network.network_address))
    return _key("address", str(parsed))


def _key(kind: str, text: str) -> bytes:
    return hashlib.sha256(f"{kind} {text}".encode(errors="surrogatepass")).digest()[:16]
