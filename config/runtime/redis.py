"""Redis clients with every wait bounded."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from config.runtime.processes import WrongUse
from config.settings.shared import RedisSettings


class NoRedis(WrongUse):
    """No Redis address is set: set KAWA_REDIS__URL or use ``kawa up``."""


@contextlib.asynccontextmanager
async def open_redis(settings: RedisSettings) -> AsyncIterator[Redis]:
    """A client that fails fast and never repeats a command, so that nothing is counted twice.

    redis-py's own default repeats a late INCR ten times.
    """
    if settings.url is None:
        raise NoRedis(NoRedis.__doc__)
    pool = BlockingConnectionPool.from_url(
        settings.url.get_secret_value(),
        max_connections=settings.pool_size,
        timeout=settings.acquire_timeout.total_seconds(),
        socket_timeout=settings.command_timeout.total_seconds(),
        socket_connect_timeout=settings.connect_timeout.total_seconds(),
        retry=Retry(NoBackoff(), 0),
        health_check_interval=15,
    )
    client = Redis(connection_pool=pool)
    try:
        yield client
    finally:
        await client.aclose()
        await pool.aclose()
