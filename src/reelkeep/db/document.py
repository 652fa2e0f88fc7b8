"""Writes `docs/database.md` from the tables' metadata, so that it cannot differ from them."""

from collections.abc import Iterable, Iterator

from sqlalchemy import (
    CheckConstraint,
    Column,
    Dialect,
    ForeignKeyConstraint,
    Index,
    MetaData,
    Table,
    UniqueConstraint,
)
from sqlalchemy.dialects.postgresql.base import PGDialect
from sqlalchemy.orm import DeclarativeBase

from reelkeep.db.base import Base
from reelkeep.db.tenancy import APP_ROLE, SWEEP_ROLE, directory_tables, sweep_columns, tenant_tables

POSTGRES: Dialect = PGDialect()  # type: ignore[no-untyped-call]

HEAD = f"""# The database

Made from the models; do not edit. A *tenant table* belongs to one organization: its key leads with
`organization_id`, so that no row can point into another, and row-level security shows the role
`{APP_ROLE}` only the organization that the transaction names. A *directory table* is read before or across
organizations. `{SWEEP_ROLE}` reads the columns named as swept, of all organizations, and nothing else.
The job queue's tables lie in the schema `jobs` and are procrastinate's.
"""


def render(metadata: MetaData, base: type[DeclarativeBase] = Base) -> str:
    """The document in Markdown: every table with its columns, keys, indexes and rules."""
    sentences = dict(_sentences(base))
    swept = sweep_columns(base)
    parts = [HEAD]
    for title, tables in (
        ("Tenant tables", tenant_tables(metadata)),
        ("Directory tables", directory_tables(metadata)),
    ):
        parts.append(f"## {title}\n")
        parts += [
            _table(table, sentences.get(table.name, ""), swept.get(table.name, ()))
            for table in sorted(tables, key=lambda one: one.name)
        ]
    return "\n".join(parts)


def _sentences(base: type[DeclarativeBase]) -> Iterator[tuple[str, str]]:
    for mapper in base.registry.mappers:
        documented = (mapper.class_.__doc__ or "").strip().split("\n\n")[0]
        yield str(mapper.local_table.description), " ".join(documented.split())


def _table(table: Table, sentence: str, swept: Iterable[str]) -> str:
    lines = [f"### {table.name}", "", table.comment or sentence, ""]
    lines += ["| column | type | null | default | |", "|---|---|---|---|---|"]
    lines += [_column(column) for column in _keys_first(table)]
    lines += ["", *_rules(table)]
    if swept:
        lines.append(f"- swept: {_names(swept)}")
    return "\n".join([*lines, ""])


def _keys_first(table: Table) -> list[Column[object]]:
    keys = list(table.primary_key.columns)
    return keys + [column for column in table.columns if not column.primary_key]


def _column(column: Column[object]) -> str:
    kind = column.type.compile(dialect=POSTGRES).lower()
    default = getattr(column.server_default, "arg", None)
    written = "" if default is None else f"`{default}`"
    if column.identity is not None:
        written = "identity"
    nullable = "yes" if column.nullable else ""
    return f"| {column.name} | {kind} | {nullable} | {written} | {_cell(column.comment or '')} |"


def _rules(table: Table) -> Iterator[str]:
    yield f"- primary key: {_names(table.primary_key.columns.keys())}"
    for constraint in sorted(table.constraints, key=lambda one: str(one.name)):
        match constraint:
            case ForeignKeyConstraint():
                target = [element.target_fullname for element in constraint.elements]
                ending = f", on delete {constraint.ondelete.lower()}" if constraint.ondelete else ""
                yield f"- {_names(constraint.column_keys)} → {_names(target)}{ending}"
            case UniqueConstraint():
                yield f"- unique: {_names(constraint.columns.keys())}"
            case CheckConstraint():
                yield f"- check: `{constraint.sqltext}`"
    for index in sorted(table.indexes, key=lambda one: str(one.name)):
        yield _index(index)


def _index(index: Index) -> str:
    where = index.dialect_options["postgresql"]["where"]
    condition = "" if where is None else f" where `{where}`"
    kind = "unique index" if index.unique else "index"
    parts = (getattr(part, "name", None) or str(part) for part in index.expressions)
    return f"- {kind}: {_names(parts)}{condition}"


def _names(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _cell(words: str) -> str:
    return words.replace("|", "\\|")
