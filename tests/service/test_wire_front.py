"""Downloads that nginx sends for Reelkeep, with the configuration that the documents show."""

import hashlib
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from reelkeep.http.wire.request import Acceleration
from reelkeep.stores.protocol import TicketLimits
from reelkeep.stores.tickets import attachment
from tests.fixtures.wire import Running, post, running_wire, said
from tests.tidy.checkout import ROOT

KEY = "incoming/a/b"
BODY = os.urandom(3_000_000)
ETAG = f'"{hashlib.md5(BODY).hexdigest()}"'

FRAME = """
daemon off;
user {user};
worker_processes 1;
pid {folder}/pid;
error_log {folder}/error.log;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port};
        {locations}
    }}
}}
"""


@dataclass(frozen=True, slots=True)
class Front:
    """A wire behind nginx: URLs are signed for nginx's address."""

    wire: Running
    url: str

    def past(self, url: str) -> str:
        """The address of the same request at Reelkeep itself."""
        return url.replace(self.url, f"http://127.0.0.1:{self.wire.port}")


def documented() -> str:
    """The configuration that `docs/wire.md` shows."""
    (block,) = re.findall(r"```nginx\n(.*?)```", (ROOT / "docs" / "wire.md").read_text(), re.DOTALL)
    return str(block)


@pytest.fixture
def front(tmp_path: Path) -> Iterator[Front]:
    stores = tmp_path / "data" / "stores"
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    acceleration = Acceleration("x-accel-redirect", stores, "/reelkeep-files")
    with running_wire(stores / "local", public_url=url, acceleration=acceleration) as wire:
        shown = documented()
        locations = shown.replace("http://127.0.0.1:8000", f"http://127.0.0.1:{wire.port}")
        locations = locations.replace("/srv/reelkeep/data/stores/", f"{stores}/")
        assert locations.count(str(stores)) == 1
        folder = tmp_path / "nginx"
        folder.mkdir()
        config = folder / "nginx.conf"
        user = Path("/proc/self").owner()
        config.write_text(FRAME.format(folder=folder, port=port, locations=locations, user=user))
        nginx = subprocess.Popen([program(), "-e", folder / "error.log", "-c", config], cwd=folder)
        try:
            until_it_listens(nginx, port)
            yield Front(wire, url)
        finally:
            nginx.terminate()
            nginx.wait(10)


def program() -> str:
    """nginx lies where only root's path leads."""
    found = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    assert found, "scripts/install-test-packages.sh installs nginx"
    return found


def until_it_listens(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + 10
    while True:
        assert process.poll() is None, "nginx did not start"
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except ConnectionRefusedError:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        else:
            return


def test_nginx_sends_what_reelkeep_allows(front: Front) -> None:
    ticket = front.wire.store.ticket_post(TicketLimits(KEY, "audio/mp4", 60, size_bytes_max=len(BODY)))
    assert post(front.wire.service, ticket.url, ticket.fields, BODY).status_code == 204
    url = front.wire.store.url_get(KEY, 60, download_as="Ü.m4a")

    told = httpx.get(front.past(url))
    assert told.content == b""
    assert told.headers["x-accel-redirect"].startswith("/reelkeep-files/local/objects/incoming.d/a.d/b.")

    answer = httpx.get(url)
    assert (answer.status_code, answer.content) == (200, BODY)
    assert answer.headers["server"].startswith("nginx")
    assert "x-accel-redirect" not in answer.headers
    assert (answer.headers["content-type"], answer.headers["etag"]) == ("audio/mp4", ETAG)
    assert answer.headers["content-disposition"] == attachment("Ü.m4a")
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"].startswith("sandbox")

    for asked, part in (("bytes=5-9", BODY[5:10]), ("bytes=-7", BODY[-7:]), ("bytes=2999990-", BODY[-10:])):
        ranged = httpx.get(url, headers={"range": asked})
        assert (ranged.status_code, ranged.content) == (206, part)
        assert ranged.headers["content-range"].endswith("/3000000")
        assert ranged.headers["etag"] == ETAG


def test_what_nginx_would_answer_otherwise_is_answered_by_reelkeep(front: Front) -> None:
    ticket = front.wire.store.ticket_put(TicketLimits(KEY, "audio/mp4", 60, size_bytes_max=len(BODY)))
    assert httpx.put(ticket.url, content=BODY, headers=ticket.fields).status_code == 200
    url = front.wire.store.url_get(KEY, 60)
    assert httpx.get(url, headers={"if-none-match": ETAG}).status_code == 304
    assert httpx.get(url, headers={"if-match": ETAG}).content == BODY
    assert said(httpx.get(url, headers={"if-match": '"other"'})) == (412, "PreconditionFailed")
    assert httpx.get(url, headers={"range": "bytes=0-0", "if-range": ETAG}).status_code == 206
    assert httpx.get(url, headers={"range": "bytes=0-0", "if-range": '"other"'}).content == BODY
    assert httpx.get(url, headers={"range": "bytes=0-0,2-2"}).content == BODY
    assert said(httpx.get(url, headers={"range": "bytes=3000000-"})) == (416, "InvalidRange")
    assert httpx.head(front.wire.store.url_for("HEAD", KEY, 60)).headers["content-length"] == "3000000"


def test_an_object_with_metadata_is_answered_by_reelkeep_with_them(front: Front) -> None:
    signer = front.wire.service.signer()
    told = {"x-amz-meta-device": "recorder 7"}
    url, headers = signer.sign_request(
        "PUT", "recordings", KEY, headers=told, payload_sha256="UNSIGNED-PAYLOAD"
    )
    assert httpx.put(url, content=BODY, headers=headers).status_code == 200
    answer = httpx.get(front.wire.store.url_get(KEY, 60))
    assert (answer.content, answer.headers["x-amz-meta-device"]) == (BODY, "recorder 7")


def test_nginx_sends_nothing_that_reelkeep_does_not_allow(front: Front) -> None:
    ticket = front.wire.store.ticket_put(TicketLimits(KEY, "audio/mp4", 60, size_bytes_max=len(BODY)))
    httpx.put(ticket.url, content=BODY, headers=ticket.fields)
    url = front.wire.store.url_get(KEY, 60)
    inside = httpx.get(front.past(url)).headers["x-accel-redirect"]
    assert httpx.get(front.url + inside).status_code == 404
    assert said(httpx.get(url.replace("X-Amz-Expires=60", "X-Amz-Expires=61"))) == (
        403,
        "SignatureDoesNotMatch",
    )
    assert said(httpx.get(front.wire.store.url_get("incoming/a/none", 60))) == (404, "NoSuchKey")


def test_another_server_is_told_the_files_own_path(tmp_path: Path) -> None:
    acceleration = Acceleration("x-sendfile", tmp_path, None)
    with running_wire(tmp_path / "local", acceleration=acceleration) as wire:
        ticket = wire.store.ticket_put(TicketLimits(KEY, "audio/mp4", 60, size_bytes_max=9))
        httpx.put(ticket.url, content=b"sound", headers=ticket.fields)
        answer = httpx.get(wire.store.url_get(KEY, 60))
        assert answer.content == b""
        assert Path(answer.headers["x-sendfile"]).read_bytes() == b"sound"
