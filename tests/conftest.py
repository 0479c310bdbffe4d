"""Real neighbours for tests: PostgreSQL, Valkey. Each run has its own, on Unix sockets, in its own folder."""

from __future__ import annotations

import asyncio
import gc
import os
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import hypothesis
import pytest
from aiohttp import web_app
from pydantic import SecretStr

from config.launch.embedded.postgres import embedded_postgres
from config.launch.embedded.valkey import embedded_valkey
from config.settings.shared import PostgresSettings, RedisSettings

# The same examples in every run: what fails here fails everywhere, and what passes goes on passing.
# To look for new ones: HYPOTHESIS_PROFILE=search pytest …
hypothesis.settings.register_profile("same", derandomize=True, deadline=None)
hypothesis.settings.register_profile("search", deadline=None)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))

TEMPLATE = "kawa_template"


def pytest_collection_finish() -> None:
    """Tell the collector of garbage that a million objects of thousands of tests are none."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _no_application_outlives_its_test() -> Iterator[None]:
    yield
    # aiohttp remembers handlers with their middlewares, and so their applications with all that these cache.
    web_app._cached_build_middleware.cache_clear()


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith("KAWA_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("KAWA_CONFIG", str(tmp_path / "no-such.toml"))


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The connection string of a server's own database, for the whole run."""
    with asyncio.Runner() as runner:
        server = embedded_postgres(tmp_path_factory.mktemp("postgres"), durable=False)
        dsn = runner.run(server.__aenter__())
        yield dsn
        runner.run(server.__aexit__(None, None, None))


@pytest.fixture(scope="session")
def migrated_template(postgres_server: str) -> str:
    """The name of a database that the catalog migrated, to be cloned."""
    from catalog.migrate import migrate

    asyncio.run(_execute(postgres_server, f"create database {TEMPLATE}"))
    migrate(_settings(_with_database(postgres_server, TEMPLATE)))
    return TEMPLATE


@pytest.fixture
async def empty_database(postgres_server: str) -> AsyncIterator[PostgresSettings]:
    """A database with nothing in it."""
    async for settings in _new_database(postgres_server, template="template1"):
        yield settings


@pytest.fixture
async def database(postgres_server: str, migrated_template: str) -> AsyncIterator[PostgresSettings]:
    """A migrated database of this test's own."""
    async for settings in _new_database(postgres_server, template=migrated_template):
        yield settings


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a Valkey for the whole run."""
    with asyncio.Runner() as runner:
        server = embedded_valkey(tmp_path_factory.mktemp("valkey"))
        url = runner.run(server.__aenter__())
        yield url
        runner.run(server.__aexit__(None, None, None))


@pytest.fixture
async def redis_settings(redis_server: str) -> RedisSettings:
    """An empty Valkey; its command limit is wide, since test machines are slow at times."""
    from redis.asyncio import Redis

    client = Redis.from_url(redis_server)
    await client.flushall()
    await client.aclose()
    return RedisSettings.model_validate(
        {"url": redis_server, "command_timeout": "PT5S", "acquire_timeout": "PT5S"}
    )


async def _new_database(server: str, *, template: str) -> AsyncIterator[PostgresSettings]:
    name = f"test_{uuid.uuid4().hex}"
    await _execute(server, f"create database {name} template {template}")
    yield _settings(_with_database(server, name))
    await _execute(server, f"drop database {name} with (force)")


def _settings(dsn: str) -> PostgresSettings:
    return PostgresSettings(dsn=SecretStr(dsn))


def _with_database(dsn: str, name: str) -> str:
    return urlunsplit(urlsplit(dsn)._replace(path=f"/{name}"))


async def _execute(dsn: str, statement: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
