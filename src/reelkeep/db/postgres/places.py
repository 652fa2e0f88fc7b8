"""The folders of one embedded server: its data, its locks, its log, its socket.

    DIR/pg/18            the data, 0700, of the user that runs the server
    DIR/pg/*.lock        who uses the server, who starts it, whether one runs
    DIR/pg/place         where the socket is now, and of which data folder it is
    DIR/pg/postgres.log  what the server says

The socket lies in `DIR/pg/run`, which everybody finds who finds the data. It lies elsewhere when that path
is too long for a socket or the file system has none, and as root, whose folders the server's user may be
unable to enter: then under /run or, failing that, in a folder of ours in the temporary folder.
XDG_RUNTIME_DIR is left alone: it is emptied when its user signs out, under the feet of a running server.
"""

import hashlib
import os
import socket
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

from reelkeep.db.postgres.users import ServerUser
from reelkeep.errors import ErrorCode, ReelkeepError

SOCKET = ".s.PGSQL.5432"
SOCKET_BYTES_MAX = 107  # sizeof(sockaddr_un.sun_path) - 1 on Linux


@dataclass(frozen=True)
class Places:
    """The paths of the server whose data lie in `data_dir`."""

    data_dir: Path

    @property
    def folder(self) -> Path:
        """Everything of the server's that outlives it."""
        return self.data_dir / "pg"

    @property
    def clients_lock(self) -> Path:
        """Held shared by every client; the supervisor waits for it alone."""
        return self.folder / "clients.lock"

    @property
    def start_lock(self) -> Path:
        """Held by the one client that is starting a server."""
        return self.folder / "start.lock"

    @property
    def server_lock(self) -> Path:
        """Inherited by every process of the server, so it is free only when all of them are gone."""
        return self.folder / "server.lock"

    @property
    def log(self) -> Path:
        """What the server says, at most two files of some MB."""
        return self.folder / "postgres.log"

    @property
    def place(self) -> Path:
        """The record of where the socket is."""
        return self.folder / "place"

    def cluster(self, major: int) -> Path:
        """The data of one major version of Postgres."""
        return self.folder / str(major)

    def majors(self) -> list[int]:
        """The major versions that have data here, newest first."""
        found = [int(entry.parent.name) for entry in self.folder.glob("[0-9]*/PG_VERSION")]
        return sorted(found, reverse=True)


def places_of(data_dir: Path) -> Places:
    """The places of `data_dir`; the folder and `pg` in it are made when they are missing."""
    try:
        data_dir.mkdir(mode=0o711 if os.geteuid() == 0 else 0o700, parents=True, exist_ok=True)
        places = Places(data_dir.resolve())
        owner = places.data_dir.stat()
        if not places.folder.is_dir():
            places.folder.mkdir(mode=0o711 if owner.st_uid == 0 else 0o700, exist_ok=True)
            give(places.folder, owner.st_uid, owner.st_gid)
    except OSError as refused:
        raise ReelkeepError(
            f"The data folder {data_dir} cannot be used: {refused.strerror} ({refused.filename})."
            " Choose another, or make it writable for the user that runs Reelkeep.",
            ErrorCode.DATABASE_UNAVAILABLE,
        ) from refused
    return places


def give(path: Path, uid: int, gid: int) -> None:
    """Hand `path` to its owner, when we are root and it is not theirs yet."""
    now = path.lstat()
    if os.geteuid() == 0 and (now.st_uid, now.st_gid) != (uid, gid):
        os.chown(path, uid, gid, follow_symlinks=False)


def make_run_folder(places: Places, user: ServerUser | None) -> Path:
    """A folder of ours for the server's access rules, with `socket`, closed to others, inside."""
    beside = places.folder / "run"
    if user is None and _socket_fits(beside):
        beside.mkdir(mode=0o700, exist_ok=True)
        if _can_hold_sockets(beside):
            return _with_socket_folder(beside, user)
    return _with_socket_folder(_private_folder(places), user)


def record_place(places: Places, run_folder: Path, cluster: os.stat_result) -> None:
    """Say where the socket is and of which data, so that a copy of the data never leads to the original."""
    text = f"{cluster.st_dev}:{cluster.st_ino}\n{run_folder / 'socket'}\n"
    half = places.place.with_suffix(".new")
    half.unlink(missing_ok=True)
    descriptor = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "w") as file:  # noqa: PTH123 a descriptor, so that no link is followed
        file.write(text)
    owner = places.folder.stat()
    give(half, owner.st_uid, owner.st_gid)
    half.replace(places.place)


def recorded_socket_folder(places: Places) -> Path | None:
    """Where the last server put its socket; None when no server of this very data folder did."""
    try:
        identity, folder = places.place.read_text().splitlines()
        clusters = [places.cluster(major).stat() for major in places.majors()]
    except (OSError, ValueError):
        return None
    if identity not in {f"{found.st_dev}:{found.st_ino}" for found in clusters}:
        return None
    return Path(folder)


def _with_socket_folder(folder: Path, user: ServerUser | None) -> Path:
    sockets = folder / "socket"
    sockets.mkdir(mode=0o700, exist_ok=True)
    if not stat.S_ISDIR(sockets.lstat().st_mode):
        raise _not_private(sockets)
    sockets.chmod(0o700)
    if user:
        give(sockets, user.uid, user.gid)
    return folder


def _private_folder(places: Places) -> Path:
    name = hashlib.sha256(os.fsencode(places.data_dir)).hexdigest()[:12]
    if os.geteuid() == 0:
        base = Path("/run") if os.access("/run", os.W_OK) else Path(tempfile.gettempdir())
        folder = _owned_folder(base / f"reelkeep-{name}", 0o711)
    else:
        ours = _owned_folder(Path(tempfile.gettempdir()) / f"reelkeep-{os.geteuid()}", 0o700)
        folder = _owned_folder(ours / name, 0o700)
    if not _socket_fits(folder):
        raise ReelkeepError(
            f"The path {folder} is too long for a socket (at most {SOCKET_BYTES_MAX} bytes with the name)."
            " Set TMPDIR to a shorter folder, or choose a data folder with a shorter path.",
            ErrorCode.DATABASE_UNAVAILABLE,
        )
    return folder


def _owned_folder(folder: Path, mode: int) -> Path:
    folder.mkdir(mode=mode, exist_ok=True)
    found = folder.lstat()
    # In a folder that everybody may write, somebody else's folder of this name could be a trap.
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
        raise _not_private(folder)
    folder.chmod(mode)
    return folder


def _not_private(folder: Path) -> ReelkeepError:
    return ReelkeepError(
        f"{folder} exists and is not a private folder of this user, so no socket is put there."
        " Remove it, or set TMPDIR to a folder of your own.",
        ErrorCode.DATABASE_UNAVAILABLE,
    )


def _socket_fits(folder: Path) -> bool:
    return len(os.fsencode(folder / "socket" / SOCKET)) <= SOCKET_BYTES_MAX


def _can_hold_sockets(folder: Path) -> bool:
    attempt = folder / f"try-{os.getpid()}"
    with socket.socket(socket.AF_UNIX) as listener:
        try:
            listener.bind(str(attempt))
        except OSError:
            return False
        finally:
            attempt.unlink(missing_ok=True)
    return True
