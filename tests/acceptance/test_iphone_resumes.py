"""An iPhone's upload that breaks: what URLSession does of itself, request by request, in each draft."""

import base64
import json
from urllib.parse import urlsplit
from uuid import UUID

import httpx
import pytest

from tests.fixtures.iphone import SENT_BY_IPHONES, Phone, has_file_of
from tests.fixtures.media import beeps, wav
from tests.fixtures.raw_http import ask, wait_for
from tests.fixtures.server import Server

SOUND = wav(beeps(6.0))


def phone_of(server: Server, version: int, file: bytes = SOUND) -> Phone:
    told = {"title": "Rex, second visit", "visit_id": f"visit-{version}"}
    more = {"Reelkeep-Recording": json.dumps(told), "Content-Disposition": 'attachment; filename="rex.wav"'}
    return Phone(server.token, urlsplit(server.url).port or 0, version, file, more=more)


def upload_id_of(phone: Phone) -> UUID:
    return UUID(bytes=base64.urlsafe_b64decode(phone.path.rpartition("/")[2])[16:32])


def bytes_of(server: Server, recording_id: str) -> bytes:
    with server.client() as api:
        url = api.get(f"/api/v1/recordings/{recording_id}/download-url").json()["download_url"]
    return httpx.get(url).content


@pytest.mark.parametrize("version", SENT_BY_IPHONES)
@pytest.mark.parametrize("reset", [False, True], ids=["fin", "rst"])
def test_an_upload_that_breaks_goes_on_where_it_was(
    resuming_server: Server, version: int, reset: bool
) -> None:
    phone = phone_of(resuming_server, version)
    sent = len(SOUND) * 2 // 3
    connection = phone.begin(sent)
    phone.learn(connection)
    if reset:
        connection.reset()
    else:
        connection.socket.close()
        wait_for(lambda: has_file_of(resuming_server.data, sent), "what was sent is in the store")

    phone.token = "signed out meanwhile"
    standing = phone.offset()
    assert standing.status == 204
    offset = int(standing.headers["upload-offset"])
    assert 0 <= offset <= sent
    assert reset or offset == sent, "nothing that arrived is asked for again"
    incomplete = ("upload-incomplete", "?1") if version == 3 else ("upload-complete", "?0")
    assert standing.headers[incomplete[0]] == incomplete[1]
    assert standing.headers["cache-control"] == "no-store"
    if version >= 6:
        assert standing.headers["upload-length"] == str(len(SOUND))

    answer = phone.rest(offset)
    assert answer.status == 201, answer.body
    assert answer.headers[incomplete[0]] == ("?0" if version == 3 else "?1")
    assert answer.headers["upload-offset"] == str(len(SOUND))
    recording = json.loads(answer.body)
    assert (recording["title"], recording["visit_id"]) == ("Rex, second visit", f"visit-{version}")
    assert (recording["status"], recording["filename"]) == ("uploaded", "rex.wav")
    assert bytes_of(resuming_server, recording["id"]) == SOUND


@pytest.mark.parametrize("version", SENT_BY_IPHONES)
def test_an_upload_that_does_not_break_is_one_request(resuming_server: Server, version: int) -> None:
    phone = phone_of(resuming_server, version)
    with phone.begin() as connection:
        phone.learn(connection)
        answer = connection.final()
    assert answer.status == 201, answer.body
    assert answer.headers["location"] == phone.location
    assert bytes_of(resuming_server, json.loads(answer.body)["id"]) == SOUND


def test_a_lost_answer_is_had_again(resuming_server: Server) -> None:
    """All bytes came, the answer did not: the phone asks for the offset and sends an empty rest."""
    file = wav(beeps(6.5))
    phone = phone_of(resuming_server, 8, file)
    connection = phone.begin()
    phone.learn(connection)
    connection.socket.close()
    wait_for(lambda: has_file_of(resuming_server.data, len(file)), "all bytes are in the store")
    standing = phone.offset()
    assert (standing.headers["upload-offset"], standing.headers["upload-complete"]) == (str(len(file)), "?1")
    again = [phone.rest(len(file)), phone.rest(len(file))]
    assert [answer.status for answer in again] == [201, 201]
    ids = {json.loads(answer.body)["id"] for answer in again}
    assert len(ids) == 1
    assert bytes_of(resuming_server, ids.pop()) == file


def test_a_phone_that_was_updated_in_between_goes_on_in_its_new_draft(resuming_server: Server) -> None:
    phone = phone_of(resuming_server, 3)
    connection = phone.begin(10_000)
    phone.learn(connection)
    connection.socket.close()
    phone.version = 8
    answer = phone.rest(int(phone.offset().headers["upload-offset"]))
    assert (answer.status, answer.headers["upload-complete"]) == (201, "?1")


def test_the_phone_gives_up_and_nothing_is_left(resuming_server: Server) -> None:
    phone = phone_of(resuming_server, 6)
    connection = phone.begin(10_000)
    phone.learn(connection)
    assert ask(phone.port, "DELETE", phone.path, phone.headers).status == 204
    assert 400 <= phone.offset().status < 500
    assert not any((resuming_server.data / "stores").glob(f"**/*{upload_id_of(phone)}*"))
    connection.socket.close()
