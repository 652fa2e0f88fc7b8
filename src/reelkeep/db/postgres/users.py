"""Which system user the server runs as; Postgres refuses to run as root."""

import os
import pwd
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from reelkeep.errors import ErrorCode, ReelkeepError

SYSTEM_USER = "reelkeep-pg"
USERADD_OPTIONS = (
    *("--system", "--user-group", "--no-create-home"),
    *("--home-dir", "/nonexistent", "--shell", "/usr/sbin/nologin"),
)
ALREADY_EXISTS = 9  # useradd's exit code; another process was first


class ChildIdentity(TypedDict):
    """Arguments of `subprocess.Popen` that give a child another identity and no other groups."""

    user: int | None
    group: int | None
    extra_groups: list[int] | None


@dataclass(frozen=True)
class ServerUser:
    """A system user other than ourselves that runs the server."""

    name: str
    uid: int
    gid: int


def child_identity(user: ServerUser | None) -> ChildIdentity:
    """What makes a child process run as `user`; as ourselves for None."""
    if user is None:
        return {"user": None, "group": None, "extra_groups": None}
    return {"user": user.uid, "group": user.gid, "extra_groups": []}


def server_user(data_dir: Path, wanted: str = SYSTEM_USER) -> ServerUser | None:
    """Who runs the server of `data_dir`: None for ourselves, when we are not root.

    As root it is the owner of the folder when that is an ordinary user, so that the owner can go on alone
    later; else the system user `wanted`, which is made when it is missing.
    """
    if os.geteuid() != 0:
        return None
    owner = data_dir.stat().st_uid
    return _from_passwd(_owner_name(data_dir, owner) if owner else _existing_or_new(wanted))


def own_name() -> str:
    """The name of the user we run as; peer authentication goes by names."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        raise ReelkeepError(
            f"The user id {os.geteuid()} has no name in /etc/passwd, and Postgres needs one to know who"
            " connects. Run Reelkeep as a named user, or set DATABASE_URL to a Postgres that runs elsewhere.",
            ErrorCode.DATABASE_UNAVAILABLE,
        ) from None


def _owner_name(data_dir: Path, uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        raise ReelkeepError(
            f"{data_dir} belongs to the user id {uid}, which has no name on this machine, and Postgres cannot"
            f" run as that. Give the folder to root (chown root {data_dir}) or to a named user.",
            ErrorCode.DATABASE_UNAVAILABLE,
        ) from None


def _existing_or_new(name: str) -> str:
    try:
        pwd.getpwnam(name)
    except KeyError:
        _make(name)
    return name


def _make(name: str) -> None:
    useradd = shutil.which("useradd", path="/usr/sbin:/sbin:/usr/bin:/bin")
    advice = (
        "Run Reelkeep as an ordinary user, or make the user by hand and start again:"
        f" useradd --system --user-group --no-create-home --shell /usr/sbin/nologin {name}"
    )
    if useradd is None:
        raise ReelkeepError(
            f"Postgres refuses to run as root, the system user {name} does not exist, and this machine has"
            f" no useradd to make it with. {advice}",
            ErrorCode.DATABASE_UNAVAILABLE,
        )
    made = subprocess.run(
        [useradd, *USERADD_OPTIONS, name],
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode not in (0, ALREADY_EXISTS):
        raise ReelkeepError(
            f"Postgres refuses to run as root, and making the system user {name} failed:"
            f" {made.stderr.strip()} {advice}",
            ErrorCode.DATABASE_UNAVAILABLE,
        )


def _from_passwd(name: str) -> ServerUser:
    entry = pwd.getpwnam(name)
    return ServerUser(entry.pw_name, entry.pw_uid, entry.pw_gid)
