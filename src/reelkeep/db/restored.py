"""What a restore does to a database beside putting the dump back, and how it is known that it has ended."""

import psycopg

from reelkeep.db.jobs_schema import REMEMBER_SEARCH_PATH, SCHEMA
from reelkeep.db.tenancy import role_statements
from reelkeep.errors import ErrorCode, ReelkeepError

MARK = "restoring "

# The dump leaves an empty search path, and the queue's triggers name their tables without a schema.
_SETTLE = f"""
SET LOCAL search_path = public, {SCHEMA};
UPDATE procrastinate_jobs SET status = 'todo', worker_id = NULL WHERE status = 'doing';
DELETE FROM procrastinate_workers;
UPDATE step SET state = 'todo', run_id = NULL, progress = NULL, attempts = greatest(attempts - 1, 0)
 WHERE state = 'running';
"""  # noqa: S608 the name is a constant
# Transaction ids start anew, so that a reader's position means nothing but within its epoch.
_NEXT_EPOCH = r"""DO $$ DECLARE last bigint; BEGIN
    SELECT greatest(
        (SELECT coalesce(max(epoch), 1) FROM public.event),
        (SELECT (regexp_match(pg_get_expr(d.adbin, d.adrelid), '\d+'))[1]::bigint
           FROM pg_attrdef d JOIN pg_attribute a ON (a.attrelid, a.attnum) = (d.adrelid, d.adnum)
          WHERE d.adrelid = 'public.event'::regclass AND a.attname = 'epoch')
    ) INTO last;
    EXECUTE format('ALTER TABLE public.event ALTER COLUMN epoch SET DEFAULT %s', last + 1);
END $$;"""

_IS_EMPTY = """
select not exists (
  select from pg_class c join pg_namespace n on n.oid = c.relnamespace
   where c.relkind in ('r', 'p', 'v', 'm', 'S', 'f') and n.nspname !~ '^pg_'
     and n.nspname <> 'information_schema')
"""
_MARKED = f"select obj_description(to_regnamespace('{SCHEMA}'), 'pg_namespace')"


def settling_sql(mark: str | None = None) -> str:
    """What runs in the transaction of the dump: another epoch of events, work that waits again, the mark."""
    marked = f"COMMENT ON SCHEMA {SCHEMA} IS '{MARK}{mark}';" if mark else ""
    return "\n".join((f"{REMEMBER_SEARCH_PATH};", _NEXT_EPOCH, _SETTLE, marked))


def prepare_roles(conninfo: str) -> None:
    """Make the roles that the dump grants to; blocks."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        for statement in role_statements()[:-1]:
            connection.execute(statement.encode())


def is_empty(conninfo: str) -> bool:
    """Whether nothing is in the database; blocks."""
    with psycopg.connect(conninfo) as connection:
        row = connection.execute(_IS_EMPTY.encode()).fetchone()
    return bool(row and row[0])


def unfinished_restore(conninfo: str) -> str | None:
    """Which backup's restore has begun on this database and not ended; None for none. Blocks."""
    with psycopg.connect(conninfo) as connection:
        row = connection.execute(_MARKED.encode()).fetchone()
    told = str(row[0]) if row and row[0] else ""
    return told.removeprefix(MARK) if told.startswith(MARK) else None


def finish_restore(conninfo: str) -> None:
    """Take the mark away: the database may be used. Blocks."""
    with psycopg.connect(conninfo) as connection:
        connection.execute(f"COMMENT ON SCHEMA {SCHEMA} IS NULL".encode())


def require_finished_restore(conninfo: str, allowed: str | None = None) -> None:
    """Refuse a database whose restore broke off half-way, unless it is this one that goes on. Blocks."""
    found = unfinished_restore(conninfo)
    if found is not None and found != allowed:
        raise ReelkeepError(
            f"The restore of the backup {found} has not ended on this database, so it is not used. Run "
            "`reelkeep restore` again with the same backup: it goes on from where it was.",
            ErrorCode.RESTORE_REFUSED,
            backup_id=found,
        )
