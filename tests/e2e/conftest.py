"""What the browser tests share."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.recorder_fixtures import hearing, keeper, origin
from tests.fixtures import speech
from tests.fixtures.browser import chromium
from tests.fixtures.server import Server

__all__ = ["chromium", "hearing", "keeper", "origin"]

SENTENCES = (
    "the weight is down a little and the cough has gone",
    "we should look at the teeth again in spring",
)
PROCESSED_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Known:
    """A recording that is on the server, with its words."""

    id: str
    title: str
    transcript: dict[str, Any]


@pytest.fixture(scope="session")
def spoken_wav(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two sentences with a pause between them."""
    first, second = (speech.say(sentence) for sentence in SENTENCES)
    path = tmp_path_factory.mktemp("spoken") / "Rex check-up.wav"
    return speech.write_wav(path, speech.silence(0.5), first, speech.silence(3), second, speech.silence(0.5))


@pytest.fixture(scope="session")
def known(server: Server, spoken_wav: Path) -> Known:
    """A transcribed recording, brought in by the API."""
    recording_id = bring(server, "Known visit.wav", spoken_wav.read_bytes(), title="Known visit")
    detail = wait_until_settled(server, recording_id)
    assert detail["status"] == "transcribed", detail
    with server.client() as client:
        transcript = client.get(f"/api/v1/recordings/{recording_id}/transcript").raise_for_status().json()
    return Known(recording_id, "Known visit", transcript)


@pytest.fixture(scope="session")
def broken(server: Server) -> Known:
    """A recording that starts like a WAV file and is none."""
    recording_id = bring(
        server, "Broken.wav", b"RIFF\x00\x10\x00\x00WAVE" + b"not sound " * 400, title="Broken"
    )
    detail = wait_until_settled(server, recording_id)
    assert detail["status"] == "failed", detail
    return Known(recording_id, "Broken", {})


@pytest.fixture(scope="session")
def places(known: Known, broken: Known) -> tuple[str, ...]:
    """Every route for somebody who is signed in, in its states."""
    return (
        "/recordings",
        "/recordings?q=nothing-has-this-name",
        f"/recordings/{known.id}",
        f"/recordings/{known.id}/read",
        f"/recordings/{broken.id}",
        "/recordings/0197f0aa-0000-7000-8000-000000000000",
        "/trash",
        "/admin/storage",
        "/admin/settings",
        "/me",
    )


def bring(server: Server, filename: str, data: bytes, **fields: Any) -> str:
    """Upload by ticket and complete; the recording's id."""
    with server.client() as client:
        body = {"filename": filename, "content_type": "audio/wav", **fields}
        ticket = client.post("/api/v1/recordings/upload/initiate", json=body).raise_for_status().json()
        form = httpx.post(
            ticket["upload_url"], data=ticket["upload_fields"], files={"file": (filename, data, "audio/wav")}
        )
        form.raise_for_status()
        recording_id: str = ticket["recording_id"]
        client.post(f"/api/v1/recordings/upload/complete/{recording_id}", json={}).raise_for_status()
        return recording_id


def wait_until_settled(server: Server, recording_id: str) -> dict[str, Any]:
    """Until nothing is left to be done for the recording."""
    deadline = time.monotonic() + PROCESSED_SECONDS
    with server.client() as client:
        while True:
            detail: dict[str, Any] = (
                client.get(f"/api/v1/recordings/{recording_id}").raise_for_status().json()
            )
            if detail["status"] in {"transcribed", "processed", "failed"}:
                return detail
            assert time.monotonic() < deadline, f"not processed in time: {detail}"
            time.sleep(0.2)
