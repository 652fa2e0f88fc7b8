"""The vet app's upload flow, request by request as its document has it; the iPhone is played by requests."""

import httpx
import numpy as np
import pytest

from tests.fixtures.media import encode
from tests.fixtures.server import Server
from tests.fixtures.speech import say

APPOINTMENT = "123e4567-e89b-12d3-a456-426614174000"
INITIATE = {
    "appointment_id": APPOINTMENT,
    "visit_id": "223e4567-e89b-12d3-a456-426614174000",
    "recording_type": "visit_audio",
    "filename": "recording_20241219_143022.m4a",
    "content_type": "audio/m4a",
    "estimated_duration_seconds": 120.5,
}
TICKET_NAMES = {
    *("recording_id", "upload_url", "upload_fields", "s3_key", "bucket", "expires_in", "max_file_size"),
}
FORM_NAMES = {
    *("key", "content-type", "policy"),
    *("x-amz-credential", "x-amz-algorithm", "x-amz-date", "x-amz-signature"),
}
METADATA = {"device_model": "iPhone 15 Pro", "ios_version": "17.2", "app_version": "1.0.0"}


@pytest.fixture
def recording() -> bytes:
    """A sentence as an iPhone's recorder writes it: AAC in MP4."""
    said = say("good morning i am happy to be here").astype(np.float32) / 32_768
    return encode(said[None, :], "m4a", rate=16_000)


def test_a_visit_is_uploaded_completed_listed_and_played(server: Server, recording: bytes) -> None:
    with server.client() as api:
        ticket = api.post("/api/v1/recordings/upload/initiate", json=INITIATE).raise_for_status().json()
        assert set(ticket) >= TICKET_NAMES
        fields = ticket["upload_fields"]
        assert fields["key"] == ticket["s3_key"]
        assert fields["Content-Type"] == "audio/m4a"
        assert {name.lower() for name in fields} >= FORM_NAMES

        file = {"file": ("a.m4a", recording, "audio/m4a")}
        assert httpx.post(ticket["upload_url"], data=fields, files=file, timeout=60).status_code == 204

        told = {"file_size_bytes": len(recording), "duration_seconds": 125.3, "recording_metadata": METADATA}
        completed = api.post(f"/api/v1/recordings/upload/complete/{ticket['recording_id']}", json=told)
        assert completed.status_code == 200, completed.text
        assert completed.json()["recording_metadata"] == METADATA

        query = {"appointment_id": APPOINTMENT, "limit": 50, "offset": 0}
        listed = api.get("/api/v1/recordings/", params=query).json()
        assert [item["id"] for item in listed["items"]] == [ticket["recording_id"]]

        one = f"/api/v1/recordings/{ticket['recording_id']}"
        details = api.get(one).json()
        assert details["status"] in ("uploaded", "processing", "transcribed")
        assert (details["mime_type"], details["file_size_bytes"]) == ("audio/m4a", len(recording))
        assert httpx.get(api.get(f"{one}/download-url").json()["download_url"]).content == recording

        assert api.delete(one).status_code == 204
        assert api.get("/api/v1/recordings/", params=query).json()["items"] == []


def test_an_error_has_the_documents_shape(server: Server) -> None:
    with server.client() as api:
        body = {"filename": "notes.txt", "content_type": "text/plain"}
        refused = api.post("/api/v1/recordings/upload/initiate", json=body)
    assert set(refused.json()) == {"message", "error_code", "details"}
