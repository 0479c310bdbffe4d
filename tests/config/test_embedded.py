from __future__ import annotations

import asyncpg
from redis.asyncio import Redis

from config.settings.shared import PostgresSettings, RedisSettings


async def test_the_embedded_postgres_finds_trigrams_in_every_script(
    empty_database: PostgresSettings,
) -> None:
    assert empty_database.dsn is not None
    connection = await asyncpg.connect(empty_database.dsn.get_secret_value())
    try:
        await connection.execute("create extension pg_trgm")
        assert await connection.fetchval("select cardinality(show_trgm('Фрирен'))") == 7
        assert await connection.fetchval("select cardinality(show_trgm('葬送のフリーレン'))") > 0
    finally:
        await connection.close()


async def test_the_embedded_valkey_speaks_redis_7(redis_settings: RedisSettings) -> None:
    assert redis_settings.url is not None
    client = Redis.from_url(redis_settings.url.get_secret_value())
    try:
        assert await client.set("{a}:x", "1", ex=60)
        assert await client.expire("{a}:x", 30, lt=True)
    finally:
        await client.aclose()
