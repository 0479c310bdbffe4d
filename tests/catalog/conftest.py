"""The catalog as a client sees it, with a real PostgreSQL and a real Valkey behind it."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import structlog
from aiohttp.test_utils import TestClient, TestServer

from catalog.app import build_app
from config.runtime.access_log import JsonAccessLog
from config.runtime.keys import make_key_file
from config.runtime.postgres import dsn_of
from config.settings.catalog import CatalogSettings
from config.settings.load import Settings
from config.settings.shared import PostgresSettings, RedisSettings
from tests.catalog.harness import ADMIN, Api, Clock, Start, fast_passwords, log_admin_in


@pytest.fixture(autouse=True)
def _plain_logs() -> Iterator[None]:
    # The default of structlog draws every traceback with all its variables, which takes a second.
    structlog.configure(
        processors=[
            structlog.processors.format_exc_info,
            structlog.processors.KeyValueRenderer(key_order=["event"]),
        ]
    )
    yield
    structlog.reset_defaults()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def settings(database: PostgresSettings, redis_settings: RedisSettings, tmp_path: Path) -> Settings:
    found = Settings(
        var_dir=tmp_path / "var",
        postgres=database,
        redis=redis_settings,
        catalog=CatalogSettings(admin_login=ADMIN, edge_url="https://edge.example"),
    )
    make_key_file(found.keys_file)
    return found


@pytest.fixture
async def start(settings: Settings, clock: Clock) -> AsyncIterator[Start]:
    """Starts an application; several may run at the same time."""
    clients: list[TestClient[Any, Any]] = []

    async def start(changed: Settings | None = None, **parts: Any) -> Api:
        app = build_app(changed or settings, clock=clock, passwords=fast_passwords(), **parts)
        server = TestServer(app)
        await server.start_server(
            access_log_class=JsonAccessLog, access_log=logging.getLogger("access")
        )
        client: TestClient[Any, Any] = TestClient(server)
        clients.append(client)
        await client.start_server()
        async with client.get("/openapi.json") as response:
            return Api(client, await response.json())

    yield start
    for client in clients:
        await client.close()


@pytest.fixture
async def api(start: Start) -> Api:
    """The application with nobody logged in."""
    return await start()


@pytest.fixture
async def admin(start: Start) -> Api:
    """The application with the administrator logged in."""
    api = await start()
    await log_admin_in(api)
    return api


@pytest.fixture
async def rows(database: PostgresSettings) -> AsyncIterator[asyncpg.Connection[Any]]:
    """A connection of the test's own, beside the application."""
    connection = await asyncpg.connect(dsn_of(database))
    yield connection
    await connection.close()
