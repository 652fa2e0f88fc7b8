"""Servers and workers that are killed, stopped and started again, as real processes."""

import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from tests.fixtures.media import beeps, wav
from tests.fixtures.server import Server, start_server
from tests.fixtures.speech import say, write_wav

TAKEOVER_SECONDS_MAX = 45.0
SLOW = '{"sleep_seconds": "4"}'
SENTENCE = "the budget is fine we have spent about half of it"


@pytest.fixture
def lone_server(tmp_path: Path) -> Iterator[Server]:
    """A server without a worker, so that the test says which workers there are."""
    running = start_server(tmp_path / "data", "--no-worker", REELKEEP_ENGINE="fake")
    running.make_administrator()
    yield running
    running.stop()


def start_worker(server: Server, **environment: str) -> subprocess.Popen[bytes]:
    """`reelkeep worker` on the server's data, with the slow fake engine."""
    given = {"REELKEEP_ENGINE": "fake", "REELKEEP_ENGINE_EXTRA": SLOW, "REELKEEP_PUBLIC_URL": server.url}
    with (server.data.parent / "worker.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "reelkeep", "worker", "--data", str(server.data)],
            env={**os.environ, **given, **environment},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def upload(server: Server, body: bytes) -> str:
    """Upload and complete; the recording's id."""
    with server.client() as api:
        ask = {"filename": "visit.wav", "content_type": "audio/wav", "recording_type": "visit_audio"}
        ticket = api.post("/api/v1/recordings/upload/initiate", json=ask).raise_for_status().json()
        files = {"file": ("visit.wav", body, "audio/wav")}
        httpx.post(ticket["upload_url"], data=ticket["upload_fields"], files=files).raise_for_status()
        api.post(f"/api/v1/recordings/upload/complete/{ticket['recording_id']}").raise_for_status()
    recording_id: str = ticket["recording_id"]
    return recording_id


def look(server: Server, recording_id: str) -> dict[str, Any]:
    """The recording as the API tells it, steps by kind."""
    with server.client() as api:
        shown: dict[str, Any] = api.get(f"/api/v1/recordings/{recording_id}").raise_for_status().json()
    return shown | {"steps": {step["kind"]: step for step in shown["steps"]}}


def wait_until(true: Callable[[], bool], seconds: float) -> float:
    """Poll until it is true; how long that took. Fails after `seconds`."""
    began = time.monotonic()
    while not true():
        if time.monotonic() - began > seconds:
            pytest.fail(f"not within {seconds} s")
        time.sleep(0.1)
    return time.monotonic() - began


def transcript(server: Server, recording_id: str) -> list[dict[str, Any]]:
    """The segments."""
    with server.client() as api:
        answer = api.get(f"/api/v1/recordings/{recording_id}/transcript").raise_for_status().json()
    segments: list[dict[str, Any]] = answer["segments"]
    return segments


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kill -9 of the worker; its children must go by themselves."""
    process.kill()
    process.wait()


@pytest.fixture
def two_stretches(tmp_path: Path) -> bytes:
    """Speech, a long pause, speech: two stretches for the engine."""
    said, pause = say(SENTENCE), np.zeros(16_000 * 32, dtype=np.int16)
    return write_wav(tmp_path / "two.wav", said, pause, said).read_bytes()


def test_the_recording_of_a_killed_worker_is_taken_over_in_time_with_the_same_result(
    lone_server: Server, two_stretches: bytes
) -> None:
    first = start_worker(lone_server)
    undisturbed = upload(lone_server, two_stretches)
    wait_until(lambda: look(lone_server, undisturbed)["status"] == "transcribed", 60)

    disturbed = upload(lone_server, two_stretches)
    wait_until(lambda: (look(lone_server, disturbed)["steps"]["transcribe"]["progress"] or 0) > 0.1, 60)
    kill_group(first)
    killed_at = time.monotonic()
    second = start_worker(lone_server)
    try:
        wait_until(lambda: look(lone_server, disturbed)["steps"]["transcribe"]["attempts"] == 2, 60)
        assert time.monotonic() - killed_at <= TAKEOVER_SECONDS_MAX
        wait_until(lambda: look(lone_server, disturbed)["status"] == "transcribed", 60)
    finally:
        second.terminate()
        assert second.wait(40) == 0
    assert transcript(lone_server, disturbed) == transcript(lone_server, undisturbed)
    shown = look(lone_server, disturbed)
    assert {step["state"] for step in shown["steps"].values()} == {"done"}


def test_a_deploy_loses_nothing_and_counts_as_no_attempt(lone_server: Server, two_stretches: bytes) -> None:
    recording_id = upload(lone_server, two_stretches)
    for _ in range(3):
        worker = start_worker(lone_server, REELKEEP_ENGINE_EXTRA='{"sleep_seconds": "30"}')
        wait_until(lambda: look(lone_server, recording_id)["steps"]["transcribe"]["state"] == "running", 60)
        worker.terminate()
        assert worker.wait(40) == 0
        step = look(lone_server, recording_id)["steps"]["transcribe"]
        assert (step["state"], step["attempts"]) == ("todo", 0)
    last = start_worker(lone_server)
    wait_until(lambda: look(lone_server, recording_id)["status"] == "transcribed", 60)
    last.terminate()
    assert last.wait(40) == 0
    assert look(lone_server, recording_id)["steps"]["transcribe"]["attempts"] == 1


def test_serve_starts_a_killed_worker_again_and_ready_tells(tmp_path: Path) -> None:
    server = start_server(tmp_path / "data", REELKEEP_ENGINE="fake")
    try:
        server.make_administrator()
        with server.client() as api:
            wait_until(lambda: api.get("/api/health/ready").status_code == 200, 30)
        worker = child_worker(server)
        os.kill(worker, signal.SIGKILL)
        wait_until(lambda: child_worker(server) not in (0, worker), 30)
        recording_id = upload(server, wav(beeps(1.0)))
        wait_until(lambda: look(server, recording_id)["playback_ready"], 60)
    finally:
        assert server.stop() == 0
    assert not Path(f"/proc/{child_worker(server)}").exists() or child_worker(server) == 0


def child_worker(server: Server) -> int:
    """The pid of the server's worker process, or 0."""
    children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children")
    try:
        pids = [int(pid) for pid in children.read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return 0
    for pid in pids:
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if b"worker" in command.split(b"\0"):
            return pid
    return 0


def test_a_server_killed_at_any_moment_of_complete_loses_nothing(tmp_path: Path) -> None:
    """Killed -9 after a random wait, started again on the same folder: complete goes through, same bytes."""
    chance = random.Random(20261121)
    body = wav(beeps(3.0))
    server = start_server(tmp_path / "data", "--no-worker", REELKEEP_ENGINE="fake")
    server.make_administrator()
    for _ in range(4):
        with server.client() as api:
            ask = {"filename": "visit.wav", "content_type": "audio/wav"}
            ticket = api.post("/api/v1/recordings/upload/initiate", json=ask).raise_for_status().json()
            files = {"file": ("visit.wav", body, "audio/wav")}
            httpx.post(ticket["upload_url"], data=ticket["upload_fields"], files=files).raise_for_status()
        url = f"/api/v1/recordings/upload/complete/{ticket['recording_id']}"
        asking = subprocess.Popen(
            ["curl", "-s", "-X", "POST", "-H", f"Authorization: Bearer {server.token}", server.url + url],
            stdout=subprocess.DEVNULL,
        )
        time.sleep(chance.uniform(0.0, 0.12))
        server.process.kill()
        server.process.wait()
        asking.wait(30)
        token = server.token
        server = start_server(tmp_path / "data", "--no-worker", REELKEEP_ENGINE="fake")
        server.token = token
        with server.client() as api:
            answer = api.post(url)
            assert answer.status_code == 200, answer.text
            where = api.get(f"/api/v1/recordings/{ticket['recording_id']}/download-url").json()
            assert httpx.get(where["download_url"]).content == body
    server.stop()


def test_no_secret_and_no_word_of_a_transcript_is_in_the_log(server: Server, tmp_path: Path) -> None:
    body = write_wav(tmp_path / "said.wav", say(SENTENCE)).read_bytes()
    recording_id = upload(server, body)
    wait_until(lambda: look(server, recording_id)["status"] == "transcribed", 90)
    log = server.log.read_text()
    assert recording_id in log
    assert "budget" not in log
    assert server.admin_password not in log
    assert server.token not in log
    assert not re.search(r"X-Amz-Signature=[0-9a-f]", log)
