"""Which table is which, and what SQL follows from it."""

from reelkeep.db import tenancy
from reelkeep.db.base import DIRECTORY_TABLES, Base
from reelkeep.tables import all_tables


def test_every_table_is_of_one_kind_and_the_directory_is_complete() -> None:
    metadata = all_tables()
    tenant = {table.name for table in tenancy.tenant_tables(metadata)}
    directory = {table.name for table in tenancy.directory_tables(metadata)}
    assert tenant | directory == set(metadata.tables) and not tenant & directory
    assert directory == DIRECTORY_TABLES


def test_the_key_of_every_tenant_table_leads_with_the_organization() -> None:
    for table in tenancy.tenant_tables(all_tables()):
        assert table.primary_key.columns.keys() == ["organization_id", "id"], table.name


def test_references_between_tenant_tables_carry_the_organization() -> None:
    tenant = tenancy.tenant_tables(all_tables())
    names = {table.name for table in tenant}
    for table in tenant:
        for reference in table.foreign_key_constraints:
            if reference.referred_table.name in names:
                assert reference.column_keys[0] == "organization_id", reference.name


def test_row_level_security_is_never_forced() -> None:
    assert not any("FORCE" in statement for statement in tenancy.statements(Base))


def test_sweeps_read_only_what_the_models_name() -> None:
    all_tables()
    assert tenancy.sweep_statements("upload", ("id", "due"))[1] == (
        'GRANT SELECT ("id", "due") ON "upload" TO reelkeep_sweep'
    )
    for table, columns in tenancy.sweep_columns(Base).items():
        assert set(columns) <= set(Base.metadata.tables[table].columns.keys())
