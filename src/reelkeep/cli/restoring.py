"""Restore an installation from its backups, step by step, each of which may be begun again."""

import asyncio
from uuid import UUID

from reelkeep.backups.backup_key import load_keys
from reelkeep.backups.places import open_place
from reelkeep.backups.restore import (
    Restored,
    choose_backup,
    finish,
    put_secret,
    read_installation,
    restore_database,
)
from reelkeep.errors import Invalid
from reelkeep.runtime import Secrets
from reelkeep.settings import Settings
from reelkeep.wiring import SECRET_FILE, build_stores, database_of, open_folder, open_runtime


async def restore_installation(
    settings: Settings, wanted: str, backup_id: UUID | None, lost_stores: frozenset[str]
) -> Restored:
    """Put a backup back into an empty database and an empty data folder, or go on with one that broke off."""
    keys = await asyncio.to_thread(load_keys, settings)
    stores = build_stores(settings, Secrets(b""))  # only to read from: nothing is signed with this
    unknown = lost_stores - set(stores.by_name)
    if unknown:
        raise Invalid(
            f"There is no store {', '.join(sorted(unknown))}; they are: {', '.join(stores.by_name)}."
        )
    try:
        async with open_place(settings, stores, open_folder, wanted) as place:
            source = await choose_backup(place, keys, backup_id)
            installation = await read_installation(source)
            async with database_of(settings) as conninfo:
                await restore_database(conninfo, source, settings.postgres_bin)
            if settings.secret_key is None:
                await asyncio.to_thread(put_secret, settings.data / SECRET_FILE, installation["secret"])
            backup = str(source.manifest.id)
            async with open_runtime(settings, application_name="reelkeep-cli", restoring=backup) as runtime:
                return await finish(runtime, source, lost_stores)
    finally:
        for store in stores.by_name.values():
            await store.close()
