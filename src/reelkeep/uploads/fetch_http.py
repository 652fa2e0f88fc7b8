"""One request for bytes from a URL: redirects followed through the gate, every wait bounded, nothing kept."""

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

import httpcore

from reelkeep import __version__
from reelkeep.errors import ErrorCode, Invalid
from reelkeep.uploads.fetch_answer import Answer, header_text
from reelkeep.uploads.fetch_guard import GuardedNetwork, Resolve, Target, refused, resolve

REDIRECTS = frozenset({301, 302, 303, 307, 308})
REDIRECTS_MAX = 5
CONNECT_SECONDS_MAX = 10.0
#: Answers after which the same request may well succeed.
PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
REASONS = {
    401: "it wants a sign-in",
    403: "it does not allow it; a signed address may have expired",
    404: "nothing is at that address",
    410: "what was there is gone",
}


class BrokeOff(Exception):
    """The fetch did not come to its end, and going on later may; the text says why."""

    def __init__(self, message: str, retry_after_seconds: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.retry_after_seconds = retry_after_seconds


def failed(message: str) -> Invalid:
    """The fetch has failed, and trying the same again would too."""
    return Invalid(message, ErrorCode.FETCH_FAILED)


@dataclass(frozen=True, slots=True)
class Limits:
    """What one request may take."""

    idle_seconds: float
    private_networks: bool


@dataclass(frozen=True, slots=True)
class Opened:
    """An answer whose body has not been read, and the address that gave it after redirects."""

    answer: Answer
    target: Target
    body: AsyncIterator[bytes]


@asynccontextmanager
async def open_target(
    target: Target, limits: Limits, *, start: int = 0, if_range: str | None = None, resolve: Resolve = resolve
) -> AsyncIterator[Opened]:
    """Ask for the bytes from `start`; a server that has another version than `if_range` gives all of them.

    Raises `FETCH_REFUSED` and `FETCH_FAILED` for what no second try mends, and `BrokeOff` for the rest,
    also while the body is read. No proxy, no cookies; user and password go to their own host alone.
    """
    network = GuardedNetwork(private_networks=limits.private_networks, resolve=resolve)
    headers = [(b"Accept", b"*/*"), (b"Accept-Encoding", b"identity")]
    headers.append((b"User-Agent", f"Reelkeep/{__version__}".encode()))
    if start and if_range:
        headers += [(b"Range", f"bytes={start}-".encode()), (b"If-Range", if_range.encode("latin-1"))]
    authority, asked = _authority(target), target
    async with httpcore.AsyncConnectionPool(max_connections=1, network_backend=network) as pool:
        for _ in range(REDIRECTS_MAX + 1):
            sent = headers + (authority if target.same_origin(asked) else _authority(target))
            async with _request(pool, target, sent, limits) as (answer, body):
                if answer.status not in REDIRECTS or "location" not in answer.headers:
                    _check(answer, target)
                    yield Opened(answer, target, body)
                    return
                target = target.follow(answer.headers["location"])
    raise refused(f"{asked.host} redirects more than {REDIRECTS_MAX} times.")


def _authority(target: Target) -> list[tuple[bytes, bytes]]:
    if not target.url.userinfo:
        return []
    user, _, password = target.url.userinfo.partition(b":")
    plain = unquote_to_bytes(user) + b":" + unquote_to_bytes(password)
    return [(b"Authorization", b"Basic " + base64.b64encode(plain))]


@asynccontextmanager
async def _request(
    pool: httpcore.AsyncConnectionPool, target: Target, headers: list[tuple[bytes, bytes]], limits: Limits
) -> AsyncIterator[tuple[Answer, AsyncIterator[bytes]]]:
    timeouts = {"connect": CONNECT_SECONDS_MAX, "read": limits.idle_seconds, "write": limits.idle_seconds}
    request = httpcore.Request(
        "GET",
        target.request_url(),
        headers=[(b"Host", _host_header(target)), *headers],
        extensions={"timeout": timeouts},
    )
    response = None
    with _told(target):
        try:
            async with asyncio.timeout(CONNECT_SECONDS_MAX + 2 * limits.idle_seconds):
                response = await pool.handle_async_request(request)
        except TimeoutError:
            raise BrokeOff(f"{target.host} did not answer in time.") from None
    try:
        pairs = ((name.decode("latin-1").lower(), header_text(value)) for name, value in response.headers)
        yield Answer(response.status, dict(pairs)), _body(response, target)
    finally:
        await response.aclose()


def _host_header(target: Target) -> bytes:
    host = target.url.raw_host
    host = b"[" + host + b"]" if b":" in host else host
    return host if target.url.port is None else host + f":{target.url.port}".encode()


async def _body(response: httpcore.Response, target: Target) -> AsyncIterator[bytes]:
    with _told(target):
        async for piece in response.aiter_stream():
            yield piece


@contextmanager
def _told(target: Target) -> Iterator[None]:
    """Turn what the network raises into a sentence about the host; addresses and headers stay out of it."""
    host = target.host
    try:
        yield
    except httpcore.ConnectError as error:
        if isinstance(_root(error), ssl.SSLCertVerificationError):
            raise failed(f"The certificate of {host} is not valid for it, so it was not trusted.") from None
        raise BrokeOff(f"{host} could not be reached, or there is no such host.") from None
    except (httpcore.ConnectTimeout, httpcore.PoolTimeout):
        raise BrokeOff(f"{host} did not accept a connection in time.") from None
    except httpcore.TimeoutException:
        raise BrokeOff(f"{host} stopped sending.") from None
    except (httpcore.UnsupportedProtocol, httpcore.LocalProtocolError):
        raise failed("The address cannot be asked for as it is written.") from None
    except (httpcore.NetworkError, httpcore.ProtocolError):
        raise BrokeOff(f"The connection to {host} broke.") from None


def _root(error: BaseException) -> BaseException:
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    return error


def _check(answer: Answer, target: Target) -> None:
    """Let a success through; `BrokeOff` for what passes and `FETCH_FAILED` for what does not."""
    status = answer.status
    if status in (200, 206, 416):
        if answer.is_encoded:
            raise failed(f"{target.host} gives the file compressed for the way, which was not asked for.")
        return
    reason = REASONS.get(status)
    told = f"{target.host} answered {status}" + (f": {reason}." if reason else ".")
    if status in PASSING:
        raise BrokeOff(told, answer.retry_after_seconds)
    raise failed(told)
