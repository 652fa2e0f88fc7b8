"""What a person should do when the server does not start, read from what it said."""

from pathlib import Path

SHOWN_LINES = 12
SHOWN_BYTES = 4000

# The first that is found in the log decides; the more special ones come first.
ADVICE = {
    "could not resize shared memory segment": "The machine's /dev/shm is too small: make it larger.",
    "could not create shared memory segment": "The machine has no shared memory left.",
    "No space left on device": "The disk is full: make room where {folder} lies, then start again.",
    "Disk quota exceeded": "The disk quota is used up: make room where {folder} lies, then start again.",
    "Read-only file system": "{folder} lies on a read-only file system: choose another data folder.",
    "database files are incompatible": "The data were made by another version of Postgres: install that one.",
    "could not look up effective user ID": "The user that runs the server has no name in /etc/passwd.",
    "invalid primary checkpoint record": "The data are damaged: restore a backup. Nothing was changed.",
    "could not locate a valid checkpoint record": "The data are damaged: restore a backup.",
    "has wrong ownership": "The files in {folder} belong to another user: give them back with chown.",
    "has group or world access": "Close the data to others: chmod -R go= {folder}/[0-9]*",
    "Permission denied": "A file below {folder} is closed to the user that runs the server.",
    "Cannot allocate memory": "The machine has too little free memory for the server (about 100 MB).",
}


def explain(what: str, folder: Path, said: str) -> str:
    """One message: what happened, what to do, and the last that the server said."""
    tail = "\n".join(said.strip().splitlines()[-SHOWN_LINES:])
    advice = next((text for sign, text in ADVICE.items() if sign in said), "See {folder}/postgres.log.")
    told = f" The last it said:\n{tail}" if tail else ""
    return f"{what} {advice.format(folder=folder)}{told}"


def tail_of(log: Path) -> str:
    """The end of the server's log; empty when there is none."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - SHOWN_BYTES))
            return file.read().decode(errors="replace")
    except OSError:
        return ""
