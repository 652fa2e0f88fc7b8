"""The job queue's tables in a schema of their own, `jobs`.

The SQL is procrastinate's own of the pinned version, kept here because a migration must not change when the
package does: a newer version is a new migration with procrastinate's migration files.
"""

from pathlib import Path

from sqlalchemy import Connection

from reelkeep.db.tenancy import APP_ROLE

SCHEMA = "jobs"
FIRST_SQL = Path(__file__).with_name("migrations") / "procrastinate_3_10_0.sql"


def create_jobs_schema(connection: Connection) -> None:
    """Make the schema, its tables, the rights `reelkeep_app` needs to enqueue, and the search path.

    The functions are unqualified, so every connection that enqueues or works needs `jobs` in its search
    path; the login role gets it for all its later connections to this database.
    """
    before = connection.exec_driver_sql("select current_setting('search_path')").scalar_one()
    _run(connection, f"CREATE SCHEMA {SCHEMA}")
    _run(connection, f"SET LOCAL search_path = {SCHEMA}")
    _run(connection, FIRST_SQL.read_text())
    for statement in (
        f"GRANT USAGE ON SCHEMA {SCHEMA} TO {APP_ROLE}",
        f"GRANT SELECT, INSERT ON procrastinate_jobs TO {APP_ROLE}",
        f"GRANT INSERT ON procrastinate_events TO {APP_ROLE}",
        f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA {SCHEMA} TO {APP_ROLE}",
    ):
        _run(connection, statement)
    connection.exec_driver_sql("select set_config('search_path', %s, true)", (before,))
    _run(connection, REMEMBER_SEARCH_PATH)


REMEMBER_SEARCH_PATH = f"""DO $$ BEGIN
    EXECUTE format('ALTER ROLE %I IN DATABASE %I SET search_path = public, {SCHEMA}',
                   current_user, current_database());
END $$"""


def _run(connection: Connection, sql: str) -> None:
    # Without parameters the driver takes % as it stands, and several statements at once.
    connection.exec_driver_sql(sql, execution_options={"no_parameters": True})
