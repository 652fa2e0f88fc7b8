"""Large bodies on the wire: every byte in its order, none lost, the next request found, clients held back.

The protocol reaches into uvicorn; a new uvicorn may have changed what it is made of, and then these fail.
"""

import asyncio
import hashlib
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from reelkeep.http import protocol
from reelkeep.http.protocol import HELD_BYTES_MAX, LARGE_BODY_BYTES, BodyProtocol
from reelkeep.http.short_requests import GIVE_WAY_SECONDS, MANY, waiting
from tests.fixtures.raw_http import RawConnection

#: Pseudo-random, so that a piece that is missing or out of order shows.
BODY = b"".join(hashlib.sha256(n.to_bytes(4, "big")).digest() for n in range(100_000))
WAIT_SECONDS = 20.0


class App:
    """Digests each body; at /slow it waits for a word first, at /early it answers before the body, and at
    /never it ends without having asked for it."""

    def __init__(self) -> None:
        self.may_read = threading.Event()
        self.waiting = threading.Event()
        self.left: list[tuple[int, str]] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/early":
            await answer(send, b"early")
            return
        if scope["path"] == "/never":
            self.waiting.set()
            while not self.may_read.is_set():  # noqa: ASYNC110 - set by the test's own thread
                await asyncio.sleep(0.01)
            self.left.append((0, ""))
            return
        if scope["path"] == "/slow":
            self.waiting.set()
            while not self.may_read.is_set():  # noqa: ASYNC110 - set by the test's own thread
                await asyncio.sleep(0.01)
        digest, size = hashlib.sha256(), 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                self.left.append((size, digest.hexdigest()))
                return
            digest.update(message["body"])
            size += len(message["body"])
            if not message["more_body"]:
                break
        await answer(send, f"{size} {digest.hexdigest()}".encode())


async def answer(send: Send, body: bytes) -> None:
    """Say 200 and this."""
    headers = [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@contextmanager
def running(app: App) -> Iterator[int]:
    """A server of this application; its port."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, loop="uvloop", http=BodyProtocol, log_level="warning", lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: server.run([listener]), daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(10)
        listener.close()


@pytest.fixture
def app() -> App:
    return App()


@pytest.fixture
def port(app: App) -> Iterator[int]:
    with running(app) as found:
        yield found


def told(body: bytes) -> bytes:
    """What the application says of a body that came whole."""
    return f"{len(body)} {hashlib.sha256(body).hexdigest()}".encode()


def wait_until(what: str, seen: list[tuple[int, str]]) -> None:
    """Wait until something is in a list."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not seen:
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


def wait_until_none_is_held() -> None:
    """Wait until nothing that nobody took is counted."""
    deadline = time.monotonic() + WAIT_SECONDS
    while protocol.held_bytes():
        assert time.monotonic() < deadline, (
            f"{protocol.held_bytes()} bytes that nobody took are still counted"
        )
        time.sleep(0.01)


@pytest.mark.parametrize(
    "size", [0, 1, LARGE_BODY_BYTES - 1, LARGE_BODY_BYTES, LARGE_BODY_BYTES + 1, len(BODY)]
)
def test_bodies_of_every_size_come_whole_and_the_connection_lives_on(port: int, size: int) -> None:
    with RawConnection(port) as client:
        for start in (0, 7):
            body = BODY[start : start + size]
            client.send_head("POST", "/", {"Content-Length": str(len(body))})
            client.send(body)
            assert client.read().body == told(body)


def test_requests_that_follow_a_large_body_in_one_go_are_found(port: int) -> None:
    head = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n"
    bodies = [BODY, b"small", BODY[5:], b"", BODY[:LARGE_BODY_BYTES]]
    with RawConnection(port) as client:
        sent = b"".join(head.format(len(body)).encode() + body for body in bodies)
        sender = threading.Thread(target=client.send, args=(sent,))
        sender.start()
        assert [client.read().body for _ in bodies] == [told(body) for body in bodies]
        sender.join()


def test_a_body_in_chunks_and_one_in_tiny_pieces_come_whole(port: int) -> None:
    with RawConnection(port) as client:
        client.send_head("POST", "/", {"Transfer-Encoding": "chunked"})
        for start in range(0, 200_000, 7_000):
            piece = BODY[start : start + 7_000]
            client.send(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
        client.send(b"0\r\n\r\n")
        assert client.read().body == told(BODY[:203_000])
        client.send_head("POST", "/", {"Content-Length": "100000"})
        client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for start in range(0, 100_000, 100):
            client.send(BODY[start : start + 100])
        assert client.read().body == told(BODY[:100_000])


def test_what_came_before_a_client_left_is_handed_out_first(app: App, port: int) -> None:
    with RawConnection(port) as client:
        client.send_head("POST", "/slow", {"Content-Length": str(len(BODY))})
        assert app.waiting.wait(WAIT_SECONDS)
        client.send(BODY[:300_000])
    time.sleep(0.1)  # the end of the connection is known before the first byte is asked for
    app.may_read.set()
    wait_until("the handler heard that the client left", app.left)
    assert app.left == [(300_000, hashlib.sha256(BODY[:300_000]).hexdigest())]


def test_a_handler_that_is_busy_holds_the_client_back(app: App, port: int) -> None:
    with RawConnection(port) as client:
        client.send_head("POST", "/slow", {"Content-Length": str(64 * len(BODY))})
        assert app.waiting.wait(WAIT_SECONDS)
        client.socket.settimeout(1.0)
        with pytest.raises(TimeoutError):
            for _ in range(64):
                client.send(BODY)
        # One read may go over the mark.
        assert 0 < protocol.held_bytes() <= HELD_BYTES_MAX + 256 * 1024
    app.may_read.set()
    wait_until("the handler heard that the client left", app.left)
    wait_until_none_is_held()


def test_what_nobody_took_of_a_client_that_left_is_no_longer_counted(app: App, port: int) -> None:
    """A count that stayed would have every later client wait at each 64 KiB until the next start."""
    head = "POST {} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n"
    with RawConnection(port) as client:
        first, second = (head.format(path, 100_000).encode() for path in ("/never", "/"))
        client.send(first + BODY[:100_000] + second + BODY[:50_000])
        assert app.waiting.wait(WAIT_SECONDS)
        deadline = time.monotonic() + WAIT_SECONDS
        while protocol.held_bytes() < 100_000:
            assert time.monotonic() < deadline, "the bodies are read ahead"
            time.sleep(0.01)
    time.sleep(0.1)  # the end of the connection is known before the handler ends
    app.may_read.set()
    wait_until("the handler has ended", app.left)
    wait_until_none_is_held()


def test_an_answer_before_the_body_leaves_the_rest_uncounted_and_the_next_request_found(port: int) -> None:
    with RawConnection(port) as client:
        client.send_head("POST", "/early", {"Content-Length": str(len(BODY))})
        assert client.read().body == b"early"
        client.send(BODY)
        client.send_head("POST", "/", {"Content-Length": "5"})
        client.send(BODY[:5])
        assert client.read().body == told(BODY[:5])
    assert protocol.held_bytes() == 0


def test_a_client_that_waits_is_told_to_go_on(port: int) -> None:
    with RawConnection(port) as client:
        client.send_head("POST", "/", {"Content-Length": str(len(BODY)), "Expect": "100-continue"})
        assert client.read().status == 100
        client.send(BODY)
        assert client.read().body == told(BODY)


def wait_until_short(count: int) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while waiting() != count:
        assert time.monotonic() < deadline, f"{waiting()} are counted"
        time.sleep(0.01)


def test_large_bodies_give_way_to_many_short_requests_and_still_come_whole(app: App, port: int) -> None:
    many = MANY + 2
    with ExitStack() as stack, RawConnection(port) as large:
        short = [stack.enter_context(RawConnection(port)) for _ in range(many)]
        for client in short:
            client.send_head("GET", "/slow", {})
        wait_until_short(many)
        began = time.monotonic()
        large.send_head("POST", "/", {"Content-Length": str(len(BODY))})
        large.send(BODY)
        assert large.read().body == told(BODY)
        assert time.monotonic() - began > 2 * GIVE_WAY_SECONDS
        app.may_read.set()
        for client in short:
            assert client.read().body == told(b"")
        wait_until_short(0)


@pytest.mark.parametrize("headers", [{"Content-Length": str(len(BODY))}, {"Transfer-Encoding": "chunked"}])
def test_uploads_are_no_short_requests(app: App, port: int, headers: dict[str, str]) -> None:
    with RawConnection(port) as client:
        client.send_head("POST", "/slow", headers)
        assert app.waiting.wait(WAIT_SECONDS)
        assert waiting() == 0
        app.may_read.set()


def test_short_requests_whose_client_leaves_are_counted_no_more(app: App, port: int) -> None:
    for _ in range(3):
        with RawConnection(port) as client:
            client.send_head("GET", "/slow", {})
            client.send_head("GET", "/slow", {})
            assert app.waiting.wait(WAIT_SECONDS)
    app.may_read.set()
    wait_until_short(0)
