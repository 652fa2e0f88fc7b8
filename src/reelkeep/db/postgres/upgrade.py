"""Move the data of the embedded server to a newer major version of Postgres, by dump and restore.

    DIR/pg/15           the old data, untouched
    DIR/pg/upgrade-18   the new data while they are made; after a kill the next try begins anew
    DIR/pg/18           the new data, renamed into place when all was counted: now they are used

Both servers run in private run folders, and the locks of clients and server are held all the while, so that
nobody writes into the old data and no supervisor starts.
"""

import asyncio
import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from reelkeep.db.dump import dump, restore_dump
from reelkeep.db.postgres.binaries import Binaries, binaries_for, every_binaries, find_binaries
from reelkeep.db.postgres.client import DATABASE
from reelkeep.db.postgres.cluster import (
    OWNER_ROLE,
    Cluster,
    child_environment,
    is_ready,
    make_cluster,
    open_folder,
    remove_stale_files,
    server_options,
    write_access_rules,
)
from reelkeep.db.postgres.locks import open_lock, wait_for_lock
from reelkeep.db.postgres.places import Places, give, places_of
from reelkeep.db.postgres.supervisor import stop_with_parent
from reelkeep.db.postgres.tools import find_tools
from reelkeep.db.postgres.users import ServerUser, own_name, server_user
from reelkeep.db.restored import prepare_roles, settling_sql
from reelkeep.errors import Conflict, ErrorCode, ReelkeepError
from reelkeep.logs import get_logger

LOCK_SECONDS = 10.0
START_SECONDS = 60.0
STOP_SECONDS = 60.0
TABLES = """
select n.nspname, c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p') and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
  and c.relname <> 'procrastinate_workers' order by 1, 2
"""

log = get_logger(__name__)


@dataclass(frozen=True)
class Upgraded:
    """What an upgrade did."""

    before: int
    after: int
    tables: int
    rows: int
    #: The old data, which stay.
    old: Path


async def upgrade_cluster(
    data_dir: Path, wanted: Path | None, old_binaries: Path | None, system_user: str
) -> Upgraded | None:
    """Move to the version of the binaries in `wanted`, else of Reelkeep's own; None where it is that already.

    Raises `DATABASE_UNAVAILABLE` while any process uses the database, and `SETTINGS_INVALID` when the old
    version's binaries are not found. Whatever it raises, the old data are as they were.
    """
    places = places_of(data_dir)
    majors = places.majors()
    new = await asyncio.to_thread(_newest, wanted)
    if not majors or majors[0] >= new.major:
        return None
    old = await asyncio.to_thread(_old_binaries, old_binaries, majors[0])
    user = server_user(places.data_dir, system_user)
    with _alone(places) as lock:
        half = places.folder / f"upgrade-{new.major}"
        await asyncio.to_thread(_begin_anew, half, binaries_for(user, new), user)
        async with (
            _running(places, places.cluster(majors[0]), binaries_for(user, old), user, lock) as source,
            _running(places, half, binaries_for(user, new), user, lock) as target,
        ):
            counts = await _move(source, target, new)
        _settle(half, places.cluster(new.major))
    log.info("database upgraded", before=majors[0], after=new.major)
    return Upgraded(majors[0], new.major, len(counts), sum(counts.values()), places.cluster(majors[0]))


def remove_old_clusters(data_dir: Path) -> list[Path]:
    """Remove the data of all versions but the newest; which. Blocks. Nobody uses them any more."""
    places = places_of(data_dir)
    old = [places.cluster(major) for major in places.majors()[1:]]
    for folder in old:
        shutil.rmtree(folder)
    return old


def _newest(wanted: Path | None) -> Binaries:
    """The wheel's, or the setting's: those that a new folder would get."""
    return find_binaries(wanted)


def _old_binaries(named: Path | None, major: int) -> Binaries:
    for binaries in every_binaries(named):
        if binaries.major == major:
            return binaries
    raise ReelkeepError(
        f"The data are of Postgres {major}, and its `postgres` is needed once more to read them. Install it "
        f"(postgresql-{major}), or name its folder with --old-binaries.",
        ErrorCode.SETTINGS_INVALID,
    )


@contextmanager
def _alone(places: Places) -> Iterator[int]:
    """No client uses the database and no server runs, until the block ends; the lock that servers hold."""
    locks = []
    try:
        for path in (places.clients_lock, places.start_lock, places.server_lock):
            lock = open_lock(path)
            locks.append(lock)
            owner = places.folder.stat()
            give(path, owner.st_uid, owner.st_gid)
            if not wait_for_lock(lock, fcntl.LOCK_EX, LOCK_SECONDS):
                raise Conflict(
                    f"The database in {places.folder} is in use. Stop `reelkeep serve` and every worker, "
                    "then run this again.",
                    ErrorCode.DATABASE_UNAVAILABLE,
                )
        yield locks[-1]
    finally:
        for lock in locks:
            os.close(lock)


def _begin_anew(half: Path, binaries: Binaries, user: ServerUser | None) -> None:
    if half.exists():
        shutil.rmtree(half)
    make_cluster(half, binaries, user)


@asynccontextmanager
async def _running(
    places: Places, folder: Path, binaries: Binaries, user: ServerUser | None, lock: int
) -> AsyncIterator[str]:
    """A server on this data that only we can reach; stopped in order when the block ends."""
    cluster = open_folder(folder, user)
    run_folder = await asyncio.to_thread(_make_run_folder, user)
    sockets = run_folder / "socket"
    try:
        remove_stale_files(cluster, run_folder)
        process = _launch(places, cluster, binaries, run_folder, lock)
        try:
            await _until_ready(process, folder, places)
            yield make_conninfo(host=str(sockets), port=5432, user=OWNER_ROLE, dbname=DATABASE)
        finally:
            process.terminate()  # waits until we have left
            await asyncio.to_thread(process.wait, STOP_SECONDS)
    finally:
        os.close(cluster.descriptor)
        shutil.rmtree(run_folder, ignore_errors=True)


def _make_run_folder(user: ServerUser | None) -> Path:
    """A folder for socket and access rules that nobody else knows."""
    run_folder = Path(tempfile.mkdtemp(prefix="reelkeep-upgrade-"))
    run_folder.chmod(0o711)
    sockets = run_folder / "socket"
    sockets.mkdir(mode=0o700)
    if user:
        give(sockets, user.uid, user.gid)
    write_access_rules(run_folder, {own_name(), "root", *([user.name] if user else [])})
    return run_folder


def _launch(
    places: Places, cluster: Cluster, binaries: Binaries, run_folder: Path, lock: int
) -> subprocess.Popen[bytes]:
    """Its processes inherit the server's lock, and it stops when we die: no try meets what another left."""
    with places.log.open("ab") as said:
        return subprocess.Popen(
            [binaries.folder / "postgres", "-D", cluster.argument, *server_options(binaries, run_folder)],
            **cluster.identity,
            pass_fds=[cluster.descriptor, lock],
            preexec_fn=stop_with_parent,  # noqa: PLW1509 no other thread forks
            env=child_environment(),
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
        )


async def _until_ready(process: subprocess.Popen[bytes], folder: Path, places: Places) -> None:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + START_SECONDS
    while not is_ready(folder):
        if process.poll() is not None or loop.time() > deadline:
            raise ReelkeepError(
                f"Postgres did not start on {folder}; see {places.log}. The old data are untouched.",
                ErrorCode.DATABASE_UNAVAILABLE,
            )
        await asyncio.sleep(0.05)


async def _move(source: str, target: str, new: Binaries) -> dict[str, int]:
    """Dump, restore, and count both; the rows of each table."""
    tools = await asyncio.to_thread(find_tools, new.major, new.folder)
    await asyncio.to_thread(_make_database, target)
    await asyncio.to_thread(prepare_roles, target)
    await restore_dump(target, tools, dump(source, tools), settling_sql())
    before, after = await asyncio.to_thread(_count, source), await asyncio.to_thread(_count, target)
    if before != after:
        wrong = [table for table in before if before[table] != after.get(table)]
        raise ReelkeepError(
            f"The new database has other rows than the old one in {', '.join(wrong)}; the old stays in use.",
            ErrorCode.RESTORE_FAILED,
        )
    return after


def _make_database(conninfo: str) -> None:
    with psycopg.connect(make_conninfo(conninfo, dbname="postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL("create database {}").format(sql.Identifier(DATABASE)))


def _count(conninfo: str) -> dict[str, int]:
    counts = {}
    with psycopg.connect(conninfo) as connection:
        for schema, table in connection.execute(TABLES.encode()).fetchall():
            query = sql.SQL("select count(*) from {}").format(sql.Identifier(schema, table))
            row = connection.execute(query).fetchone()
            counts[f"{schema}.{table}"] = row[0] if row else 0
    return counts


def _settle(half: Path, final: Path) -> None:
    """The step that counts: the server has stopped in order, so its data are on disk."""
    half.rename(final)
    folder = os.open(final.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
