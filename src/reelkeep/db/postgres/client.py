"""How a process comes by the embedded server: `acquire`, use, `close`."""

import contextlib
import fcntl
import os
import select
import subprocess
import sys
import time
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Self
from urllib.parse import quote

import psycopg
from psycopg import pq, sql
from psycopg.conninfo import make_conninfo

from reelkeep.db.postgres.cluster import OWNER_ROLE
from reelkeep.db.postgres.locks import open_lock, wait_for_lock
from reelkeep.db.postgres.places import give, places_of, recorded_socket_folder
from reelkeep.db.postgres.supervisor import READY
from reelkeep.db.postgres.users import SYSTEM_USER
from reelkeep.errors import ErrorCode, ReelkeepError
from reelkeep.logs import get_logger

DATABASE = "reelkeep"
START_TIMEOUT_SECONDS = 60.0
ANSWER_TIMEOUT_SECONDS = 5
MESSAGE_BYTES = 65_536

log = get_logger(__name__)


def acquire(
    data_dir: Path,
    *,
    binaries: Path | None = None,
    system_user: str = SYSTEM_USER,
    start_timeout_seconds: float = START_TIMEOUT_SECONDS,
) -> "EmbeddedPostgres":
    """Use the server of this data folder, started when none runs; blocks, so call it in a thread.

    The server goes on while any process uses it and stops after the last has closed or died.
    `binaries` names the folder with `postgres`; `system_user` runs the server when we are root.
    Raises `ReelkeepError` (DATABASE_UNAVAILABLE, SETTINGS_INVALID) that says what to do.
    """
    server = EmbeddedPostgres(data_dir, binaries, system_user, start_timeout_seconds)
    try:
        server.ensure()
    except BaseException:
        server.close()
        raise
    return server


class EmbeddedPostgres:
    """The use of one embedded server by this process; made by `acquire`."""

    def __init__(
        self, data_dir: Path, binaries: Path | None, system_user: str, start_timeout_seconds: float
    ) -> None:
        self._places = places_of(data_dir)
        self._binaries = binaries
        self._system_user = system_user
        self._timeout = start_timeout_seconds
        self._one_at_a_time = Lock()
        self._use: int | None = None
        self._has_database = False
        self._supervisor: subprocess.Popen[bytes] | None = None

    @property
    def socket_folder(self) -> Path:
        """The folder of the server's socket."""
        folder = recorded_socket_folder(self._places)
        if folder is None:
            raise self._refusal("No server has been started on it yet, or its record was removed.")
        return folder

    @property
    def conninfo(self) -> str:
        """How libpq finds the database, as `key=value` words."""
        return self.conninfo_of(DATABASE)

    @property
    def url(self) -> str:
        """How libpq finds the database, as a URL."""
        host = quote(str(self.socket_folder), safe="")
        return f"postgresql://{OWNER_ROLE}@/{DATABASE}?host={host}&port=5432"

    def conninfo_of(self, database: str) -> str:
        """How libpq finds another database of the same server."""
        return make_conninfo(host=str(self.socket_folder), port=5432, user=OWNER_ROLE, dbname=database)

    def ensure(self) -> None:
        """Start the server again when it or its supervisor was killed; quick when all is well. Blocks."""
        with self._one_at_a_time:
            try:
                self._join()
                if not self._answers():
                    self._start()
                if not self._has_database:
                    _make_database(self.conninfo_of("postgres"), self.conninfo)
                    self._has_database = True
            except psycopg.Error as refused:
                raise self._refusal(str(refused).strip()) from refused
            except OSError as refused:
                raise self._refusal(
                    f"{refused.strerror}: {refused.filename}. Run as the user that owns the folder."
                ) from refused

    def close(self) -> None:
        """Stop using the server; it stops when nobody else uses it. A second call does nothing."""
        with self._one_at_a_time:
            if self._use is not None:
                os.close(self._use)
                self._use = None

    def wait_until_stopped(self, timeout_seconds: float = 30) -> bool:
        """After `close`: wait until every process of the server is gone; False when one still runs."""
        lock = open_lock(self._places.server_lock)
        try:
            stopped = wait_for_lock(lock, fcntl.LOCK_SH, timeout_seconds)
        finally:
            os.close(lock)
        if stopped and self._supervisor is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._supervisor.wait(timeout_seconds)
        return stopped

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _join(self) -> None:
        """Count as a client from now on; a supervisor that is just stopping is waited for."""
        if self._use is not None:
            return
        use = self._lock(self._places.clients_lock)
        if not wait_for_lock(use, fcntl.LOCK_SH, self._timeout):
            os.close(use)
            raise self._refusal("The server has been stopping for a long time; try again in a minute.")
        self._use = use

    def _lock(self, path: Path) -> int:
        descriptor = open_lock(path)
        owner = self._places.folder.stat()
        give(path, owner.st_uid, owner.st_gid)
        return descriptor

    def _start(self) -> None:
        start = self._lock(self._places.start_lock)
        try:
            if not wait_for_lock(start, fcntl.LOCK_EX, self._timeout):
                raise self._refusal("Another process has been starting the server for a long time.")
            deadline = time.monotonic() + self._timeout
            while not self._answers():
                self._supervisor = self._launch_supervisor()
                self._wait_for(self._supervisor, deadline)
        finally:
            os.close(start)

    def _launch_supervisor(self) -> subprocess.Popen[bytes]:
        module = [sys.executable, "-P", "-m", "reelkeep.db.postgres.supervisor"]
        given = ["--binaries", str(self._binaries)] if self._binaries else []
        return subprocess.Popen(
            [*module, "--user", self._system_user, *given, str(self._places.data_dir)],
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def _wait_for(self, supervisor: subprocess.Popen[bytes], deadline: float) -> None:
        """Until it says `ready`, or ends with its reason."""
        said = b""
        assert supervisor.stdout is not None
        with supervisor.stdout as report:
            while select.select([report], [], [], max(0, deadline - time.monotonic()))[0]:
                piece = os.read(report.fileno(), MESSAGE_BYTES)
                said += piece
                if said == f"{READY}\n".encode():
                    log.info("postgres started", folder=str(self._places.folder))
                    return
                if not piece:
                    raise self._refusal(said.decode(errors="replace").strip())
        raise self._refusal(
            f"It has not become ready within {self._timeout:.0f} s. It may still be recovering from a crash:"
            f" see {self._places.log}, and try again."
        )

    def _answers(self) -> bool:
        if recorded_socket_folder(self._places) is None:
            return False
        asked = make_conninfo(self.conninfo, connect_timeout=ANSWER_TIMEOUT_SECONDS)
        return pq.PGconn.ping(asked.encode()) == pq.Ping.OK

    def _refusal(self, reason: str) -> ReelkeepError:
        return ReelkeepError(
            f"The database in {self._places.folder} cannot be used. {reason}",
            ErrorCode.DATABASE_UNAVAILABLE,
            retry_after_seconds=5,
        )


def _make_database(administrative: str, wanted: str) -> None:
    try:
        psycopg.connect(wanted, connect_timeout=ANSWER_TIMEOUT_SECONDS).close()
    except psycopg.OperationalError:
        with psycopg.connect(administrative, autocommit=True) as connection:
            # Two clients at once: `create database` has no `if not exists`.
            connection.execute("select pg_advisory_lock(1)")
            there = connection.execute("select from pg_database where datname = %s", [DATABASE]).fetchone()
            if there is None:
                connection.execute(sql.SQL("create database {}").format(sql.Identifier(DATABASE)))
