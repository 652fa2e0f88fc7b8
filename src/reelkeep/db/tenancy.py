"""The SQL that holds organizations apart: roles, policies and grants, made from the tables' metadata.

`reelkeep_app` is the role of every unit of work: it owns nothing, and on tenant tables it sees the rows of
the organization that the transaction names. `reelkeep_sweep` reads ids and due dates across organizations.
Both are without login; the login role is a member of both. Row-level security is never forced, so that the
tables' owner can search with the index (`@@` is not leakproof) in one reviewed function.

This is a wall against a forgotten filter, not against injected SQL, which could reset the role.
"""

from collections.abc import Iterator, Sequence

from sqlalchemy import Connection, MetaData, Table, text
from sqlalchemy.orm import DeclarativeBase

from reelkeep.db.base import DIRECTORY_TABLES

APP_ROLE = "reelkeep_app"
SWEEP_ROLE = "reelkeep_sweep"
ORGANIZATION_SETTING = "app.organization_id"
ALL_ROWS_WRITES = ("SELECT", "INSERT", "UPDATE", "DELETE")

# Empty after the first use in a connection, hence nullif; then nothing is equal to it.
OWN_ROWS = f"organization_id = nullif(current_setting('{ORGANIZATION_SETTING}', true), '')::uuid"


def tenant_tables(metadata: MetaData) -> list[Table]:
    """The tables whose rows each belong to one organization, parents first."""
    return [table for table in metadata.sorted_tables if table.name not in DIRECTORY_TABLES]


def directory_tables(metadata: MetaData) -> list[Table]:
    """The tables that are read before or across organizations, parents first."""
    return [table for table in metadata.sorted_tables if table.name in DIRECTORY_TABLES]


def sweep_columns(base: type[DeclarativeBase]) -> dict[str, tuple[str, ...]]:
    """For each table that sweeps read: the columns they may, as `__sweep_columns__` of its model says."""
    declared = {
        str(mapper.local_table.description): tuple(getattr(mapper.class_, "__sweep_columns__", ()))
        for mapper in base.registry.mappers
    }
    return {table: columns for table, columns in declared.items() if columns}


def role_statements() -> list[str]:
    """Make both roles where they are missing, and the login role a member of them."""
    return [statement for role in (APP_ROLE, SWEEP_ROLE) for statement in _role(role)] + [
        f"GRANT USAGE ON SCHEMA public TO {APP_ROLE}, {SWEEP_ROLE}"
    ]


def may_become(role: str) -> str:
    """An SQL expression: may the login role `SET ROLE` to it? From 16 on membership alone is not enough."""
    kind = "CASE WHEN current_setting('server_version_num')::int < 160000 THEN 'MEMBER' ELSE 'SET' END"
    return f"pg_has_role(current_user, '{role}', {kind})"


def tenant_table_statements(table: str, privileges: Sequence[str] = ALL_ROWS_WRITES) -> list[str]:
    """Turn row-level security on and let `reelkeep_app` at the rows of its organization."""
    return [
        f"ALTER TABLE {_quoted(table)} ENABLE ROW LEVEL SECURITY",
        f"CREATE POLICY own_organization ON {_quoted(table)} TO {APP_ROLE}"
        f" USING ({OWN_ROWS}) WITH CHECK ({OWN_ROWS})",
        f"GRANT {', '.join(privileges)} ON {_quoted(table)} TO {APP_ROLE}",
    ]


def directory_table_statements(table: str, privileges: Sequence[str] = ALL_ROWS_WRITES) -> list[str]:
    """Let `reelkeep_app` at every row of a directory table."""
    return [f"GRANT {', '.join(privileges)} ON {_quoted(table)} TO {APP_ROLE}"]


def sweep_statements(table: str, columns: Sequence[str]) -> list[str]:
    """Let `reelkeep_sweep` read these columns, and no others, of all organizations."""
    names = ", ".join(_quoted(column) for column in columns)
    return [
        f"CREATE POLICY all_organizations ON {_quoted(table)} FOR SELECT TO {SWEEP_ROLE} USING (true)",
        f"GRANT SELECT ({names}) ON {_quoted(table)} TO {SWEEP_ROLE}",
    ]


def statements(base: type[DeclarativeBase]) -> Iterator[str]:
    """Everything above for all tables of `base`; the roles must be there."""
    for table in tenant_tables(base.metadata):
        yield from tenant_table_statements(table.name)
    for table in directory_tables(base.metadata):
        yield from directory_table_statements(table.name)
    for name, columns in sweep_columns(base).items():
        yield from sweep_statements(name, columns)


def faults(connection: Connection, base: type[DeclarativeBase]) -> list[str]:
    """What the database lacks of the above, in words; migrations and models are compared by this."""
    found = {row.name: row for row in connection.execute(text(_TABLES_AND_RULES), {"app": APP_ROLE})}
    told = []
    for table in tenant_tables(base.metadata):
        row = found.get(table.name)
        if row is None or not row.secured or "own_organization" not in row.policies:
            told.append(f"the tenant table {table.name} has no row-level security for {APP_ROLE}")
        elif row.forced or row.owned_by_app:
            told.append(f"the tenant table {table.name} is forced, or owned by {APP_ROLE}")
    for name, columns in sweep_columns(base).items():
        readable = set(connection.scalars(text(_SWEEP_COLUMNS), {"table": name, "role": SWEEP_ROLE}))
        if readable != set(columns):
            told.append(f"{SWEEP_ROLE} reads {sorted(readable)} of {name}, not {sorted(columns)}")
    return told


_TABLES_AND_RULES = """
select c.relname as name, c.relrowsecurity as secured, c.relforcerowsecurity as forced,
       pg_get_userbyid(c.relowner) = :app as owned_by_app,
       coalesce(array_agg(p.polname::text) filter (where p.polname is not null), '{}') as policies
  from pg_class c left join pg_policy p on p.polrelid = c.oid
 where c.relkind in ('r', 'p') and c.relnamespace = 'public'::regnamespace
 group by c.oid
"""
_SWEEP_COLUMNS = """
select attname from pg_attribute
 where attrelid = to_regclass('public.' || quote_ident(:table)) and attnum > 0 and not attisdropped
   and has_column_privilege(:role, attrelid, attnum, 'SELECT')
"""


def _role(role: str) -> list[str]:
    # Another database of the same server may make the role at the same moment.
    return [
        f"""DO $$ BEGIN
            IF to_regrole('{role}') IS NULL THEN CREATE ROLE {role} NOLOGIN; END IF;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$""",
        f"""DO $$ BEGIN
            IF NOT {may_become(role)} THEN GRANT {role} TO CURRENT_USER; END IF;
        EXCEPTION WHEN unique_violation THEN NULL; END $$""",
    ]


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
