"""Dump a database at one point in time, and put a dump into an empty one: all of it or nothing.

`pg_dump` and `pg_restore` do the work as child processes; their bytes stream through this one. What is put
back goes through `psql` in one transaction that only we commit, after the last byte was proved right: a
process that dies on the way leaves the database as empty as it was.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from reelkeep.db.postgres.cluster import child_environment
from reelkeep.db.postgres.tools import Tools
from reelkeep.errors import ErrorCode, ReelkeepError

PIECE_BYTES = 1 << 18
STDERR_BYTES_KEPT = 4000
#: Where `pg_restore` puts the settings that an older server may not know.
HEAD_BYTES = 4096
#: Written by every `pg_restore` from 17 on, unknown to the servers before.
NEWER_SETTING = b"SET transaction_timeout = 0;\n"
DUMP_OPTIONS = (
    "--format=custom",
    "--compress=3",
    "--no-owner",
    "--no-publications",
    "--no-subscriptions",
)


@asynccontextmanager
async def snapshot_of(conninfo: str) -> AsyncIterator[tuple[psycopg.AsyncConnection[Any], str]]:
    """A connection that sees one moment of the database as its owner, and the name by which others join it.

    It is open for as long as the dump takes: reading one moment is the one thing that a short unit of work
    cannot do. It is read-only and takes no lock that a request waits for.
    """
    async with await psycopg.AsyncConnection.connect(conninfo) as connection:
        await connection.set_isolation_level(psycopg.IsolationLevel.REPEATABLE_READ)
        await connection.set_read_only(True)
        await connection.execute("set local idle_in_transaction_session_timeout = 0")
        found = await (await connection.execute("select pg_export_snapshot()")).fetchone()
        assert found is not None
        yield connection, str(found[0])
        await connection.rollback()


async def server_major(conninfo: str) -> int:
    """The major version of the server."""
    async with await psycopg.AsyncConnection.connect(conninfo) as connection:
        return connection.info.server_version // 10_000


async def dump(conninfo: str, tools: Tools, snapshot: str | None = None) -> AsyncIterator[bytes]:
    """The whole database in `pg_dump`'s custom format, in pieces; as of a snapshot where one is named.

    Raises `ReelkeepError` (BACKUP_FAILED) with what `pg_dump` said; what came before it is then no dump.
    """
    moment = [f"--snapshot={snapshot}"] if snapshot else []
    child = await _start(tools, "pg_dump", conninfo, *DUMP_OPTIONS, *moment, takes_input=False)
    said = asyncio.create_task(_tail(child.stderr))
    try:
        assert child.stdout is not None
        while piece := await child.stdout.read(PIECE_BYTES):
            yield piece
        if await child.wait():
            raise _failure("pg_dump", await said)
    finally:
        await _end(child)
        await said


async def restore_dump(conninfo: str, tools: Tools, pieces: AsyncIterator[bytes], after: str) -> None:
    """Put a dump into the database and run the SQL `after`, in one transaction.

    `pieces` raises when its bytes are not those that were written; then, as after every failure, the
    database is as it was. Raises `ReelkeepError` (RESTORE_FAILED) with what Postgres said.
    """
    major = await server_major(conninfo)
    reader = await _start(tools, "pg_restore", None, "--no-owner", "--file=-")
    writer = await _start(
        tools, "psql", conninfo, "-X", "--quiet", "--set=ON_ERROR_STOP=1", "--file=-", gives_output=False
    )
    said = [asyncio.create_task(_tail(child.stderr)) for child in (reader, writer)]
    feeding = asyncio.create_task(_feed(reader, pieces))
    try:
        carried = await _carry(reader, writer, filtered=major < 17)
        await feeding
        if await reader.wait():
            raise _failure("pg_restore", await said[0], ErrorCode.RESTORE_FAILED)
        if carried:
            await _write(writer, f"\n{after}\nCOMMIT;\n".encode())
        assert writer.stdin is not None
        writer.stdin.close()
        if await writer.wait() or not carried:
            raise _failure("psql", await said[1], ErrorCode.RESTORE_FAILED)
    finally:
        feeding.cancel()
        with suppress(asyncio.CancelledError, Exception):
            await feeding
        await _end(reader)
        await _end(writer)
        await asyncio.gather(*said)


async def _feed(reader: asyncio.subprocess.Process, pieces: AsyncIterator[bytes]) -> None:
    assert reader.stdin is not None
    whole = True
    try:
        async for piece in pieces:
            whole = whole and await _write(reader, piece)
    except BaseException:
        with suppress(ProcessLookupError):
            reader.kill()  # else it would wait for more, and we for it
        raise
    reader.stdin.close()


async def _carry(
    reader: asyncio.subprocess.Process, writer: asyncio.subprocess.Process, *, filtered: bool
) -> bool:
    """Everything that `pg_restore` says, to `psql`; False when that has ended before its time."""
    assert reader.stdout is not None
    head = b""
    while len(head) < HEAD_BYTES and (piece := await reader.stdout.read(PIECE_BYTES)):
        head += piece
    if filtered:
        head = head.replace(NEWER_SETTING, b"", 1)
    whole = await _write(writer, b"BEGIN;\n" + head)
    # Read to the end in any case, or `pg_restore` would wait for us for ever.
    while piece := await reader.stdout.read(PIECE_BYTES):
        whole = whole and await _write(writer, piece)
    return whole


async def _write(child: asyncio.subprocess.Process, data: bytes) -> bool:
    """False when the child does not listen any more: its own words say why."""
    assert child.stdin is not None
    try:
        child.stdin.write(data)
        await child.stdin.drain()
    except (BrokenPipeError, ConnectionResetError):
        return False
    return True


async def _start(
    tools: Tools,
    program: str,
    conninfo: str | None,
    *arguments: str,
    takes_input: bool = True,
    gives_output: bool = True,
) -> asyncio.subprocess.Process:
    """Start a tool; a password goes by its environment, which other users cannot read."""
    environment = {**child_environment(), "PGAPPNAME": f"reelkeep-{program}"}
    if "HOME" in os.environ:
        environment["HOME"] = os.environ["HOME"]
    place: Sequence[str] = ()
    if conninfo is not None:
        words = conninfo_to_dict(conninfo)
        if password := words.pop("password", None):
            environment["PGPASSWORD"] = str(password)
        place = (f"--dbname={make_conninfo('', **words)}",)
    pipe, nowhere = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
    return await asyncio.create_subprocess_exec(
        str(tools.folder / program),
        *place,
        *arguments,
        env=environment,
        cwd="/",
        stdin=pipe if takes_input else nowhere,
        stdout=pipe if gives_output else nowhere,
        stderr=pipe,
        limit=PIECE_BYTES,
    )


async def _tail(stream: asyncio.StreamReader | None) -> str:
    """The end of what a child says; all of it is read, so that it never waits for us."""
    assert stream is not None
    kept = b""
    while piece := await stream.read(PIECE_BYTES):
        kept = (kept + piece)[-STDERR_BYTES_KEPT:]
    return kept.decode(errors="replace").strip()


async def _end(child: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):
        child.kill()
    await child.wait()


def _failure(program: str, said: str, code: ErrorCode = ErrorCode.BACKUP_FAILED) -> ReelkeepError:
    return ReelkeepError(f"{program} failed: {said or 'it said nothing.'}", code)
