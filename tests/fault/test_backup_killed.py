"""Backups and restores that are killed at any moment: what is left is never taken for whole, and goes on."""

import asyncio
import hashlib
import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from sqlalchemy import text

from reelkeep.backups.layout import MANIFEST, POINTS, point_key
from reelkeep.backups.manifest import whole_backups
from reelkeep.db.restored import unfinished_restore
from reelkeep.errors import ErrorCode, ReelkeepError
from reelkeep.runtime import Runtime
from reelkeep.settings import Settings
from reelkeep.wiring import open_runtime
from tests.fixtures.backups import count_blobs, keep, place_of, played
from tests.fixtures.runtime import add_person, settings_for, url_of

BACKUP_KILLS, RESTORE_KILLS = 8, 8
SECONDS = 120


def command(data: Path, *arguments: str, **environment: str) -> list[Any]:
    """The arguments and environment of a `reelkeep` process."""
    whole = {**os.environ, "REELKEEP_ENGINE": "fake", "REELKEEP_DATA": str(data), **environment}
    return [[sys.executable, "-m", "reelkeep", *arguments], whole]


def run(data: Path, *arguments: str, kill_after: float | None = None, **environment: str) -> int:
    """Run it to its end, or kill it -9 on the way."""
    words, whole = command(data, *arguments, **environment)
    process = subprocess.Popen(words, env=whole, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        _, told = process.communicate(timeout=kill_after or SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return -9
    assert process.returncode == 0 or kill_after is not None, told
    return process.returncode


async def fill(runtime: Runtime) -> None:
    """So much that a dump and a restore take a while."""
    async with runtime.database.owner() as session:
        await session.execute(
            text(
                "insert into event (organization_id, id, kind, facts)"
                " select o.id, gen_random_uuid(), 'test', jsonb_build_object('n', md5(n::text))"
                " from organization o, generate_series(1, 60000) n"
            )
        )


async def every_listed_backup_is_whole(runtime: Runtime, safe: str) -> int:
    """Read every part of every backup that is listed; how many there are."""
    async with place_of(runtime, safe) as (place, keys):
        found = await whole_backups(place.store, keys)
        for manifest in found:
            for name, part in manifest.parts.items():
                digest = hashlib.sha256()
                async for piece in place.store.read(point_key(manifest.id, name)):
                    digest.update(piece)
                assert digest.hexdigest() == part.sha256
    return len(found)


async def test_killed_backups_are_never_listed_as_whole_and_killed_restores_go_on(
    runtime: Runtime, conninfo: str, tmp_path: Path
) -> None:
    person, safe = await add_person(runtime), str(tmp_path / "safe")
    kept = [await keep(runtime, person, processed=False) for _ in range(6)]
    await fill(runtime)
    data, url = runtime.settings.data, url_of(conninfo)
    began = time.monotonic()
    await asyncio.to_thread(run, data, "backup", "--to", safe, "--with-blobs", DATABASE_URL=url)
    takes = time.monotonic() - began
    killed = 0
    for _ in range(BACKUP_KILLS):
        after = random.uniform(0.3, 1.0) * takes
        ended = await asyncio.to_thread(
            run, data, "backup", "--to", safe, "--with-blobs", kill_after=after, DATABASE_URL=url
        )
        killed += ended == -9
        await every_listed_backup_is_whole(runtime, safe)
    assert killed > 0
    async with place_of(runtime, safe) as (place, _):
        keys = [facts.key async for facts in place.store.list_objects(POINTS)]
    print(
        f"{killed} of {BACKUP_KILLS} killed; {len(keys)} objects, "
        f"{sum(key.endswith(MANIFEST) for key in keys)} whole"
    )
    before = await every_listed_backup_is_whole(runtime, safe)
    await asyncio.to_thread(run, data, "backup", "--to", safe, "--with-blobs", DATABASE_URL=url)
    assert await every_listed_backup_is_whole(runtime, safe) == before + 1

    blobs = await count_blobs(runtime)
    other, key = tmp_path / "other", str(data / "backup.key")
    settings = settings_for(other, conninfo).model_copy(update={"database_url": None})
    stands: list[str] = []
    while len(stands) < RESTORE_KILLS and "usable" not in stands:
        after = 1.0 + random.uniform(0.0, 0.9) * takes
        await asyncio.to_thread(run, other, "restore", safe, kill_after=after, REELKEEP_BACKUP_KEY_FILE=key)
        stands.append(await standing(settings, blobs))
    if "usable" not in stands:
        await asyncio.to_thread(run, other, "restore", safe, REELKEEP_BACKUP_KEY_FILE=key)
    async with open_runtime(settings) as again:
        assert await count_blobs(again) == blobs
        for one in kept:
            assert await played(again, person, one.recording_id) == one.body
    print(f"after each restore: {stands}")


async def standing(settings: Settings, blobs: int) -> str:
    """What a killed restore left: an empty database, one that is refused until it has ended, or all of it."""
    async with open_runtime(settings, migrate_database=False) as there:
        async with there.database.owner() as session:
            if not await session.scalar(text("select to_regclass('public.recording') is not null")):
                return "empty"
        assert await count_blobs(there) == blobs
        whole = unfinished_restore(there.database.conninfo) is None
    try:
        async with open_runtime(settings):
            assert whole
            return "usable"
    except ReelkeepError as told:
        assert (told.code, whole) == (ErrorCode.RESTORE_REFUSED, False)
    return "refused"
