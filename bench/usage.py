"""How quickly figures of usage are read beside very many recordings, and what keeping them costs."""

import time
from collections.abc import Callable

import psycopg

from bench.connection import Connection
from bench.figures import Report, median, percentile
from bench.installation import Installation, Look, installation, make_administrator
from bench.registry import Setup

RECORDINGS, RECORDINGS_QUICK = 1_000_000, 20_000
BATCH = 50_000
ORGANIZATIONS = 100
READ_MS_MAX = 10.0
READS, COMMITS = 500, 1000
COUNTED = (
    "A million recordings, each with its blob and one copy, in a hundred organizations (half of them in "
    "one), five stores and classes; put there by SQL, so the triggers that keep the figures run for each. "
    "Then, over HTTP on one connection to an idle server, GET /api/v1/storage/usage of the largest "
    "organization, 500 times; and what `reelkeep storage usage` asks the database about the whole "
    "installation. Beside it, what summing over all copies would take. What keeping costs: commits of one "
    "more blob and copy on one connection, with the triggers and without, in turns. At the end the figures "
    "equal a recount."
)
ORGANIZATION = """
insert into organization (id, name)
select gen_random_uuid(), 'Clinic ' || n from generate_series(2, %s::int) n
"""
STORES = """
insert into store (name, kind) values ('s3-eu', 's3'), ('archive', 's3') on conflict do nothing
"""
# Every second row is of the first organization.
FILL = """
with organizations as (select array_agg(id order by created_at, id) as ids from organization),
     numbers as (select n, gen_random_uuid() as id,
                        ids[case when n %% 2 = 0 then 1 else 1 + (n / 2) %% cardinality(ids) end]
                          as organization_id
                   from generate_series(%(first)s::int, %(last)s::int) n, organizations),
     blobs as (insert into blob (organization_id, id, kind, size_bytes, content_type)
               select organization_id, id, 'original', 100000 + n %% 1000, 'audio/mp4' from numbers),
     recordings as (insert into recording (organization_id, id, recording_type, status, original_filename,
                                           content_type, transcribe, recording_metadata, original_blob_id)
                    select organization_id, id, 'visit', 'transcribed', 'visit.m4a',
                           'audio/mp4', true, '{}', id
                      from numbers)
insert into copy (organization_id, id, blob_id, store, key, state, size_bytes, storage_class)
select organization_id, gen_random_uuid(), id,
       (array['local', 's3-eu', 's3-eu', 'archive', 'archive'])[1 + n %% 5], id::text, 'present',
       100000 + n %% 1000, (array['', '', 'STANDARD_IA', 'GLACIER', 'DEEP_ARCHIVE'])[1 + n %% 5]
  from numbers
"""
ONE_MORE = """
with made as (insert into blob (organization_id, id, kind, size_bytes, content_type)
              select id, gen_random_uuid(), 'original', 1000, 'audio/mp4'
                from organization order by created_at, id limit 1 returning organization_id, id)
insert into copy (organization_id, id, blob_id, store, key, state, size_bytes, storage_class)
select organization_id, gen_random_uuid(), id, 'local', id::text, 'present', 1000, '' from made
"""
OF_ALL = """
select o.id, o.name, u.store, u.storage_class, sum(u.bytes)::bigint, sum(u.copies)::bigint
  from organization o left join store_usage u on u.organization_id = o.id
 group by o.id, u.store, u.storage_class order by o.created_at, o.id
"""
RECOUNT = """
select organization_id, store, storage_class, sum(size_bytes)::bigint, count(*) from copy group by 1, 2, 3
order by 1, 2, 3
"""
KEPT = """
select organization_id, store, storage_class, sum(bytes)::bigint, sum(copies)::bigint from store_usage
 group by 1, 2, 3 having sum(copies) > 0 order by 1, 2, 3
"""


async def measure(setup: Setup) -> Report:
    """Fill an installation, and read."""
    report = Report("usage", "Figures of usage at a million recordings", COUNTED)
    with installation(setup.scratch / "installation", REELKEEP_ENGINE="pocketsphinx") as place:
        server = place.start_server("--no-worker")
        token = make_administrator(server)
        with place.database() as database:
            _fill(setup, report, database)
            connection = Connection(server.url, token)
            setup.say("reading the figures")
            await _read(report, connection, 50 if setup.quick else READS)
            connection.close()
            took = _seconds(lambda: database.execute(OF_ALL).fetchall())
            report.add(
                "read, whole installation", took * 1000, "ms", READ_MS_MAX, f"{ORGANIZATIONS} organizations"
            )
            took = _seconds(lambda: database.execute(RECOUNT).fetchall())
            report.add("summing over all copies instead", took * 1000, "ms", note="not done")
            setup.say("what a commit costs")
            _commits(report, place, 100 if setup.quick else COMMITS)
            if database.execute(RECOUNT).fetchall() != database.execute(KEPT).fetchall():
                raise RuntimeError("the figures are not what a recount says")
    return report


def _fill(setup: Setup, report: Report, database: Look) -> None:
    database.execute(ORGANIZATION, [ORGANIZATIONS])
    database.execute(STORES)
    count = RECORDINGS_QUICK if setup.quick else RECORDINGS
    started = time.monotonic()
    for first in range(1, count + 1, BATCH):
        setup.say(f"{first - 1:,} of {count:,} recordings are there")
        database.execute(FILL, {"first": first, "last": min(first + BATCH - 1, count)})
    report.add("recordings put there", count, "", note=f"in {time.monotonic() - started:.0f} s")
    database.execute("analyze")
    database.execute("checkpoint")


async def _read(report: Report, connection: Connection, times: int) -> None:
    took = []
    for number in range(times + 20):
        started = time.perf_counter()
        answer = await connection.request("GET", "/api/v1/storage/usage")
        if answer.status != 200:
            raise RuntimeError(answer.body.decode())
        if number >= 20:  # the first of them also open connections
            took.append((time.perf_counter() - started) * 1000)
    report.add("GET /api/v1/storage/usage, p50", median(took), "ms", READ_MS_MAX)
    report.add("GET /api/v1/storage/usage, p99", percentile(took, 99), "ms", READ_MS_MAX)


def _commits(report: Report, place: Installation, times: int) -> None:
    took: dict[bool, list[float]] = {True: [], False: []}
    with psycopg.connect(place.postgres().conninfo, autocommit=True) as connection:
        for turn in range(10):
            kept = turn % 2 == 0
            connection.execute(f"alter table copy {'enable' if kept else 'disable'} trigger user".encode())
            for _ in range(times // 5):
                began = time.perf_counter()
                connection.execute(ONE_MORE)
                took[kept].append((time.perf_counter() - began) * 1000)
        connection.execute("alter table copy enable trigger user")
        _count_the_rest(connection, len(took[False]))
    report.add("commit of one more copy, p50", median(took[True]), "ms")
    report.add("the same without the triggers", median(took[False]), "ms")


def _count_the_rest(connection: Look, copies: int) -> None:
    """What was done without the triggers."""
    connection.execute(
        "insert into store_usage as u (organization_id, id, store, bytes, copies)"
        " select id, gen_random_uuid(), 'local', 1000 * %(n)s::bigint, %(n)s"
        " from organization order by created_at, id limit 1"
        " on conflict (organization_id, store, storage_class, shard) do update"
        " set bytes = u.bytes + excluded.bytes, copies = u.copies + excluded.copies",
        {"n": copies},
    )


def _seconds(work: Callable[[], object]) -> float:
    """The median of some rounds."""
    took = []
    for _ in range(5):
        started = time.perf_counter()
        work()
        took.append(time.perf_counter() - started)
    return median(took)
