from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from redis.asyncio import Redis

from config.runtime.redis import open_redis
from config.runtime.sessions.founding import settle
from config.runtime.sessions.store import SessionStore
from config.settings.sessions import SessionSettings
from config.settings.shared import RedisSettings

OpenStore = Callable[..., SessionStore]


@pytest.fixture
async def redis(redis_settings: RedisSettings) -> AsyncIterator[Redis]:
    """A client of an empty Valkey that nobody has anything to tell."""
    async with open_redis(redis_settings) as client:
        await settle(client)
        yield client


@pytest.fixture
def open_store(redis: Redis) -> OpenStore:
    """Another edge's store each time."""

    def open_one(
        edge: str | None = "edge-1", client: Redis | None = None, **given: Any
    ) -> SessionStore:
        return SessionStore(client or redis, SessionSettings(**given), edge=edge)

    return open_one
