"""Files that the kernel sends: every byte in its order, slow and leaving clients, files that end too soon."""

import os
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import cast

import pytest
from starlette.types import Receive, Scope, Send

from reelkeep.http import zero_copy
from reelkeep.http.zero_copy import can_zero_copy
from tests.fixtures.raw_http import BrokenConnection, RawConnection
from tests.service.test_protocol import BODY, App, answer, running

#: More than what sockets hold.
FILE = BODY * 8


class FileApp(App):
    """Sends a part of a file, as the path says: /START-END."""

    def __init__(self, file: int) -> None:
        super().__init__()
        self.file, self.sent = file, 0
        #: Bytes that went, as the server tells.
        self.gone = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/":
            await answer(send, b"here")
            return
        assert can_zero_copy(scope)
        start, end = (int(number) for number in scope["path"][1:].split("-"))
        headers = [(b"content-length", b"%d" % (end - start))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        message = {"type": zero_copy.EXTENSION, "file": self.file, "offset": start, "count": end - start}
        try:
            await send({**message, "more_body": False, "sent": self.count})
        finally:
            self.sent += 1

    def count(self, sent: int) -> None:
        self.gone += sent


@pytest.fixture
def app() -> Iterator[FileApp]:
    with tempfile.TemporaryFile() as file:
        file.write(FILE)
        file.flush()
        yield FileApp(file.fileno())


@pytest.fixture
def port(app: FileApp) -> Iterator[int]:
    with running(cast(App, app)) as found:
        yield found


def ask(client: RawConnection, start: int, end: int) -> None:
    client.send_head("GET", f"/{start}-{end}", {})


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def wait_until_sent(app: FileApp, count: int = 1) -> None:
    deadline = time.monotonic() + 20
    while app.sent < count:
        assert time.monotonic() < deadline, "the handler goes on for nobody"
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("start", "end"), [(0, len(FILE)), (0, 1), (5, len(FILE) - 3), (len(FILE) - 1, len(FILE))]
)
def test_a_part_of_a_file_comes_whole_and_the_connection_lives_on(
    app: FileApp, port: int, start: int, end: int
) -> None:
    with RawConnection(port) as client:
        for _ in range(2):
            ask(client, start, end)
            assert client.read().body == FILE[start:end]
        client.send_head("GET", "/", {})
        assert client.read().body == b"here"
    assert app.gone == 2 * (end - start)


def test_requests_in_one_go_are_answered_in_their_order(port: int) -> None:
    with RawConnection(port) as client:
        ask(client, 3, 1_000_000)
        client.send_head("GET", "/", {})
        ask(client, 1, 2_000_000)
        assert client.read().body == FILE[3:1_000_000]
        assert client.read().body == b"here"
        assert client.read().body == FILE[1:2_000_000]


def test_a_client_that_is_behind_holds_nobody_up_and_gets_all(port: int) -> None:
    with RawConnection(port) as slow, RawConnection(port) as other:
        ask(slow, 0, len(FILE))
        time.sleep(0.3)
        asked = time.monotonic()
        other.send_head("GET", "/", {})
        assert other.read().body == b"here"
        assert time.monotonic() - asked < 5
        assert slow.read().body == FILE


def test_a_client_that_leaves_ends_it_and_nothing_stays_open(app: FileApp, port: int) -> None:
    with RawConnection(port) as client:
        client.send_head("GET", "/", {})
        client.read()
        before = descriptors()
    for _ in range(5):
        with RawConnection(port) as client:
            ask(client, 0, len(FILE))
            client.socket.recv(1000)
    wait_until_sent(app, 5)
    assert 0 < app.gone < 5 * len(FILE) // 2, "what stayed here is told as gone"
    deadline = time.monotonic() + 20
    while descriptors() > before:
        assert time.monotonic() < deadline, "a descriptor stays open"
        time.sleep(0.05)


def test_a_file_that_was_cut_breaks_the_answer_off(app: FileApp, port: int) -> None:
    os.truncate(app.file, 1_000_000)
    with RawConnection(port) as client:
        ask(client, 0, len(FILE))
        with pytest.raises(BrokenConnection):
            client.read()
    with RawConnection(port) as client:
        ask(client, 5, 1_000_000)
        assert client.read().body == FILE[5:1_000_000]


def test_a_client_that_takes_nothing_any_more_is_given_up(
    app: FileApp, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zero_copy, "STALL_SECONDS_MAX", 0.2)
    with RawConnection(port) as client:
        ask(client, 0, len(FILE))
        wait_until_sent(app)
        client.socket.settimeout(10)
        taken = 0
        with suppress(ConnectionResetError):
            while piece := client.socket.recv(1 << 20):
                taken += len(piece)
        assert 0 < taken < len(FILE)
    assert socket.create_connection(("127.0.0.1", port), 5)
