"""The vet app's upload flow, request by request as its document has it; the iPhone is played by requests."""

from pathlib import Path

import httpx
from tests.fixtures.server import Server
from tests.fixtures.speech import say, write_wav


def as_m4a(wav: Path, target: Path) -> bytes:
    """The sound as an iPhone's recorder writes it: AAC in MP4."""
    import av

    with av.open(str(wav)) as source, av.open(str(target), "w", format="ipod") as out:
        stream = out.add_stream("aac", rate=44_100)
        for frame in source.decode(audio=0):
            frame.pts = None
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return target.read_bytes()


def test_a_visit_recorded_on_an_iphone_is_uploaded_completed_listed_and_played(
    server: Server, tmp_path: Path
) -> None:
    said = write_wav(tmp_path / "visit.wav", say("good morning i am happy to be here"))
    recording = as_m4a(said, tmp_path / "visit.m4a")
    with server.client() as api:
        initiated = api.post(
            "/api/v1/recordings/upload/initiate",
            json={
                "appointment_id": "123e4567-e89b-12d3-a456-426614174000",
                "visit_id": "223e4567-e89b-12d3-a456-426614174000",
                "recording_type": "visit_audio",
                "filename": "recording_20241219_143022.m4a",
                "content_type": "audio/m4a",
                "estimated_duration_seconds": 120.5,
            },
        )
        assert initiated.status_code == 200
        ticket = initiated.json()
        assert set(ticket) >= {
            "recording_id",
            "upload_url",
            "upload_fields",
            "s3_key",
            "bucket",
            "expires_in",
            "max_file_size",
        }
        fields = ticket["upload_fields"]
        assert fields["key"] == ticket["s3_key"]
        assert fields["Content-Type"] == "audio/m4a"
        assert {name.lower() for name in fields} >= {
            "policy",
            "x-amz-credential",
            "x-amz-algorithm",
            "x-amz-date",
            "x-amz-signature",
        }

        sent = httpx.post(
            ticket["upload_url"], data=fields, files={"file": ("a.m4a", recording, "audio/m4a")}, timeout=60
        )
        assert sent.status_code == 204

        completed = api.post(
            f"/api/v1/recordings/upload/complete/{ticket['recording_id']}",
            json={
                "file_size_bytes": len(recording),
                "duration_seconds": 125.3,
                "recording_metadata": {
                    "device_model": "iPhone 15 Pro",
                    "ios_version": "17.2",
                    "app_version": "1.0.0",
                },
            },
        )
        assert completed.status_code == 200
        assert completed.json()["recording_metadata"]["ios_version"] == "17.2"

        query = {"appointment_id": "123e4567-e89b-12d3-a456-426614174000", "limit": 50, "offset": 0}
        listed = api.get("/api/v1/recordings/", params=query).json()
        assert [item["id"] for item in listed["items"]] == [ticket["recording_id"]]

        details = api.get(f"/api/v1/recordings/{ticket['recording_id']}").json()
        assert details["status"] in ("uploaded", "processing", "transcribed")
        assert details["mime_type"] == "audio/m4a"
        assert details["file_size_bytes"] == len(recording)

        url = api.get(f"/api/v1/recordings/{ticket['recording_id']}/download-url").json()["download_url"]
        assert httpx.get(url).content == recording

        assert api.delete(f"/api/v1/recordings/{ticket['recording_id']}").status_code == 204
        assert api.get("/api/v1/recordings/", params=query).json()["items"] == []


def test_an_error_has_the_documents_shape(server: Server) -> None:
    with server.client() as api:
        body = {"filename": "notes.txt", "content_type": "text/plain"}
        refused = api.post("/api/v1/recordings/upload/initiate", json=body)
    assert set(refused.json()) == {"message", "error_code", "details"}
