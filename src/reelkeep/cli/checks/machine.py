"""This machine: settings, data folder, free disk, the secret key."""

import os
import shutil
import stat
from pathlib import Path

from reelkeep.cli.checks.finding import Finding, State
from reelkeep.cli.output import size_text
from reelkeep.settings import Settings, env_file, unknown_variables
from reelkeep.wiring import SECRET_FILE

#: Less free disk than this is failing, less than the other is told.
FREE_BYTES_MIN = 500_000_000
FREE_BYTES_COMFORTABLE = 5_000_000_000


def settings_finding(_settings: Settings) -> Finding:
    """The settings are valid, or this would not run; names that mean nothing are told."""
    unknown = unknown_variables()
    source = f"the environment and {env_file()}" if env_file().is_file() else "the environment"
    if unknown:
        return Finding(
            "settings",
            State.WARNING,
            f"These variables look like settings and are none: {', '.join(unknown)}.",
            "Correct their names; docs/settings.md has all of them.",
        )
    return Finding("settings", State.OK, f"valid; read from {source}")


def folder_finding(settings: Settings) -> Finding:
    """The data folder is there, ours, and can be written to."""
    folder = settings.data
    if not folder.is_dir():
        return Finding(
            "data folder", State.FAILED, f"{folder} is not there.", "Start `reelkeep serve`, which makes it."
        )
    if not os.access(folder, os.W_OK | os.X_OK):
        return Finding(
            "data folder",
            State.FAILED,
            f"{folder} may not be written to by this user.",
            "Run Reelkeep as the user that owns the folder.",
        )
    if folder.stat().st_mode & stat.S_IWOTH:
        return Finding(
            "data folder", State.WARNING, f"Everybody may write to {folder}.", f"chmod o-w '{folder}'"
        )
    return Finding("data folder", State.OK, str(folder))


def disk_finding(settings: Settings) -> Finding:
    """There is room for uploads, the database and work in progress."""
    usage = shutil.disk_usage(settings.data)
    told = f"{size_text(usage.free)} of {size_text(usage.total)} are free"
    fix = f"Make room on the disk of {settings.data}, or choose another with --data."
    if usage.free < FREE_BYTES_MIN:
        return Finding("free disk", State.FAILED, f"Only {told}: uploads and the database will fail.", fix)
    if usage.free < FREE_BYTES_COMFORTABLE:
        return Finding("free disk", State.WARNING, f"{told}: a few long recordings fill it.", fix)
    return Finding("free disk", State.OK, told)


def secret_finding(settings: Settings) -> Finding:
    """The key that signs tokens and links is only ours to read."""
    if settings.secret_key:
        return Finding("secret key", State.OK, "from REELKEEP_SECRET_KEY")
    path: Path = settings.data / SECRET_FILE
    mode = path.stat().st_mode
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        return Finding(
            "secret key",
            State.FAILED,
            f"Others may read {path} and forge sign-ins.",
            f"chmod 600 '{path}'; if somebody may have read it, remove it: all must then sign in again.",
        )
    return Finding("secret key", State.OK, f"{path}, readable for its owner only")
