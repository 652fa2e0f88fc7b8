"""Bytes of each organization, store and class, kept by the database itself; requests and bytes of each store."""

import sqlalchemy as sa
from alembic import op

from reelkeep.db import tenancy

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

# What a transaction does to copies is noted as it goes, in a setting of that transaction, and counted once, in
# the commit. So a counted row is locked only while the commit is written; and since every commit takes its
# rows in one order, none waits for another in a circle. A savepoint that is rolled back takes its notes along.
# Connections count in rows of their own, as far as they go round: else all commits of one organization would
# be written one after another, where Postgres can write many at once.
NOTE_COPY = """
create function note_copy() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  noted jsonb := coalesce(nullif(current_setting('reelkeep.copies_changed', true), ''), '{}');
  place text;
begin
  if tg_op <> 'INSERT' and old.state not in ('making', 'missing') then
    place := jsonb_build_array(old.organization_id, old.store, old.storage_class);
    noted := jsonb_set(noted, array[place], jsonb_build_array(
      coalesce((noted #>> array[place, '0'])::bigint, 0) - old.size_bytes,
      coalesce((noted #>> array[place, '1'])::bigint, 0) - 1));
  end if;
  if tg_op <> 'DELETE' and new.state not in ('making', 'missing') then
    place := jsonb_build_array(new.organization_id, new.store, new.storage_class);
    noted := jsonb_set(noted, array[place], jsonb_build_array(
      coalesce((noted #>> array[place, '0'])::bigint, 0) + new.size_bytes,
      coalesce((noted #>> array[place, '1'])::bigint, 0) + 1));
  end if;
  perform set_config('reelkeep.copies_changed', noted::text, true);
  return null;
end $$
"""
# Runs as the owner of the tables, so that the application may read the figures and write none. Of a deleted
# organization nothing is counted: its rows went with it.
COUNT_COPIES = """
create function count_copies() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  noted text := current_setting('reelkeep.copies_changed', true);
begin
  if coalesce(noted, '') = '' then  -- an earlier row of this commit has counted all
    return null;
  end if;
  perform set_config('reelkeep.copies_changed', '', true);
  insert into public.store_usage as u (organization_id, id, store, storage_class, shard, bytes, copies)
  select c.organization_id, gen_random_uuid(), c.store, c.storage_class, pg_backend_pid() % 16, c.bytes, c.copies
    from (select (key::jsonb ->> 0)::uuid as organization_id, key::jsonb ->> 1 as store,
                 key::jsonb ->> 2 as storage_class,
                 (value ->> 0)::bigint as bytes, (value ->> 1)::bigint as copies
            from jsonb_each(noted::jsonb)) c
   where (c.bytes <> 0 or c.copies <> 0)
     and exists (select from public.organization o where o.id = c.organization_id)
   order by c.organization_id, c.store, c.storage_class
  on conflict (organization_id, store, storage_class, shard) do update
    set bytes = u.bytes + excluded.bytes, copies = u.copies + excluded.copies;
  return null;
end $$
"""
DIFFERS = (
    "when ((old.organization_id, old.store, old.storage_class, old.size_bytes, old.state)"
    " is distinct from (new.organization_id, new.store, new.storage_class, new.size_bytes, new.state))"
)
TRIGGERS = (
    "create trigger a_note_copy after insert or delete on copy for each row execute function note_copy()",
    f"create trigger a_note_copy_changed after update on copy for each row {DIFFERS}"
    " execute function note_copy()",
    "create constraint trigger b_count_copies after insert or delete on copy deferrable initially deferred"
    " for each row execute function count_copies()",
    "create constraint trigger b_count_copies_changed after update on copy deferrable initially deferred"
    f" for each row {DIFFERS} execute function count_copies()",
)
# After the triggers, which let nobody else at the table until this migration commits.
COUNT_WHAT_IS_THERE = """
insert into store_usage (organization_id, id, store, storage_class, bytes, copies)
select organization_id, gen_random_uuid(), store, storage_class, sum(size_bytes), count(*)
  from copy where state not in ('making', 'missing')
 group by organization_id, store, storage_class
"""


def upgrade() -> None:
    """Go one step forward."""
    _usage()
    _traffic()


def _usage() -> None:
    op.create_table(
        "store_usage",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("store", sa.Text(), nullable=False),
        sa.Column("storage_class", sa.Text(), server_default="", nullable=False),
        sa.Column(
            "shard",
            sa.BigInteger(),
            server_default="0",
            nullable=False,
            comment="whose commits count in this row; the sum over all is what lies there",
        ),
        sa.Column("bytes", sa.BigInteger(), server_default="0", nullable=False, comment="as stored"),
        sa.Column("copies", sa.BigInteger(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organization.id"],
            name=op.f("fk_store_usage_organization_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["store"], ["store.name"], name=op.f("fk_store_usage_store"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_store_usage")),
        sa.UniqueConstraint(
            "organization_id",
            "store",
            "storage_class",
            "shard",
            name=op.f("uq_store_usage_organization_id_store_storage_class_shard"),
        ),
    )
    _run(tenancy.tenant_table_statements("store_usage", privileges=("SELECT",)))
    _run([NOTE_COPY, COUNT_COPIES, *TRIGGERS, COUNT_WHAT_IS_THERE])


def _traffic() -> None:
    op.create_table(
        "store_traffic",
        sa.Column("store", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False, comment="in UTC"),
        sa.Column("action_class", sa.Text(), nullable=False, comment="write, list, read, delete"),
        sa.Column(
            "counted",
            sa.Text(),
            nullable=False,
            comment="seen by us, or expected of a client with its own URL",
        ),
        sa.Column("requests", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("bytes_in", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("bytes_out", sa.BigInteger(), server_default="0", nullable=False),
        sa.CheckConstraint(
            "action_class in ('write','list','read','delete')", name=op.f("ck_store_traffic_action_class")
        ),
        sa.CheckConstraint("counted in ('seen','expected')", name=op.f("ck_store_traffic_counted")),
        sa.ForeignKeyConstraint(
            ["store"], ["store.name"], name=op.f("fk_store_traffic_store"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("store", "day", "action_class", "counted", name=op.f("pk_store_traffic")),
    )
    _run(tenancy.directory_table_statements("store_traffic"))


def _run(statements: list[str]) -> None:
    for statement in statements:
        op.execute(statement)


def downgrade() -> None:
    """Refuse: going back is a restore, never a guess at lost columns."""
    raise NotImplementedError("restore a backup made before this migration instead")
