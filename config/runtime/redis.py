"""Redis clients with every wait bounded: of one server, of the master that Sentinels name, or of a cluster."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Any, cast

from redis.asyncio import BlockingConnectionPool, ConnectionPool, Redis, RedisCluster
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.connection import SSLConnection, parse_url
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import (
    Sentinel,
    SentinelConnectionPool,
    SentinelManagedConnection,
    SentinelManagedSSLConnection,
)
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import MaxConnectionsError

from config.runtime.processes import WrongUse
from config.settings.shared import RedisSettings

# Connections to each node of a cluster for what takes no turn: pipelines, and looks at where the slots are.
_WITHOUT_TURNS = 16


class NoRedis(WrongUse):
    """No Redis address is set: set KAWA_REDIS__URL or use ``kawa up``."""


@contextlib.asynccontextmanager
async def open_redis(settings: RedisSettings) -> AsyncIterator[Redis]:
    """A client that fails fast and never repeats a command, so that nothing is counted twice.

    redis-py's own default repeats a late INCR ten times.
    """
    if settings.url is None:
        raise NoRedis(NoRedis.__doc__)
    opened = {"single": _single, "sentinel": _sentinel, "cluster": _cluster}[settings.kind]
    async with opened(settings, settings.url.get_secret_value()) as client:
        yield client


@contextlib.asynccontextmanager
async def _single(settings: RedisSettings, url: str) -> AsyncIterator[Redis]:
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=settings.pool_size,
        timeout=settings.acquire_timeout.total_seconds(),
        **_waits(settings),
    )
    async with _through(pool) as client:
        yield client


class _MasterPool(SentinelConnectionPool, BlockingConnectionPool):
    """Waits for a free connection, which redis-py's pool of a Sentinel's master does not."""


@contextlib.asynccontextmanager
async def _sentinel(settings: RedisSettings, url: str) -> AsyncIterator[Redis]:
    given, is_tls = _credentials(url)
    sentinel = Sentinel(  # type: ignore[no-untyped-call]
        _addresses(settings.sentinels), sentinel_kwargs=_waits(settings)
    )
    pool = _MasterPool(  # type: ignore[no-untyped-call]
        settings.service,
        sentinel,
        connection_class=SentinelManagedSSLConnection if is_tls else SentinelManagedConnection,
        max_connections=settings.pool_size,
        timeout=settings.acquire_timeout.total_seconds(),
        **_waits(settings),
        **given,
    )
    try:
        async with _through(pool) as client:
            yield client
    finally:
        await sentinel.aclose()


@contextlib.asynccontextmanager
async def _through(pool: ConnectionPool) -> AsyncIterator[Redis]:
    client = Redis(connection_pool=pool)
    try:
        yield client
    finally:
        await client.aclose()
        await pool.aclose()


class _Cluster(RedisCluster):
    """A cluster's client with a bound on commands at once, whose callers wait for their turn.

    What a node refuses to run, since a slot has moved, is sent to the right node; nothing else is sent twice.
    """

    def __init__(self, *, at_once: int, acquire_seconds: float, **options: Any) -> None:
        super().__init__(max_connections=at_once + _WITHOUT_TURNS, **options)
        self._turns = asyncio.Semaphore(at_once)
        self._acquire_seconds = acquire_seconds

    async def execute_command(self, *args: Any, **kwargs: Any) -> Any:
        try:
            async with asyncio.timeout(self._acquire_seconds):
                await self._turns.acquire()
        except TimeoutError as error:
            raise RedisConnectionError("No connection available.") from error
        try:
            return await super().execute_command(*args, **kwargs)
        except MaxConnectionsError:
            # There are more connections than turns: some were lost (redis-py #4110), so all are made anew.
            await self.aclose()
            raise
        finally:
            self._turns.release()


@contextlib.asynccontextmanager
async def _cluster(settings: RedisSettings, url: str) -> AsyncIterator[Redis]:
    given, is_tls = _credentials(url)
    client = _Cluster(
        ssl=is_tls,
        startup_nodes=[ClusterNode(host, port) for host, port in _addresses(settings.nodes)],
        at_once=settings.pool_size,
        acquire_seconds=settings.acquire_timeout.total_seconds(),
        **_waits(settings),
        **given,
    )
    try:
        # It answers to the same commands, as long as all keys of one have the same tag.
        yield cast(Redis, client)
    finally:
        await client.aclose()


def _credentials(url: str) -> tuple[dict[str, Any], bool]:
    """Everything that the URL says but where, and whether by TLS."""
    given = dict(parse_url(url))
    is_tls = given.pop("connection_class", None) is SSLConnection
    return {
        name: value for name, value in given.items() if name not in ("host", "port", "path")
    }, is_tls


def _waits(settings: RedisSettings) -> dict[str, Any]:
    return {
        "socket_timeout": settings.command_timeout.total_seconds(),
        "socket_connect_timeout": settings.connect_timeout.total_seconds(),
        "retry": Retry(NoBackoff(), 0),
        "health_check_interval": 15,
    }


def _addresses(texts: Sequence[str]) -> list[tuple[str, int]]:
    return [
        (host.strip("[]"), int(port)) for host, _, port in (text.rpartition(":") for text in texts)
    ]
