"""Workers that are killed while they move copies: nothing is lost, and nothing is left behind."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tests.fault.test_processes_killed import start_worker, upload
from tests.fixtures.media import beeps, wav
from tests.fixtures.server import Server, start_server

RECORDINGS = 6
QUICK = {"REELKEEP_WORKER_STALLED_SECONDS": "4", "REELKEEP_WORKER_HEARTBEAT_SECONDS": "1"}
QUICK |= {"REELKEEP_WORKER_SHUTDOWN_SECONDS": "2", "REELKEEP_SWEEP_SECONDS": "1"}


def run(server: Server, environment: dict[str, str], *words: str) -> Any:
    """What a command prints as JSON."""
    done = subprocess.run(
        [sys.executable, "-m", "reelkeep", *words, "--json", "--data", str(server.data)],
        env={**os.environ, **environment},
        capture_output=True,
        check=False,
        text=True,
        timeout=120,
    )
    return json.loads(done.stdout)


def test_workers_that_are_killed_in_the_midst_of_a_migration_lose_nothing_and_leave_nothing(
    tmp_path: Path,
) -> None:
    file = tmp_path / "stores.toml"
    # So slow that kills fall into the midst of writing.
    file.write_text(
        f'[stores.second]\nkind = "local"\npath = "{tmp_path / "second"}"\nbytes_per_second_max = "400kB"\n'
    )
    environment = {**QUICK, "REELKEEP_STORES_FILE": str(file), "REELKEEP_ENGINE": "fake"}
    environment |= {"REELKEEP_DOWNLOAD_EXPIRES_IN_SECONDS": "1", "REELKEEP_ENGINE_EXTRA": "{}"}
    server = start_server(tmp_path / "data", "--no-worker", **environment)
    dice = random.Random(5)
    try:
        server.make_administrator()
        sounds = [wav(beeps(2 + number)) for number in range(RECORDINGS)]
        ids = [upload(server, sound) for sound in sounds]
        begun = run(server, environment, "storage", "migrate", "--from", "local", "--to", "second")
        assert begun["copies_total"] == RECORDINGS, begun
        for _ in range(6):
            worker = start_worker(server, **environment)
            time.sleep(dice.uniform(2.0, 5.0))
            os.killpg(worker.pid, signal.SIGKILL)
            worker.wait()
        worker = start_worker(server, **environment)
        try:
            deadline = time.monotonic() + 150
            while True:
                told = run(server, environment, "storage", "migrate", "--from", "local")
                # Postgres may have to be waited for while its clients are killed.
                assert told.get("error_code", "DATABASE_UNAVAILABLE") == "DATABASE_UNAVAILABLE", told
                if told.get("state") == "done":
                    break
                assert time.monotonic() < deadline, told
                time.sleep(1)
            while not run(server, environment, "storage", "check", "--verify")["stores"][0]["clean"]:
                assert time.monotonic() < deadline
                time.sleep(1)
        finally:
            worker.send_signal(signal.SIGTERM)
            worker.wait(60)
        checked = run(server, environment, "storage", "check", "--verify")["stores"]
        assert {
            one["store"]: (one["copies"], one["clean"]) for one in checked if one["store"] == "local"
        } == {"local": (0, True)}
        second = next(one for one in checked if one["store"] == "second")
        assert second["clean"]
        left = [p for p in (tmp_path / "data" / "stores" / "local").rglob("*") if p.is_file()]
        assert not [p for p in left if "recordings" in p.parts], "bytes were left in the store that was left"
        with server.client() as api:
            for recording_id, sound in zip(ids, sounds, strict=True):
                url = api.get(f"/api/v1/recordings/{recording_id}/download-url").json()["download_url"]
                assert api.get(url).content == sound
    finally:
        server.stop()
