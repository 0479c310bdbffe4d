"""Runs Alembic on the connection that ``catalog.migrate`` opened, inside its transaction."""

from __future__ import annotations

from alembic import context

from catalog.tables import metadata


def is_ours(name: str | None, kind: str, _parents: object) -> bool:
    """Whether a thing found in the database is in our metadata's care; Procrastinate's tables are not."""
    return not (kind == "table" and (name or "").startswith("procrastinate_"))


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    include_name=is_ours,
    compare_type=True,
    compare_server_default=True,
    transaction_per_migration=False,
)
with context.begin_transaction():
    context.run_migrations()
