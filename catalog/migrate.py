"""Brings a database's tables to what this program needs, and back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from config.runtime.postgres import dsn_of
from config.settings.shared import PostgresSettings

# Any constant of our own: two programs that migrate at once do it one after the other.
_LOCK = 0x6B617761
_LONGEST_WAIT_SECONDS = 120
_LONGEST_STATEMENT_SECONDS = 600


def migrate(settings: PostgresSettings) -> None:
    """Bring the database to the newest revision, all or nothing; a second call changes nothing."""
    _run(settings, lambda config: command.upgrade(config, "head"))


def downgrade(settings: PostgresSettings, revision: str) -> None:
    """Go back to an older revision; ``base`` removes every table."""
    _run(settings, lambda config: command.downgrade(config, revision))


def check_model(settings: PostgresSettings) -> None:
    """Raise if the database's tables are not those of ``catalog.tables``."""
    _run(settings, command.check)


def head_revision() -> str | None:
    """The revision that this program needs."""
    return ScriptDirectory.from_config(_config()).get_current_head()


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    return config


def _run(settings: PostgresSettings, work: Callable[[Config], None]) -> None:
    asyncio.run(_run_async(settings, work))


async def _run_async(settings: PostgresSettings, work: Callable[[Config], None]) -> None:
    async def connect() -> asyncpg.Connection[asyncpg.Record]:
        return await asyncpg.connect(
            dsn_of(settings),
            timeout=settings.connect_timeout.total_seconds(),
            command_timeout=_LONGEST_STATEMENT_SECONDS,
            server_settings={
                "application_name": "kawa-catalog-migrate",
                "lock_timeout": f"{_LONGEST_WAIT_SECONDS}s",
            },
        )

    def in_one_transaction(connection: Connection) -> None:
        connection.execute(text("select pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        config = _config()
        config.attributes["connection"] = connection
        work(config)

    engine = create_async_engine("postgresql+asyncpg://", async_creator=connect, poolclass=NullPool)
    try:
        async with engine.begin() as connection:
            await connection.run_sync(in_one_transaction)
    finally:
        await engine.dispose()
