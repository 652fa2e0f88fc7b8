"""One request that brings a whole recording: a form or a raw body, over a local folder and a real S3."""

import asyncio
import base64
import hashlib
import json
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from reelkeep.recordings.models import Recording
from reelkeep.runtime import Runtime
from reelkeep.stores.protocol import Store
from reelkeep.uploads.models import Upload, UploadState
from tests.fixtures.live import live
from tests.fixtures.media import beeps, wav
from tests.fixtures.runtime import Person, add_person, client_of
from tests.service.test_tus import replace_settings

URL = "/api/v1/recordings/upload"
SOUND = wav(beeps(1.0))
WAV = {"Content-Type": "audio/wav"}


async def in_pieces(body: bytes, size: int = 4_000) -> AsyncIterator[bytes]:
    for start in range(0, len(body), size):
        yield body[start : start + size]


async def kept(runtime: Runtime, recording: dict[str, Any]) -> bytes:
    """The bytes as the store has them."""
    store = runtime.stores.primary
    return b"".join([piece async for piece in store.read(recording["s3_key"])])


async def last(runtime: Runtime, person: Person) -> tuple[Upload, Recording]:
    """The newest upload and its recording."""
    async with runtime.database.work(person.organization_id) as session:
        upload = (await session.scalars(select(Upload).order_by(Upload.id.desc()).limit(1))).one()
        recording = await session.get(Recording, (person.organization_id, upload.recording_id))
    assert recording is not None
    return upload, recording


async def keys(store: Store) -> list[str]:
    return [facts.key async for facts in store.list_objects()]


async def test_a_form_becomes_a_recording(any_runtime: Runtime, person: Person) -> None:
    fields = {
        "title": "Été 😀",
        "visit_id": "v-7",
        "recording_metadata": '{"room": 4}',
        "transcribe": "false",
    }
    async with client_of(any_runtime, person) as client:
        answer = await client.post(URL, data=fields, files={"file": ("visit.wav", SOUND, "audio/wav")})
    assert answer.status_code == 201, answer.text
    recording = answer.json()
    assert (recording["title"], recording["visit_id"], recording["status"]) == ("Été 😀", "v-7", "uploaded")
    assert (recording["recording_metadata"], recording["filename"]) == ({"room": 4}, "visit.wav")
    assert [step["kind"] for step in recording["steps"]] == ["probe", "playback", "peaks"]
    assert answer.headers["location"].endswith(f"/api/v1/recordings/{recording['id']}")
    assert await kept(any_runtime, recording) == SOUND
    upload, _ = await last(any_runtime, person)
    assert (upload.method, upload.state) == ("plain", UploadState.SEALED)


async def test_a_raw_body_becomes_a_recording(any_runtime: Runtime, person: Person) -> None:
    told = {"title": "Größe 😀", "appointment_id": "a-1", "recording_metadata": {"room": 4}}
    headers = WAV | {"Reelkeep-Recording": json.dumps(told)}
    headers |= {"Content-Disposition": "inline; filename*=UTF-8''gr%C3%B6%C3%9Fe.wav"}
    async with client_of(any_runtime, person) as client:
        answer = await client.post(URL, content=SOUND, headers=headers)
    assert answer.status_code == 201, answer.text
    recording = answer.json()
    assert (recording["title"], recording["filename"]) == ("Größe 😀", "größe.wav")
    assert (recording["appointment_id"], recording["recording_metadata"]) == ("a-1", {"room": 4})
    assert await kept(any_runtime, recording) == SOUND


async def test_a_body_without_a_length_is_taken(any_runtime: Runtime, person: Person) -> None:
    async with client_of(any_runtime, person) as client:
        answer = await client.post(f"{URL}?filename=visit.wav&title=By+query", content=in_pieces(SOUND))
    assert answer.status_code == 201, answer.text
    recording = answer.json()
    assert (recording["title"], recording["mime_type"]) == ("By query", "audio/wav")
    assert (recording["file_size_bytes"], await kept(any_runtime, recording)) == (len(SOUND), SOUND)


async def test_the_header_goes_before_the_query_and_the_query_before_the_name(
    runtime: Runtime,
) -> None:
    person = await add_person(runtime)
    headers = WAV | {
        "Content-Disposition": 'inline; filename="third.wav"',
        "Reelkeep-Recording": '{"title":"one"}',
    }
    async with client_of(runtime, person) as client:
        answer = await client.post(f"{URL}?title=two&filename=second.wav", content=SOUND, headers=headers)
    assert (answer.json()["title"], answer.json()["filename"]) == ("one", "second.wav")


@pytest.mark.parametrize("told", ["application/octet-stream", "application/x-www-form-urlencoded", ""])
async def test_a_type_that_says_nothing_is_found_by_the_name(runtime: Runtime, told: str) -> None:
    person = await add_person(runtime)
    async with client_of(runtime, person) as client:
        answer = await client.post(f"{URL}?filename=Visit.WAV", content=SOUND, headers={"Content-Type": told})
        unknown = await client.post(
            f"{URL}?filename=visit.xyz", content=SOUND, headers={"Content-Type": told}
        )
    assert (answer.status_code, answer.json()["mime_type"]) == (201, "audio/wav")
    assert (unknown.status_code, unknown.json()["error_code"]) == (415, "UNSUPPORTED_TYPE")


def form(*parts: tuple[str, str | bytes]) -> tuple[bytes, dict[str, str]]:
    """A form; bytes are a file."""
    body = b""
    for name, value in parts:
        head = f'--mark\r\nContent-Disposition: form-data; name="{name}"'
        if isinstance(value, bytes):
            head += '; filename="visit.wav"\r\nContent-Type: audio/wav'
        body += (
            head.encode() + b"\r\n\r\n" + (value if isinstance(value, bytes) else value.encode()) + b"\r\n"
        )
    return body + b"--mark--\r\n", {"Content-Type": "multipart/form-data; boundary=mark"}


@pytest.mark.parametrize(
    ("parts", "status", "said"),
    [
        ([("file", SOUND), ("title", "late")], 422, "'title' comes after the file"),
        ([("title", "x")], 422, "The form has no file"),
        ([], 422, "The form has no file"),
        ([("title", "x"), ("file", b"")], 422, "empty"),
        ([("recording_metadata", "{"), ("file", SOUND)], 422, "recording_metadata must be JSON"),
        ([("visit_id", "v" * 300), ("file", SOUND)], 422, "visit_id"),
        ([("content_type", "text/plain"), ("file", SOUND)], 415, "text/plain"),
        ([("size_bytes", "12"), ("file", SOUND)], 409, "More than the 12 bytes"),
        ([("size_bytes", "99999999"), ("file", SOUND)], 409, "99,999,999 were declared"),
        ([("file", b"no sound at all")], 415, "audio/wav"),
        ([("sha256", "0" * 64), ("file", SOUND)], 409, "not those that were declared"),
    ],
)
async def test_what_is_wrong_is_said_and_nothing_is_kept(
    runtime: Runtime, parts: list[tuple[str, str | bytes]], status: int, said: str
) -> None:
    person = await add_person(runtime)
    body, headers = form(*parts)
    async with client_of(runtime, person) as client:
        answer = await client.post(URL, content=body, headers=headers)
        listed = (await client.get("/api/v1/recordings/")).json()["items"]
    assert answer.status_code == status, answer.text
    assert said in answer.json()["message"]
    assert await keys(runtime.stores.primary) == []
    assert all(item["status"] == "failed" and item["error_code"] for item in listed)


async def test_a_form_that_ends_without_its_boundary_was_cut(runtime: Runtime) -> None:
    person = await add_person(runtime)
    body, headers = form(("file", SOUND))
    async with client_of(runtime, person) as client:
        answer = await client.post(URL, content=body[:-20], headers=headers)
    assert (answer.status_code, "cut off" in answer.json()["message"]) == (422, True)
    assert await keys(runtime.stores.primary) == []


async def test_a_body_over_the_limit_is_refused_as_it_comes(runtime: Runtime) -> None:
    person = await add_person(runtime)
    async with client_of(runtime, person) as client:
        await client.put("/api/v1/organization/limits", json={"size_bytes_max": 50_000})
        declared = await client.post(URL, content=SOUND, headers=WAV)
        found = await client.post(f"{URL}?filename=a.wav", content=in_pieces(SOUND))
    for answer in (declared, found):
        assert (answer.status_code, answer.json()["error_code"]) == (413, "UPLOAD_TOO_LARGE"), answer.text
        assert answer.json()["details"]["size_bytes_max"] == 50_000
    assert await keys(runtime.stores.primary) == []


async def test_a_digest_is_checked(runtime: Runtime) -> None:
    person = await add_person(runtime)
    right, wrong = (
        f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:" for body in (SOUND, b"other")
    )
    async with client_of(runtime, person) as client:
        assert (
            await client.post(URL, content=SOUND, headers=WAV | {"Repr-Digest": right})
        ).status_code == 201
        refused = await client.post(URL, content=SOUND, headers=WAV | {"Repr-Digest": wrong})
    assert (refused.status_code, refused.json()["error_code"]) == (409, "UPLOAD_DIGEST_MISMATCH")
    _, recording = await last(runtime, person)
    assert recording.status == "failed"


@pytest.mark.parametrize(
    "headers",
    [
        {"Reelkeep-Recording": "title"},
        {"Reelkeep-Recording": "[1]"},
        {"Reelkeep-Recording": '{"size_bytes":1}'},
    ],
)
async def test_a_header_that_says_nonsense_is_refused(runtime: Runtime, headers: dict[str, str]) -> None:
    person = await add_person(runtime)
    async with client_of(runtime, person) as client:
        answer = await client.post(URL, content=SOUND, headers=WAV | headers)
    assert answer.status_code in (409, 422), answer.text


async def test_nobody_uploads_without_a_sign_in_or_the_right(runtime: Runtime) -> None:
    from reelkeep.accounts.models import Role

    viewer = await add_person(runtime, role=Role.VIEWER)
    async with client_of(runtime) as client:
        assert (await client.post(URL, content=SOUND, headers=WAV)).status_code == 401
    async with client_of(runtime, viewer) as client:
        assert (await client.post(URL, content=SOUND, headers=WAV)).status_code == 403


async def test_a_client_that_leaves_fails_its_recording_at_once(any_runtime: Runtime, person: Person) -> None:
    """By ASGI itself: a client that is gone cannot be answered."""
    from reelkeep.http.app import build_app

    app, sent = build_app(any_runtime), []
    messages: list[dict[str, Any]] = [
        {"type": "http.request", "body": SOUND[:10_000], "more_body": True},
        {"type": "http.disconnect"},
    ]

    async def receive() -> dict[str, Any]:
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    token = person.headers["Authorization"].encode()
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "path": URL,
        "raw_path": URL.encode(),
        "query_string": b"filename=a.wav",
        "headers": [(b"authorization", token), (b"content-length", str(len(SOUND)).encode())],
        "scheme": "http",
        "root_path": "",
        "server": ("127.0.0.1", 1),
        "client": ("127.0.0.1", 2),
    }
    await app(scope, receive, send)
    upload, recording = await last(any_runtime, person)
    assert (upload.state, upload.error_code) == (UploadState.REFUSED, "UPLOAD_INCOMPLETE")
    assert (recording.status, recording.failure_code) == ("failed", "UPLOAD_INCOMPLETE")
    assert await keys(any_runtime.stores.primary) == []


async def test_a_silent_body_is_ended(runtime: Runtime) -> None:
    person = await add_person(runtime)
    impatient = replace_settings(runtime, upload_idle_seconds=0.1)

    async def stalls() -> AsyncIterator[bytes]:
        yield SOUND[:1000]
        await asyncio.sleep(5)

    async with client_of(impatient, person) as client:
        answer = await client.post(f"{URL}?filename=a.wav", content=stalls())
    assert (answer.status_code, answer.json()["error_code"]) == (408, "UPLOAD_STALLED")
    assert await keys(runtime.stores.primary) == []


async def test_an_unspoken_version_is_ignored_for_a_whole_and_refused_for_a_part(runtime: Runtime) -> None:
    person = await add_person(runtime)
    whole = WAV | {"Upload-Draft-Interop-Version": "99", "Upload-Complete": "?1"}
    part = WAV | {"Upload-Draft-Interop-Version": "99", "Upload-Complete": "?0"}
    async with client_of(runtime, person) as client:
        assert (await client.post(URL, content=SOUND, headers=whole)).status_code == 201
        assert (await client.post(URL, content=SOUND, headers=part)).status_code == 422


async def test_options_tells_the_limits(runtime: Runtime) -> None:
    async with client_of(runtime) as client:
        answer = await client.options(URL)
    assert answer.status_code == 204
    assert answer.headers["upload-limit"] == f"max-size={runtime.settings.upload_size_bytes_max}"


#: As docs/uploads.md has them; a body over 1 MB is announced with `Expect: 100-continue`.
CURLS = {
    "form": ["-F", "title=By curl", "-F", "file=@{file}"],
    "raw": [
        "-H",
        'Reelkeep-Recording: {{"filename": "visit.wav", "title": "By curl"}}',
        "--data-binary",
        "@{file}",
    ],
    "chunked": [
        "-H",
        "Transfer-Encoding: chunked",
        "--data-binary",
        "@{file}",
        "-H",
        "Content-Type: audio/wav",
    ],
}


@pytest.mark.parametrize("how", CURLS)
async def test_curl_sends_a_file_as_it_is_documented(runtime: Runtime, tmp_path: Path, how: str) -> None:
    person, file, large = await add_person(runtime), tmp_path / "visit.wav", wav(beeps(15.0))
    file.write_bytes(large)
    words = [word.format(file=file) for word in CURLS[how]]
    async with live(runtime) as url:
        token = f"Authorization: {person.headers['Authorization']}"
        where = f"{url}{URL}" + ("?title=By+curl" if how == "chunked" else "")
        command = ["curl", "-sS", "--fail-with-body", "-m", "60", "-H", token, *words, where]
        done = await asyncio.to_thread(subprocess.run, command, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    recording = json.loads(done.stdout)
    assert (recording["title"], recording["file_size_bytes"]) == ("By curl", len(large))
    assert await kept(runtime, recording) == large


async def test_one_address_per_letter_of_the_law(runtime: Runtime) -> None:
    """The neighbours of this address still answer."""
    person = await add_person(runtime)
    async with client_of(runtime, person) as client:
        body = {"filename": "visit.wav", "content_type": "audio/wav"}
        assert (await client.post(f"{URL}/initiate", json=body)).status_code == 200
        large = await client.post(f"{URL}/initiate", content=b"x" * 300_000)
    assert isinstance(large, httpx.Response)
    assert large.status_code == 413
