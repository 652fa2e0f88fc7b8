"""The database document tells every table, column and rule."""

from reelkeep.db.base import Base
from reelkeep.db.document import render
from reelkeep.tables import all_tables


def test_every_table_and_column_is_told() -> None:
    document = render(all_tables())
    for table in Base.metadata.tables.values():
        section = document.split(f"### {table.name}\n")[1].split("###")[0]
        for column in table.columns:
            assert f"| {column.name} |" in section


def test_keys_rules_and_sentences_are_told() -> None:
    document = render(all_tables())
    upload = document.split("### upload\n")[1].split("###")[0]
    assert "- primary key: `organization_id`, `id`" in upload
    assert "→ `recording.organization_id`, `recording.id`, on delete cascade" in upload
    assert "- index: `sweep_after` where" in upload
    assert "- swept: `organization_id`, `id`" in upload
    assert "null until one process has read all bytes" in document
    assert "One captured piece of media and its life." in document


def test_it_is_the_same_every_time() -> None:
    assert render(all_tables()) == render(all_tables())
