"""Every test here has its own clock, and where it asks for it a Redis that has been running for long."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from config.runtime.redis import open_redis
from config.runtime.sessions.founding import settle
from config.settings.shared import RedisSettings
from tests.edge.sessions.parent.harness import Catalog, Clock, Edges, registry_settings


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def client(redis_settings: RedisSettings) -> AsyncIterator[Redis]:
    async with open_redis(redis_settings) as found:
        await settle(found)
        yield found


@pytest.fixture
async def edges(
    client: Redis, redis_settings: RedisSettings, clock: Clock, tmp_path: Path
) -> AsyncIterator[Edges]:
    settings = registry_settings(redis_settings)
    async with Edges(settings, clock, tmp_path) as found:
        yield found


@pytest.fixture
def catalog(client: Redis) -> Catalog:
    return Catalog(client)
