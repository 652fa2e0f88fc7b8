"""Send a recording and wait for its words, with the times of all that happens between."""

import asyncio
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

from bench.installation import Look

API = "/api/v1/recordings"
LOOK_EVERY_SECONDS = 0.05
#: Long recordings, on slow machines.
SECONDS_MAX = 3 * 3600.0


@dataclass(frozen=True, slots=True)
class Step:
    """One step as the database has it."""

    started_at: datetime
    finished_at: datetime
    result: dict[str, Any]

    @property
    def seconds(self) -> float:
        """How long it took."""
        return (self.finished_at - self.started_at).total_seconds()


@dataclass(frozen=True, slots=True)
class Processed:
    """A recording that has its words."""

    recording_id: str
    #: From the answer of complete until the status `transcribed` was seen.
    seconds: float
    uploaded_at: datetime
    steps: dict[str, Step]


async def process(client: httpx.Client, database: Look, file: Path) -> Processed:
    """Upload the file and wait until it is transcribed; the database is asked twenty times a second."""
    recording_id = await asyncio.to_thread(upload, client, file)
    started = time.monotonic()
    query = "select status, failure_message from recording where id = %s"
    while True:
        status, reason = database.execute(query, [recording_id]).fetchone() or ("gone", None)
        if status == "transcribed":
            break
        if status in ("failed", "gone") or time.monotonic() - started > SECONDS_MAX:
            raise RuntimeError(f"{file.name} is {status}: {reason}")
        await asyncio.sleep(LOOK_EVERY_SECONDS)
    seconds = time.monotonic() - started
    (uploaded_at,) = database.execute(
        "select uploaded_at from recording where id = %s", [recording_id]
    ).fetchone() or (None,)
    assert uploaded_at is not None
    return Processed(recording_id, seconds, uploaded_at, await _steps(database, recording_id))


def upload(client: httpx.Client, file: Path, content_type: str = "audio/mp4") -> str:
    """Send a file as an app does; the recording's id, when it is sealed."""
    wanted = {"filename": file.name, "content_type": content_type, "size_bytes": file.stat().st_size}
    ticket = client.post(f"{API}/upload/initiate", json=wanted).raise_for_status().json()
    with file.open("rb") as body:
        httpx.post(
            ticket["upload_url"], data=ticket["upload_fields"], files={"file": body}, timeout=600
        ).raise_for_status()
    recording_id: str = ticket["recording_id"]
    client.post(f"{API}/upload/complete/{recording_id}", json={}).raise_for_status()
    return recording_id


async def _steps(database: Look, recording_id: str) -> dict[str, Step]:
    """All steps, when all have ended: playback and peaks may end after the words."""
    query = "select kind, started_at, finished_at, result, state from step where recording_id = %s"
    while True:
        rows = database.execute(query, [recording_id]).fetchall()
        if all(state in ("done", "failed", "skipped") for *_, state in rows):
            return {kind: Step(started, finished, result) for kind, started, finished, result, _ in rows}
        await asyncio.sleep(LOOK_EVERY_SECONDS)
