"""Where backups go: a configured store, or a folder that is one for the length of a command."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from reelkeep.errors import ErrorCode, Invalid, ReelkeepError
from reelkeep.runtime import OpenFolder, Stores
from reelkeep.settings import Settings
from reelkeep.stores.protocol import Store


@dataclass(frozen=True, slots=True)
class Place:
    """A store for backups, and how a person names it."""

    name: str
    store: Store


@asynccontextmanager
async def open_place(
    settings: Settings, stores: Stores, open_folder: OpenFolder, wanted: str | None = None
) -> AsyncIterator[Place]:
    """The place that was asked for, else the one of the settings; open until the block ends."""
    name = wanted or settings.backup_store
    if not name:
        raise ReelkeepError(
            "No place for backups is named: give --to with a store's name or a folder, or set "
            "REELKEEP_BACKUP_STORE.",
            ErrorCode.SETTINGS_INVALID,
        )
    if name in stores.by_name:
        yield Place(name, stores.by_name[name])
        return
    store = open_folder(folder_named(name, sorted(stores.by_name)))
    try:
        yield Place(str(folder_named(name, [])), store)
    finally:
        await store.close()


def folder_named(name: str, known_stores: list[str]) -> Path:
    """The folder that a person means; a bare word that is no folder is a store's name, written wrong."""
    path = Path(name).expanduser()
    if "/" not in name and not name.startswith(".") and not path.is_dir():
        raise Invalid(
            f"{name!r} is neither a store ({', '.join(known_stores)}) nor a folder here; write a folder "
            f"with a slash: ./{name}",
            field="store",
        )
    return path.absolute()
