"""Alembic's entry: runs on the connection and metadata that `reelkeep.db.migrate` hands over."""

from alembic import context

from reelkeep.db.migrate import is_ours

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=context.config.attributes.get("metadata"),
    include_object=is_ours,
    compare_type=True,
    compare_server_default=True,
)
with context.begin_transaction():
    context.run_migrations()
