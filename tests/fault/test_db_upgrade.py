"""The embedded Postgres moves to a new major version: whole, or not at all."""

import asyncio
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from reelkeep.db import migrate
from reelkeep.db.database import Database
from reelkeep.db.postgres.binaries import DEBIAN, every_binaries
from reelkeep.db.postgres.client import acquire
from reelkeep.db.postgres.places import Places
from reelkeep.db.postgres.upgrade import remove_old_clusters, upgrade_cluster
from reelkeep.errors import ErrorCode, ReelkeepError

SYSTEM_USER = "reelkeep-pg"
KILLS = 6
SECONDS = 60
ROWS = """
insert into organization (id, name) values ('01a00000-0000-7000-8000-000000000001', 'Test clinic');
insert into event (organization_id, id, kind, facts)
 select '01a00000-0000-7000-8000-000000000001', gen_random_uuid(), 'test',
        jsonb_build_object('n', md5(n::text))
   from generate_series(1, 30000) n
"""


@pytest.fixture
def older() -> Path:
    """Debian's binaries, of an older major version than the wheel's."""
    found = [b.folder for b in every_binaries() if b.folder.is_relative_to(DEBIAN) and b.major < 18]
    assert found, "install Debian's postgresql-15"
    return found[0]


@pytest.fixture
def data(tmp_path: Path, older: Path) -> Iterator[Path]:
    """A data folder whose database an older Postgres made, with every table and some rows."""
    folder = tmp_path / "data"
    with acquire(folder, binaries=older) as server:
        migrate.upgrade(server.conninfo)
        with psycopg.connect(server.conninfo) as connection:
            connection.execute(ROWS)
    assert server.wait_until_stopped()
    yield folder


def events_in(folder: Path, binaries: Path | None = None) -> tuple[int, str]:
    """How many events there are, and the server's version."""
    with acquire(folder, binaries=binaries) as server, psycopg.connect(server.conninfo) as connection:
        row = connection.execute("select count(*), current_setting('server_version') from event").fetchone()
    assert row is not None and server.wait_until_stopped()
    return row


async def upgrade(folder: Path, wanted: Path | None = None, old: Path | None = None):
    return await upgrade_cluster(folder, wanted, old, SYSTEM_USER)


async def test_every_row_moves_and_the_old_data_stay_until_they_are_removed(data: Path) -> None:
    done = await upgrade(data)
    assert done is not None and (done.before, done.after) == (15, 18)
    count, version = await asyncio.to_thread(events_in, data)
    assert (count, version.split(".")[0]) == (30_000, "18")
    assert Places(data).majors() == [18, 15]
    assert await upgrade(data) is None
    assert remove_old_clusters(data) == [Places(data.resolve()).cluster(15)]
    assert (await asyncio.to_thread(events_in, data))[0] == 30_000


async def test_the_upgraded_database_works_as_before(data: Path) -> None:
    await upgrade(data)
    with acquire(data) as server:
        migrate.upgrade(server.conninfo)
        assert migrate.is_current(server.conninfo)
        database = Database(server)
        async with database.directory() as session:  # roles, grants and the search path are there
            await session.connection()
        await database.close()
        with psycopg.connect(server.conninfo) as connection:
            assert connection.execute("show search_path").fetchone() == ("public, jobs",)
            connection.execute(ROWS.partition(";")[2].replace("30000", "1"))
            assert connection.execute("select max(epoch) from event").fetchone() == (2,)
    assert server.wait_until_stopped()


async def test_while_somebody_uses_the_database_nothing_is_begun(data: Path, older: Path) -> None:
    with acquire(data, binaries=older) as server:
        with pytest.raises(ReelkeepError) as told:
            await upgrade(data)
        assert told.value.code == ErrorCode.DATABASE_UNAVAILABLE
        assert Places(data).majors() == [15]
        server.ensure()
    assert server.wait_until_stopped()


async def test_without_the_old_binaries_it_says_which_are_needed(data: Path) -> None:
    places = Places(data)
    places.cluster(15).rename(places.cluster(14))
    (places.cluster(14) / "PG_VERSION").write_text("14\n")
    with pytest.raises(ReelkeepError, match="postgresql-14"):
        await upgrade(data)


def test_killed_at_any_moment_the_old_data_are_used_or_the_new_ones_are_whole(
    data: Path, older: Path
) -> None:
    words = [sys.executable, "-m", "reelkeep", "db", "upgrade", "--data", str(data)]
    began = time.monotonic()
    seen = []
    for number in range(1, KILLS + 1):
        process = subprocess.Popen(words, env=os.environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        try:
            process.communicate(timeout=random.uniform(0.6, 1.6) * number)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
        majors = Places(data).majors()
        seen.append(majors)
        count, version = events_in(data, older if majors == [15] else None)
        assert (count, int(version.split(".")[0])) == (30_000, majors[0])
    done = subprocess.run(words, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, done.stderr
    assert events_in(data)[1].startswith("18")
    print(f"after each kill: {seen}; {time.monotonic() - began:.0f} s")
