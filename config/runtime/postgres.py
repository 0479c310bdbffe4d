"""PostgreSQL connections with every wait bounded. Imported by the catalog and the workers, never by the edge."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import asyncpg

from config.runtime.processes import WrongUse
from config.settings.shared import PostgresSettings


class NoDatabase(WrongUse):
    """No PostgreSQL address is set: set KAWA_POSTGRES__DSN or use ``kawa up``."""


def dsn_of(settings: PostgresSettings) -> str:
    """The connection string, or ``NoDatabase``."""
    if settings.dsn is None:
        raise NoDatabase(NoDatabase.__doc__)
    return settings.dsn.get_secret_value()


def server_settings(settings: PostgresSettings, *, program: str) -> dict[str, str]:
    """Limits that the server keeps for us, by their PostgreSQL names."""
    return {
        "application_name": f"kawa-{program}",
        "statement_timeout": _milliseconds(settings.statement_timeout.total_seconds()),
        "idle_in_transaction_session_timeout": _milliseconds(
            settings.idle_transaction_timeout.total_seconds()
        ),
        "tcp_keepalives_idle": "15",
        "tcp_keepalives_interval": "5",
        "tcp_keepalives_count": "3",
    }


def connect_arguments(settings: PostgresSettings, *, program: str) -> dict[str, Any]:
    """The arguments of ``asyncpg.connect`` beside the connection string."""
    return {
        "timeout": settings.connect_timeout.total_seconds(),
        # A peer that died silently answers nothing: this bound is the client's own.
        "command_timeout": settings.statement_timeout.total_seconds() + 1,
        "server_settings": server_settings(settings, program=program),
    }


@contextlib.asynccontextmanager
async def open_pool(settings: PostgresSettings, *, program: str) -> AsyncIterator[asyncpg.Pool]:
    """A pool that opens connections when they are needed."""
    pool = asyncpg.create_pool(
        dsn_of(settings),
        min_size=0,
        max_size=settings.pool_size,
        max_inactive_connection_lifetime=60,
        **connect_arguments(settings, program=program),
    )
    async with pool:
        yield pool


def _milliseconds(seconds: float) -> str:
    return str(int(seconds * 1000))
