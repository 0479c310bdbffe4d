from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeAlias

import asyncpg
import pytest
from redis.asyncio import Redis

from config.contracts.sessions import Counted, Quality, SessionStart
from config.runtime.sessions.founding import settle
from config.settings.load import Settings
from edge.errors import TooManyStreams
from edge.sessions.open import open_registry
from edge.sessions.registry import Report
from tests.catalog.harness import Api, until

Rows: TypeAlias = "asyncpg.Connection[Any]"

SUMS = """
    select session_id, sum(requests)::bigint, sum(bytes)::bigint from stream_parts group by session_id
"""


def report_of(session: str, units: int) -> Report:
    counted = Counted(
        requests=units, bytes=1000 * units, segments=units, renditions={"v480": units}
    )
    quality = Quality(startup_ms=300)
    return Report(id=session, counted=counted, quality=quality, seen_at=time.time())


@pytest.fixture
async def redis(settings: Settings) -> Any:
    assert settings.redis.url is not None
    client = Redis.from_url(settings.redis.url.get_secret_value())
    await settle(client)
    yield client
    await client.aclose()


async def test_what_an_edge_counts_is_what_the_catalog_stores(
    redis: Redis, admin: Api, settings: Settings, rows: Rows, tmp_path: Path
) -> None:
    profile = (await admin("GET", "/api/v1/accounts/users/me/profile")).body
    quick = settings.sessions.model_copy(
        update={"flush": timedelta(seconds=0.2), "switch_grace": timedelta(seconds=5)}
    )
    changed = settings.model_copy(update={"sessions": quick})
    now = int(time.time())

    def start_of(session: str) -> SessionStart:
        return SessionStart(
            id=session,
            grant=session,
            subject=f"user:{profile['id']}",
            content="/vod/01890000-0000-7000-8000-000000000001/",
            started_at=now,
            ends_at=now + 3600,
            limit=3,
            device="tv",
        )

    async with open_registry(changed, folder=tmp_path / "edge", node="edge-1") as registry:
        for number in range(3):
            await registry.open(start_of(f"s{number}"), joins=False)
        with pytest.raises(TooManyStreams):
            await registry.open(start_of("s3"), joins=False)
        for units in (3, 7):
            for worker in ("one", "two"):
                await registry.tell(worker, [report_of(f"s{n}", units) for n in range(3)])

        playing = (await admin("GET", "/api/v1/accounts/users/me/streams?playing=true")).body
        assert {one["id"] for one in playing["data"]} == {"s0", "s1", "s2"}
        refused = await admin("DELETE", "/api/v1/media/streams/s3")
        assert refused.status == 404

        async def is_known() -> bool:
            return bool(await rows.fetchval("select count(*) from stream_sessions") == 3)

        await until(is_known)
        assert (await admin("DELETE", "/api/v1/media/streams/s0")).status == 204

        async def is_ended() -> bool:
            answer = await registry.tell("one", [report_of("s0", 8)])
            return answer.ended.get("s0") == "kicked"

        await until(is_ended)
        await registry.open(start_of("s3"), joins=False)
    # A new process of the same edge tells what the one before had not.
    async with open_registry(changed, folder=tmp_path / "edge", node="edge-1"):

        async def is_stored() -> bool:
            found = await rows.fetch(SUMS)
            return {tuple(row) for row in found} >= {
                ("s0", 15, 15_000),
                ("s1", 14, 14_000),
                ("s2", 14, 14_000),
            }

        async with asyncio.timeout(15):
            await until(is_stored)

    reasons = dict(await rows.fetch("select session_id, reason from stream_sessions"))
    assert reasons["s0"] == "stop"
    assert await rows.fetchval("select count(*) from stream_rejections") == 1
