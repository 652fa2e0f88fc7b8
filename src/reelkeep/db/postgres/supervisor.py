"""The process that owns the server: `python -m reelkeep.db.postgres.supervisor DATA`.

It starts the server, says `ready` on its standard output, and stops the server when the last client is gone.
When it is killed itself, the kernel tells the server to stop; the next client starts both again.
"""

import argparse
import ctypes
import fcntl
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from threading import Thread

from reelkeep.db.postgres.binaries import Binaries, binaries_for, find_binaries
from reelkeep.db.postgres.cluster import (
    Cluster,
    ForeignServer,
    child_environment,
    is_ready,
    open_cluster,
    remove_stale_files,
    server_options,
    write_access_rules,
)
from reelkeep.db.postgres.failures import explain, tail_of
from reelkeep.db.postgres.locks import open_lock, wait_for_lock, wait_until_alone
from reelkeep.db.postgres.logfile import keep_log
from reelkeep.db.postgres.places import Places, give, make_run_folder, places_of, record_place
from reelkeep.db.postgres.users import ServerUser, own_name, server_user
from reelkeep.errors import ErrorCode, ReelkeepError

PREDECESSOR_SECONDS = 60
READY = "ready"
ON_PARENTS_DEATH = 1  # PR_SET_PDEATHSIG of prctl(2)


@dataclass(frozen=True)
class Server:
    """A running server and what is cleared away after it."""

    process: subprocess.Popen[bytes]
    run_folder: Path
    lock: int


def main() -> int:
    """Run until the last client is gone; exit status 1 when the server failed or died."""
    parser = argparse.ArgumentParser(prog="reelkeep.db.postgres.supervisor", description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--binaries", type=Path)
    parser.add_argument("--user", required=True)
    arguments = parser.parse_args()
    os.umask(0o077)
    try:
        places = places_of(arguments.data)
        server = _start(places, arguments.binaries, server_user(places.data_dir, arguments.user))
    except ReelkeepError as refused:
        print(refused.message, flush=True)
        return 1
    _report_ready()
    if server is None:
        return 0
    Thread(target=_stop_when_alone, args=(places, server.process), daemon=True).start()
    status = server.process.wait()
    shutil.rmtree(server.run_folder, ignore_errors=True)
    os.close(server.lock)  # held until here, so that no successor's folder is removed
    return status


def _start(places: Places, wanted: Path | None, user: ServerUser | None) -> "Server | None":
    """The started server; None when another supervisor's has become ready meanwhile."""
    binaries = binaries_for(user, find_binaries(wanted, next(iter(places.majors()), None)))
    lock = _take_server_lock(places)
    if lock is None:
        return None
    try:
        cluster = open_cluster(places, binaries, user)
        run_folder = make_run_folder(places, user)
        write_access_rules(run_folder, {own_name(), "root", *([user.name] if user else [])})
        remove_stale_files(cluster, run_folder)
        record_place(places, run_folder, os.fstat(cluster.descriptor))
        process = _launch(places, binaries, cluster, run_folder, lock)
    except subprocess.CalledProcessError as failed:
        raise _failure("Making the database failed.", places, failed.stderr) from failed
    except OSError as failed:
        raise _failure("Starting Postgres failed.", places, str(failed)) from failed
    except ForeignServer as foreign:
        raise ReelkeepError(
            f"Another Postgres ({foreign}) runs on {cluster.path}, started by somebody else. Stop it first.",
            ErrorCode.DATABASE_UNAVAILABLE,
        ) from foreign
    _wait_until_ready(places, cluster, process)
    return Server(process, run_folder, lock)


def _take_server_lock(places: Places) -> int | None:
    """Wait for the processes of a server before this one: they hold the lock until the last is gone.

    None when that server is not going but has come: a slow one, whose first client gave up.
    """
    lock = open_lock(places.server_lock)
    owner = places.folder.stat()
    give(places.server_lock, owner.st_uid, owner.st_gid)
    for _ in range(PREDECESSOR_SECONDS):
        if wait_for_lock(lock, fcntl.LOCK_EX, 1):
            return lock
        if any(is_ready(places.cluster(major)) for major in places.majors()):
            return None
    raise ReelkeepError(
        f"Another Postgres still uses {places.folder} and does not answer here. If it runs in another"
        " container, stop that one; if it is stopping, try again in a minute.",
        ErrorCode.DATABASE_UNAVAILABLE,
    )


def _launch(
    places: Places, binaries: Binaries, cluster: Cluster, run_folder: Path, lock: int
) -> subprocess.Popen[bytes]:
    # Started by the main thread: the signal on the parent's death goes by the thread that forked.
    server = subprocess.Popen(
        [binaries.folder / "postgres", "-D", cluster.argument, *server_options(binaries, run_folder)],
        **cluster.identity,
        pass_fds=[lock, cluster.descriptor],
        preexec_fn=stop_with_parent,  # noqa: PLW1509 no thread runs yet
        env=child_environment(),
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    signal.signal(signal.SIGTERM, lambda *_: server.send_signal(signal.SIGINT))
    Thread(target=keep_log, args=(server.stdout, places.log), daemon=True).start()
    return server


def stop_with_parent() -> None:
    """In a child before it begins: the kernel tells it to stop when its parent dies (Linux)."""
    ctypes.CDLL(None).prctl(ON_PARENTS_DEATH, signal.SIGINT)


def _wait_until_ready(places: Places, cluster: Cluster, server: subprocess.Popen[bytes]) -> None:
    """However long recovery takes; the client gives up by itself."""
    while not is_ready(cluster.path):
        try:
            server.wait(0.01)
        except subprocess.TimeoutExpired:
            continue
        raise _failure("Postgres did not start.", places, tail_of(places.log))


def _report_ready() -> None:
    print(READY, flush=True)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (sys.stdout.fileno(), sys.stderr.fileno()):
        os.dup2(nowhere, descriptor)


def _stop_when_alone(places: Places, server: subprocess.Popen[bytes]) -> None:
    wait_until_alone(open_lock(places.clients_lock))
    server.send_signal(signal.SIGINT)  # "fast": ends connections, writes a checkpoint


def _failure(what: str, places: Places, said: str) -> ReelkeepError:
    return ReelkeepError(explain(what, places.folder, said), ErrorCode.DATABASE_UNAVAILABLE)


if __name__ == "__main__":
    sys.exit(main())
