"""The data of one server: made whole or not at all, cleaned of what a killed server left behind."""

import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from reelkeep.db.postgres.binaries import Binaries
from reelkeep.db.postgres.places import SOCKET, Places, give
from reelkeep.db.postgres.users import ChildIdentity, ServerUser, child_identity

OWNER_ROLE = "reelkeep"
OPENABLE = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# The server reads nothing else of our environment: PGPORT or PGDATA must not lead it astray.
PASSED_ON = ("LD_LIBRARY_PATH", "TZ")
FIRST_WITH_BUILTIN_LOCALE = 17
FIRST_WITH_IO_METHOD = 18


class ForeignServer(Exception):
    """A server that Reelkeep did not start runs on the data folder."""


@dataclass(frozen=True)
class Cluster:
    """An open data folder and who may run a server on it."""

    path: Path
    descriptor: int
    user: ServerUser | None

    @property
    def argument(self) -> str:
        """How a child names the folder: by its path, or by the inherited descriptor.

        Another user may be unable to enter the folders above, such as root's home; a descriptor leads
        past them without a change to their modes.
        """
        return f"/proc/self/fd/{self.descriptor}" if self.user else str(self.path)

    @property
    def identity(self) -> ChildIdentity:
        """Arguments of `Popen` that make a child run as the server's user."""
        return child_identity(self.user)


def open_cluster(places: Places, binaries: Binaries, user: ServerUser | None) -> Cluster:
    """Open the data folder of this version, made by `initdb` when there is none."""
    path = places.cluster(binaries.major)
    if not (path / "PG_VERSION").exists():
        _make(places, path, binaries, user)
    cluster = open_folder(path, user)
    if user and os.fstat(cluster.descriptor).st_uid != user.uid:
        _give_all(cluster.descriptor, user)  # the user has another number on this machine
    return cluster


def child_environment() -> dict[str, str]:
    """The environment of the server and its tools."""
    passed = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    return {"PATH": "/usr/bin:/bin", "LC_ALL": "C", **passed}


def write_access_rules(run_folder: Path, names: set[str]) -> None:
    """Let exactly these system users in, by the socket, as the owner of the database."""
    for name, lines in {
        "pg_hba.conf": ["local all all peer map=reelkeep"],
        "pg_ident.conf": [f'reelkeep "{user}" {OWNER_ROLE}' for user in sorted(names)],
    }.items():
        (run_folder / name).write_text("\n".join(lines) + "\n")
        (run_folder / name).chmod(0o644)


def remove_stale_files(cluster: Cluster, run_folder: Path) -> None:
    """Remove what a killed server left; the caller holds the server's lock, so none of ours runs.

    Postgres would believe the process id in these files as soon as any live or dead process bears it.
    Raises `ForeignServer` when a server that somebody started by hand runs there.
    """
    try:
        with open("postmaster.pid", opener=_inside(cluster)) as file:
            pid = int(file.readline())
        if _works_in(pid, cluster.descriptor):
            raise ForeignServer(f"process {pid}")
        os.unlink("postmaster.pid", dir_fd=cluster.descriptor)
    except (FileNotFoundError, ValueError):
        pass
    for name in (SOCKET, f"{SOCKET}.lock"):
        (run_folder / "socket" / name).unlink(missing_ok=True)


def is_ready(cluster: Path) -> bool:
    """Whether its server takes connections; the eighth line of `postmaster.pid` says so."""
    try:
        return (cluster / "postmaster.pid").read_text().splitlines()[7].strip() == "ready"
    except (FileNotFoundError, IndexError):
        return False


def server_options(binaries: Binaries, run_folder: Path) -> list[str]:
    """Settings for a small machine: little memory, few connections, nothing less durable."""
    settings = {
        "listen_addresses": "",
        "port": "5432",
        "unix_socket_directories": f'"{run_folder / "socket"}"',
        "unix_socket_permissions": "0700",
        "hba_file": run_folder / "pg_hba.conf",
        "ident_file": run_folder / "pg_ident.conf",
        "max_connections": 60,
        "shared_buffers": "64MB",
        "maintenance_work_mem": "32MB",
        "max_wal_size": "512MB",
        "fsync": "on",
        "jit": "off",
        # Parallel queries take shared memory from /dev/shm, of which a container has 64 MB.
        "max_parallel_workers_per_gather": 0,
        "huge_pages": "off",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "log_line_prefix": "%m [%p] %q%a ",
        "logging_collector": "off",
        "cluster_name": "reelkeep",
    }
    if binaries.major >= FIRST_WITH_IO_METHOD:
        settings["io_method"] = "sync"  # spares three worker processes
    return [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]


def _make(places: Places, path: Path, binaries: Binaries, user: ServerUser | None) -> None:
    """Run `initdb` beside and rename, so that a kill half-way leaves nothing that looks like data."""
    half = places.folder / f"new-{binaries.major}"
    if half.exists():
        shutil.rmtree(half)
    make_cluster(half, binaries, user)
    half.rename(path)


def make_cluster(half: Path, binaries: Binaries, user: ServerUser | None) -> None:
    """Make new data in this folder, which is not there yet; killed half-way, they are of no use."""
    half.mkdir(mode=0o700)
    if user:
        give(half, user.uid, user.gid)
    cluster = open_folder(half, user)
    try:
        subprocess.run(
            [binaries.folder / "initdb", "-D", cluster.argument, *_initdb_options(binaries)],
            **cluster.identity,
            pass_fds=[cluster.descriptor],
            env=child_environment(),
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=True,
        )
    finally:
        os.close(cluster.descriptor)


def _initdb_options(binaries: Binaries) -> list[str]:
    builtin = ["--locale-provider=builtin", "--locale=C", "--builtin-locale=C.UTF-8"]
    locale = builtin if binaries.major >= FIRST_WITH_BUILTIN_LOCALE else ["--locale=C.UTF-8"]
    return [
        f"--username={OWNER_ROLE}",
        "--encoding=UTF8",
        *locale,
        "--lc-messages=C",
        "--data-checksums",
        "--auth-local=peer",
        "--auth-host=reject",
        "--no-instructions",
    ]


def open_folder(path: Path, user: ServerUser | None) -> Cluster:
    """The data in this folder, as they are."""
    return Cluster(path, os.open(path, OPENABLE), user)


def _inside(cluster: Cluster) -> Callable[[str, int], int]:
    return lambda name, flags: os.open(name, flags | os.O_NOFOLLOW, dir_fd=cluster.descriptor)


def _works_in(pid: int, descriptor: int) -> bool:
    """Whether this process is alive, not a zombie, and has the folder as its working directory."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        there = Path(f"/proc/{pid}/cwd").stat()
    except OSError:
        return False
    here = os.fstat(descriptor)
    return state not in "ZX" and (there.st_dev, there.st_ino) == (here.st_dev, here.st_ino)


def _give_all(descriptor: int, user: ServerUser) -> None:
    os.chown(descriptor, user.uid, user.gid)
    for _, folders, files, inside in os.fwalk(".", dir_fd=descriptor):
        for name in folders + files:
            os.chown(name, user.uid, user.gid, dir_fd=inside, follow_symlinks=False)
