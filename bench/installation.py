"""An installation of its own in a scratch folder: server, worker, administrator; gone when the block ends."""

import ctypes
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psycopg

from bench.processes import family, is_postgres, mentioning
from reelkeep.db.postgres.client import EmbeddedPostgres, acquire

START_SECONDS_MAX = 60.0
STOP_SECONDS_MAX = 30.0
LOOK_EVERY_SECONDS = 0.01
PR_SET_PDEATHSIG = 1
ADMINISTRATOR = {"email": "admin@example.org", "password": "a quiet river at noon"}
#: A connection for looking at what was done.
Look = psycopg.Connection[tuple[Any, ...]]
REELKEEP = (sys.executable, "-m", "reelkeep")


@dataclass(slots=True)
class Server:
    """A server that answers, and how long it took to."""

    process: subprocess.Popen[str]
    url: str
    link_token: str | None
    ready_seconds: float

    @property
    def own_pids(self) -> list[int]:
        """The server's process alone."""
        return [self.process.pid]

    @property
    def postgres_pids(self) -> list[int]:
        """The embedded Postgres and its supervisor, which the server has started."""
        return [pid for pid in family(self.process.pid) if is_postgres(pid)]

    @property
    def worker_pids(self) -> list[int]:
        """The worker that the server keeps, with its children."""
        ours = {*self.own_pids, *self.postgres_pids}
        return [pid for pid in family(self.process.pid) if pid not in ours]


@dataclass(slots=True)
class Installation:
    """A data folder and the processes that were started on it."""

    folder: Path
    environment: dict[str, str]
    _processes: list[subprocess.Popen[str]] = field(default_factory=list)
    _postgres: EmbeddedPostgres | None = None

    @property
    def data(self) -> Path:
        """The data folder."""
        return self.folder / "data"

    @property
    def log(self) -> Path:
        """What the processes said on standard error."""
        return self.folder / "reelkeep.log"

    def start_server(self, *arguments: str) -> Server:
        """Start `reelkeep serve` on a free port and wait for the line that says it is ready."""
        started = time.monotonic()
        process = self._start("serve", "--port", "0", *arguments)
        link_token = None
        assert process.stdout is not None
        while line := process.stdout.readline():
            if found := re.search(r"token=(\S+)", line):
                link_token = found[1]
            if found := re.search(r"ready at (\S+)", line):
                return Server(process, found[1], link_token, time.monotonic() - started)
        raise RuntimeError(f"the server ended before it was ready:\n{self._last_words()}")

    def start_worker(self, *, lowest: bool = False) -> subprocess.Popen[str]:
        """Start `reelkeep worker` and wait until it has said that it is ready."""
        before = self._last_words().count("worker ready")
        process = self._start("worker", lowest=lowest)
        deadline = time.monotonic() + START_SECONDS_MAX
        while self._last_words().count("worker ready") == before:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the worker did not become ready:\n{self._last_words()}")
            time.sleep(LOOK_EVERY_SECONDS)
        return process

    def _start(self, *arguments: str, lowest: bool = False) -> subprocess.Popen[str]:
        with self.log.open("a") as log:
            process = subprocess.Popen(
                [*REELKEEP, *arguments, "--data", str(self.data)],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=dict(self.environment),
                cwd=self.folder,
                preexec_fn=lambda: _prepare(lowest=lowest),  # noqa: PLW1509 - no thread of ours runs yet
            )
        self._processes.append(process)
        return process

    def postgres(self) -> EmbeddedPostgres:
        """The use of the installation's database by this process."""
        if self._postgres is None:
            self._postgres = acquire(self.data)
        return self._postgres

    @contextmanager
    def database(self) -> Iterator[Look]:
        """A connection past row-level security, for looking at what was done."""
        with psycopg.connect(self.postgres().conninfo, autocommit=True) as connection:
            yield connection

    def backlog(self) -> dict[str, int]:
        """Jobs that wait or are worked on, by queue."""
        query = "select queue_name, count(*) from jobs.procrastinate_jobs where status in ('todo','doing')"
        with self.database() as connection:
            return dict(connection.execute(f"{query} group by 1 order by 1").fetchall())

    def stop(self) -> None:
        """SIGTERM to what was started, and wait until Postgres is gone too."""
        if self._postgres is not None:
            self._postgres.close()
            self._postgres = None
        for process in reversed(self._processes):
            _stop(process)
        self._processes.clear()
        deadline = time.monotonic() + STOP_SECONDS_MAX
        while left := mentioning(str(self.data)):
            if time.monotonic() > deadline:
                for pid in left:
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                return
            time.sleep(LOOK_EVERY_SECONDS)

    def _last_words(self) -> str:
        return self.log.read_text()[-20_000:] if self.log.exists() else ""


@contextmanager
def installation(folder: Path, **settings: str) -> Iterator[Installation]:
    """An empty installation under these settings and no others; every process of it ends with the block."""
    folder.mkdir(parents=True)
    # Python's own variables too: with PYTHONDONTWRITEBYTECODE every start would compile everything anew.
    own = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("REELKEEP_", "PYTHON")) and name != "DATABASE_URL"
    }
    made = Installation(folder, {**own, **settings})
    try:
        yield made
    finally:
        made.stop()


def make_administrator(server: Server) -> str:
    """Make the first administrator by the one-time link; a bearer token of theirs."""
    welcome = {
        **ADMINISTRATOR,
        "token": server.link_token,
        "organization_name": "Clinic",
        "name": "Ada Admin",
    }
    with httpx.Client(base_url=server.url, timeout=60) as client:
        client.post("/api/v1/auth/welcome", json=welcome).raise_for_status()
        answer = client.post("/api/v1/auth/login", json=ADMINISTRATOR).raise_for_status()
    token: str = answer.json()["access_token"]
    return token


def _prepare(*, lowest: bool) -> None:
    """In the child: end with us, even when we are killed (Linux)."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if lowest:  # runs only when nobody else wants the processor, and gives way at once; children inherit it
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


def _stop(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    if process.stdout:
        process.stdout.close()
