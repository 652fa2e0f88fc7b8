"""Proves at the start that every machine sees the same folder behind a store that is said to be shared.

The first process to use such a store writes an identity into its folder and into the database. A process
that finds another one there, or none, looks at another folder: a mount that is missing, or another disk.
Recordings written there would be lost to everybody else, so it does not start.
"""

import asyncio
import json
import os
import secrets
from contextlib import suppress
from pathlib import Path
from uuid import UUID

from sqlalchemy import select, update

from reelkeep.blobs.models import StoreRow
from reelkeep.clock import new_id
from reelkeep.db.database import Database
from reelkeep.errors import ErrorCode, ReelkeepError
from reelkeep.stores.local_folder import make_folders, sync_folder

IDENTITY_FILE = "identity.json"


async def prove_identity(database: Database, store: str, folder: Path) -> None:
    """Compare the folder's identity with the noted one, or note it where this is the first process.

    Raises `SETTINGS_INVALID` where they differ. Needs the store's row.
    """
    noted = await _noted(database, store)
    found = await asyncio.to_thread(read_identity, store, folder)
    if found is None and noted is None:
        found = await asyncio.to_thread(write_identity, store, folder)
    if noted is None and found is not None:
        noted = await _note(database, store, found)
    if found != noted:
        raise _another_folder(store, folder, missing=found is None)


def read_identity(store: str, folder: Path) -> UUID | None:
    """The identity that lies in a folder, or None; blocks."""
    path = folder / IDENTITY_FILE
    try:
        return UUID(json.loads(path.read_text())["id"])
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ReelkeepError(
            f"The identity of the store {store!r} cannot be read from {path}: {error}. Mount the folder that "
            "the other machines see, or put the file back from one of them.",
            ErrorCode.SETTINGS_INVALID,
            store=store,
        ) from error


def write_identity(store: str, folder: Path) -> UUID:
    """Give a folder an identity, durably; of several at once one wins, and all get that one. Blocks."""
    path, fresh = folder / IDENTITY_FILE, folder / f".{IDENTITY_FILE}.{secrets.token_hex(8)}"
    try:
        make_folders(folder)
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(descriptor, "w") as file:
                json.dump({"store": store, "id": str(new_id())}, file)
                file.flush()
                os.fsync(file.fileno())
            with suppress(FileExistsError):
                os.link(fresh, path)
        finally:
            fresh.unlink()
        sync_folder(folder)
    except OSError as error:
        raise ReelkeepError(
            f"The folder {folder} of the store {store!r} cannot be used: {error.strerror}. Let the user that "
            "runs Reelkeep write there.",
            ErrorCode.SETTINGS_INVALID,
            store=store,
        ) from error
    written = read_identity(store, folder)
    assert written is not None
    return written


async def _noted(database: Database, store: str) -> UUID | None:
    async with database.directory() as session:
        noted: UUID | None = await session.scalar(select(StoreRow.identity).where(StoreRow.name == store))
    return noted


async def _note(database: Database, store: str, found: UUID) -> UUID | None:
    """Note an identity unless another process was first; the one that counts."""
    first = update(StoreRow).where(StoreRow.name == store, StoreRow.identity.is_(None))
    async with database.directory() as session:
        await session.execute(first.values(identity=found))
    return await _noted(database, store)


def _another_folder(store: str, folder: Path, *, missing: bool) -> ReelkeepError:
    what = "has no identity" if missing else "has the identity of another store"
    return ReelkeepError(
        f"{folder} is not the folder of the store {store!r} that other machines use: it {what}. Mount the "
        "shared folder there, correct its path, or, if each machine has its own, set shared = false.",
        ErrorCode.SETTINGS_INVALID,
        store=store,
        path=str(folder),
    )
