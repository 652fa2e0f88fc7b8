"""Interim responses on the wire: what this server's protocol adds to uvicorn, on real sockets.

A new uvicorn may have changed what it is made of; then these fail.
"""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from reelkeep.http.interim import InterimProtocol, interim_of
from tests.fixtures.raw_http import BrokenConnection, RawConnection

HEADERS = {"Location": "http://127.0.0.1/there", "Upload-Draft-Interop-Version": "6"}


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Sends `104`, reads the body, answers with its length; at /close it ends the connection instead."""
    interim = interim_of(scope)
    sent = interim.send(104, HEADERS) if interim else None
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        size, more = size + len(message.get("body", b"")), message.get("more_body", False)
        if scope["path"] == "/close" and size and interim:
            interim.close()
    late = interim.send(104, HEADERS) if scope["path"] == "/twice" and interim else None
    body = f"{sent} {size} {late}".encode()
    await send(
        {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]}
    )
    await send({"type": "http.response.body", "body": body})
    if interim:
        assert not interim.send(104, HEADERS), "an interim response after the final one"


@contextmanager
def running(http: Any) -> Iterator[int]:
    """A server with this protocol; its port."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, loop="uvloop", http=http, log_level="warning", lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])), daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(10)
        listener.close()


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with running(InterimProtocol) as found:
        yield found


def test_104_comes_before_the_body_is_sent(port: int) -> None:
    with RawConnection(port) as phone:
        phone.send_head("POST", "/", {"Content-Length": "5"})
        interim = phone.read()
        assert (interim.status, interim.reason) == (104, "Upload Resumption Supported")
        assert interim.headers == {name.lower(): value for name, value in HEADERS.items()}
        phone.send(b"12345")
        final = phone.read()
        assert (final.status, final.body) == (200, b"True 5 None")


def test_100_continue_still_comes_after_it(port: int) -> None:
    with RawConnection(port) as phone:
        phone.send_head("POST", "/", {"Content-Length": "5", "Expect": "100-continue"})
        assert [phone.read().status, phone.read().status] == [104, 100]
        phone.send(b"12345")
        assert phone.read().status == 200


def test_several_may_be_sent_and_the_connection_lives_on(port: int) -> None:
    with RawConnection(port) as phone:
        for _ in range(3):
            phone.send_head("POST", "/twice", {"Content-Length": "5"})
            phone.send(b"12345")
            assert [phone.read().status, phone.read().status] == [104, 104]
            assert phone.read().body == b"True 5 True"


def test_requests_in_one_go_are_answered_in_their_order(port: int) -> None:
    with RawConnection(port) as phone:
        for size in (1, 2, 3):
            phone.send_head("POST", "/", {"Content-Length": str(size)})
            phone.send(b"x" * size)
        seen = [(phone.read().status, phone.read().body) for _ in range(3)]
    assert seen == [(104, b"True 1 None"), (104, b"True 2 None"), (104, b"True 3 None")]


def test_a_client_of_http_1_0_is_sent_none(port: int) -> None:
    with RawConnection(port) as phone:
        phone.send_head("POST", "/", {"Content-Length": "5"}, version="1.0")
        phone.send(b"12345")
        assert phone.read().body == b"None 5 None"


def test_the_connection_can_be_ended_without_an_answer(port: int) -> None:
    with RawConnection(port) as phone:
        phone.send_head("POST", "/close", {"Content-Length": "50"})
        assert phone.read().status == 104
        phone.send(b"12345")
        with pytest.raises(BrokenConnection):
            phone.read()


def test_a_value_cannot_break_out_of_its_header() -> None:
    async def play() -> None:
        cycle = type("Cycle", (), {"response_started": False, "disconnected": False})()
        from reelkeep.http.interim import Interim

        with pytest.raises(ValueError, match="break"):
            Interim(cycle).send(104, {"Location": "x\r\nSet-Cookie: y"})

    asyncio.run(play())


def test_without_this_protocol_there_is_none() -> None:
    with running("httptools") as port, RawConnection(port) as phone:
        phone.send_head("POST", "/", {"Content-Length": "5"})
        assert phone.nothing_more()
        phone.send(b"12345")
        assert phone.read().body == b"None 5 None"
