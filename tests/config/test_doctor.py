from __future__ import annotations

from pathlib import Path

from redis.asyncio import Redis

from config.launch.doctor import Finding, examine
from config.settings.load import Settings
from config.settings.shared import RedisSettings


async def redis_found(settings: Settings) -> dict[str, Finding]:
    return {each.name: each for each in await examine(settings) if each.name.startswith("redis")}


async def test_a_redis_that_evicts_is_named_with_what_to_do(
    redis_settings: RedisSettings, tmp_path: Path
) -> None:
    settings = Settings(var_dir=tmp_path / "var", redis=redis_settings)
    assert redis_settings.url is not None
    async with Redis.from_url(redis_settings.url.get_secret_value()) as client:
        assert all(each.good for each in (await redis_found(settings)).values())
        try:
            await client.config_set("maxmemory-policy", "allkeys-lru")
            found = await redis_found(settings)
        finally:
            await client.config_set("maxmemory-policy", "noeviction")

    assert found["redis"].good
    memory = found["redis memory"]
    assert (memory.good, memory.fatal, memory.text) == (
        False,
        False,
        "maxmemory-policy allkeys-lru",
    )
    assert "noeviction" in memory.mend


async def test_a_redis_that_is_away_is_named_once(tmp_path: Path) -> None:
    away = RedisSettings.model_validate({"url": f"unix://{tmp_path}/nobody"})
    found = await redis_found(Settings(var_dir=tmp_path / "var", redis=away))

    assert [(name, each.good, each.fatal) for name, each in found.items()] == [
        ("redis", False, True)
    ]
