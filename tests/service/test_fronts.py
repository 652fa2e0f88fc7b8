"""Uploads through real web servers in front, configured word for word as docs/proxies.md has them."""

import json
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest

from tests.fixtures.fronts import front
from tests.fixtures.iphone import PATH, Phone, has_file_of
from tests.fixtures.media import beeps, wav
from tests.fixtures.raw_http import BrokenConnection, RawConnection, ask, wait_for
from tests.fixtures.server import Server

SOUND = wav(beeps(6.0))
#: Over nginx's own limit of 1 MB.
LARGE = wav(beeps(30.0))


@pytest.fixture(scope="module", params=["haproxy", "caddy"])
def passing(
    request: pytest.FixtureRequest, resuming_server: Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[int]:
    """A front that passes `104` on, before a server that sends it."""
    backend = urlsplit(resuming_server.url).netloc
    with front(request.param, tmp_path_factory.mktemp(request.param), backend) as port:
        yield port


@pytest.fixture(scope="module")
def nginx(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """nginx, before a server as it is set by itself."""
    with front("nginx", tmp_path_factory.mktemp("nginx"), urlsplit(server.url).netloc) as port:
        yield port


def test_an_iphone_resumes_through_a_front(passing: int, resuming_server: Server) -> None:
    sent = 123_457
    phone = Phone(resuming_server.token, passing, 8, LARGE)
    connection = phone.begin(sent)
    phone.learn(connection)
    wait_for(lambda: has_file_of(resuming_server.data, sent), "the front passes bytes on as they come")
    connection.reset()
    offset = int(phone.offset().headers["upload-offset"])
    assert offset == sent
    answer = phone.rest(offset)
    assert (answer.status, answer.headers["upload-complete"]) == (201, "?1")
    assert json.loads(answer.body)["file_size_bytes"] == len(LARGE)


def test_an_upload_that_the_server_breaks_off_breaks_off_at_the_phone(
    passing: int, resuming_server: Server
) -> None:
    """The phone is given no answer at all: to a 502 it would give up."""
    phone = Phone(resuming_server.token, passing, 8, LARGE)
    older = phone.begin(50_000)
    phone.learn(older)
    wait_for(lambda: has_file_of(resuming_server.data, 50_000), "the bytes are there")
    assert phone.offset().status == 204
    for start in range(50_000, len(LARGE), 1000):
        older.send(LARGE[start : start + 1000])
        if not older.nothing_more(0.05):
            break
    with pytest.raises(BrokenConnection):
        print(older.final())


def test_curl_s_100_continue_and_104_go_through_a_front(passing: int, resuming_server: Server) -> None:
    phone = Phone(resuming_server.token, passing, 6, SOUND, more={"Expect": "100-continue"})
    connection = phone.begin(0)
    seen = [connection.read().status, connection.read().status]
    assert 104 in seen
    connection.send(SOUND)
    assert connection.final().status == 201


def test_behind_nginx_a_phone_s_upload_is_a_plain_one(nginx: int, server: Server) -> None:
    phone = Phone(server.token, nginx, 8, LARGE)
    with phone.begin() as connection:
        answer = connection.read()
        assert answer.status == 201, answer
        assert json.loads(answer.body)["file_size_bytes"] == len(LARGE)
        connection.send_head("GET", "/api/v1/auth/me", phone.headers)
        assert connection.read("GET").status == 200, "the connection is good for more"


def test_behind_nginx_bytes_are_kept_as_they_come(nginx: int, server: Server) -> None:
    """A careful client, which asks for the address first, resumes there too."""
    phone = Phone(server.token, nginx, 8, LARGE)
    careful = phone.headers | phone.completeness(False) | {"Content-Type": "audio/wav"}
    created = ask(nginx, "POST", PATH, careful)
    assert created.status == 201
    phone.location = created.headers["location"]
    connection, sent = RawConnection(nginx), 654_321
    told = {"Upload-Offset": "0", "Content-Type": "application/partial-upload", **phone.completeness(True)}
    connection.send_head("PATCH", phone.path, phone.headers | told | {"Content-Length": str(len(LARGE))})
    connection.send(LARGE[:sent])
    wait_for(lambda: has_file_of(server.data, sent), "nginx passes bytes on as they come")
    connection.reset()
    assert phone.offset().headers["upload-offset"] == str(sent)
    assert phone.rest(sent).status == 201


def test_behind_nginx_a_form_and_a_body_without_a_length_are_taken(nginx: int, server: Server) -> None:
    headers = {"Authorization": f"Bearer {server.token}"}
    with httpx.Client(base_url=f"http://127.0.0.1:{nginx}", headers=headers, timeout=60) as client:
        form = client.post(PATH, files={"file": ("visit.wav", LARGE, "audio/wav")})
        chunked = client.post(
            f"{PATH}?filename=visit.wav", content=iter([LARGE[:1_000_000], LARGE[1_000_000:]])
        )
    assert [form.status_code, chunked.status_code] == [201, 201], (form.text, chunked.text)
