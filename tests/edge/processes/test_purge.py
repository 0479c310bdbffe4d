from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import ClientSession
from redis.asyncio import Redis

from config.launch.embedded.valkey import embedded_valkey
from config.settings.load import Settings
from config.settings.shared import RedisSettings
from edge.admin.feed import COUNT, STREAM, PurgeFeed
from edge.cache.tiers.purge import Purge
from tests.edge.origins import Origin, polite_origin
from tests.edge.processes.harness import Edge, running, until

SOON = 1.0


@asynccontextmanager
async def an_edge(
    settings: Settings,
    origin: Origin,
    name: str,
    *,
    workers: int = 1,
    redis: RedisSettings | None,
    **more: str,
) -> AsyncIterator[Edge]:
    settings = settings.model_copy(update={"var_dir": settings.var_dir / name})
    env = {
        "KAWA_EDGE__ORIGINS__WEB__KIND": "http",
        "KAWA_EDGE__ORIGINS__WEB__URL": origin.url,
        "KAWA_EDGE__ORIGINS__WEB__PUBLIC": "true",
        "KAWA_EDGE__ROOT_ORIGIN": "web",
        **more,
    }
    if redis is not None and redis.url is not None:
        env["KAWA_REDIS__URL"] = redis.url.get_secret_value()
    async with running(settings, workers=workers, admin=None, **env) as edge:
        if redis is not None:

            async def follows() -> bool:
                return bool((await edge.health())["purges"]["feed"] == "connected")

            await until(follows)
        yield edge


@pytest.fixture
async def origin() -> AsyncIterator[Origin]:
    async with polite_origin() as origin:
        origin.headers = {"Cache-Control": "max-age=600", "Cache-Tag": "film-1"}
        origin.files = {"/web/v/1.m4s": b"one", "/v/1.m4s": b"one", "/v/2.m4s": b"two"}
        yield origin


async def body_of(edge: Edge, path: str) -> bytes:
    # A connection of its own each time, so that every worker gets some.
    async with ClientSession() as session, session.get(edge.url + path) as answer:
        assert answer.status == 200
        return await answer.read()


async def test_a_purge_of_every_kind_reaches_every_worker(
    settings: Settings, origin: Origin
) -> None:
    async with an_edge(settings, origin, "one", workers=2, redis=None) as edge:
        body = b"one"
        for number, purge in enumerate(
            (
                {"kind": "url", "value": "/v/1.m4s"},
                {"kind": "url", "value": "http://cdn.example/v/1.m4s"},
                {"kind": "url", "value": origin.url + "/v/1.m4s"},
                {"kind": "prefix", "value": "/v/"},
                {"kind": "tag", "value": "film-1"},
                {"kind": "all"},
                {"kind": "url", "value": "/v/1.m4s", "soft": True},
            )
        ):
            for _ in range(8):
                assert await body_of(edge, "/v/1.m4s") == body
            asked = origin.asked.count("/v/1.m4s")
            origin.files["/v/1.m4s"] = body = b"body %d" % number

            status, answer = await edge.order("/cache/purge", body=purge)

            assert status == 200, purge
            assert answer["files"] >= 1, purge
            assert (answer["missed"], answer["other_edges"]) == ([], "off")
            for _ in range(8):
                assert await body_of(edge, "/v/1.m4s") == body, purge
            assert origin.asked.count("/v/1.m4s") == asked + 1, purge


async def test_a_purge_reaches_other_edges_within_a_second(
    settings: Settings, origin: Origin, redis_settings: RedisSettings
) -> None:
    async with AsyncExitStack() as stack:
        first, second = [
            await stack.enter_async_context(
                an_edge(settings, origin, name, redis=redis_settings, workers=2)
            )
            for name in ("first", "second")
        ]
        for edge in (first, second):
            for _ in range(6):
                assert await body_of(edge, "/v/1.m4s") == b"one"
        assert origin.asked.count("/v/1.m4s") == 2  # one for each machine
        origin.files["/v/1.m4s"] = b"other"

        started = time.monotonic()
        status, answer = await first.order("/cache/purge", body={"kind": "tag", "value": "film-1"})
        assert (status, answer["other_edges"]) == (200, "sent")

        async def arrived() -> bool:
            return await second.metric('edge_purges_total{source="edge"}') == 1

        await until(arrived)
        assert time.monotonic() - started < SOON
        for edge in (first, second):
            for _ in range(6):
                assert await body_of(edge, "/v/1.m4s") == b"other"
        # Its own purge is not done twice.
        assert await first.metric('edge_purges_total{source="edge"}') == 0


async def test_a_worker_that_missed_a_purge_does_it_when_it_is_back(
    settings: Settings, origin: Origin, tmp_path: Path
) -> None:
    async with an_edge(
        settings,
        origin,
        "one",
        redis=None,
        KAWA_EDGE__CACHE__FOLDER=str(tmp_path / "cache"),
        KAWA_EDGE__WATCHDOG_TIMEOUT="PT1S",
    ) as edge:
        for path in ("/v/1.m4s", "/v/2.m4s"):
            await body_of(edge, path)

        async def on_disk() -> bool:
            kept = (tmp_path / "cache").glob("*/*/*")
            return sum(path.parent.parent.name != "incoming" for path in kept) == 2

        await until(on_disk)
        (hung,) = edge.workers()
        os.kill(hung, signal.SIGSTOP)
        origin.files |= {"/v/1.m4s": b"other", "/v/2.m4s": b"other"}

        status, answer = await edge.order("/cache/purge", body={"kind": "url", "value": "/v/1.m4s"})

        assert (status, answer["missed"]) == (202, ["w0a"])
        assert await body_of(edge, "/v/1.m4s") == b"other"
        # What was not purged is still there, on the disk.
        assert await body_of(edge, "/v/2.m4s") == b"two"


class Followed:
    """A feed and what it did."""

    def __init__(self, redis: RedisSettings, state: Path) -> None:
        self.done: list[Purge] = []
        self.gaps = 0
        self.feed = PurgeFeed(
            redis, apply=self._apply, on_gap=self._on_gap, state=state, block_milliseconds=50
        )

    async def _apply(self, purge: Purge) -> None:
        self.done.append(purge)

    async def _on_gap(self) -> None:
        self.gaps += 1

    async def has(self, *values: str) -> None:
        async def done() -> bool:
            return [purge.value for purge in self.done] == list(values)

        await until(done, seconds=10)


@asynccontextmanager
async def followed(redis: RedisSettings, state: Path) -> AsyncIterator[Followed]:
    one = Followed(redis, state)
    task = asyncio.create_task(one.feed.run())

    async def connected() -> bool:
        return one.feed.connected

    try:
        await until(connected, seconds=10)
        yield one
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def client_of(redis: RedisSettings) -> Redis:
    assert redis.url is not None
    client: Redis = Redis.from_url(redis.url.get_secret_value())
    return client


async def test_what_was_purged_while_an_edge_was_away_is_done_when_it_is_back(
    redis_settings: RedisSettings, tmp_path: Path
) -> None:
    async with followed(redis_settings, tmp_path / "a") as teller:
        async with followed(redis_settings, tmp_path / "b") as other:
            assert await teller.feed.tell(Purge("tag", "1")) == "sent"
            await other.has("1")
        for value in ("2", "3"):
            await teller.feed.tell(Purge("tag", value))
        async with followed(redis_settings, tmp_path / "b") as back:
            await back.has("2", "3")
            assert back.gaps == 0
        # A new edge has nothing from before, and nothing to do.
        async with followed(redis_settings, tmp_path / "c") as new:
            await teller.feed.tell(Purge("tag", "4"))
            await new.has("4")
        assert teller.done == []


async def test_purges_that_were_trimmed_before_they_were_read_are_a_gap(
    redis_settings: RedisSettings, tmp_path: Path
) -> None:
    async with followed(redis_settings, tmp_path / "a") as teller:
        async with followed(redis_settings, tmp_path / "b") as other:
            await teller.feed.tell(Purge("tag", "1"))
            await other.has("1")
        for value in ("2", "3", "4"):
            await teller.feed.tell(Purge("tag", value))
        async with client_of(redis_settings) as client:
            await client.xtrim(STREAM, maxlen=1, approximate=False)
        async with followed(redis_settings, tmp_path / "b") as back:
            await back.has("4")
            assert back.gaps == 1


async def test_a_redis_that_lost_everything_is_a_gap_and_is_followed_on(
    redis_settings: RedisSettings, tmp_path: Path
) -> None:
    async with (
        followed(redis_settings, tmp_path / "a") as teller,
        followed(redis_settings, tmp_path / "b") as other,
    ):
        await teller.feed.tell(Purge("tag", "1"))
        await other.has("1")
        async with client_of(redis_settings) as client:
            await client.delete(STREAM, COUNT)

        async def seen() -> bool:
            return other.gaps == 1 and teller.gaps == 1

        await until(seen, seconds=10)
        await teller.feed.tell(Purge("tag", "2"))
        await other.has("1", "2")
        assert other.gaps == 1


async def test_what_is_no_purge_in_the_stream_is_passed_over(
    redis_settings: RedisSettings, tmp_path: Path
) -> None:
    async with (
        followed(redis_settings, tmp_path / "a") as teller,
        followed(redis_settings, tmp_path / "b") as other,
        client_of(redis_settings) as client,
    ):
        await client.xadd(STREAM, {"anything": "else"})
        await client.xadd(STREAM, {"number": "many", "edge": "x", "purge": "{}"})
        await teller.feed.tell(Purge("tag", "1"))
        await other.has("1")


async def test_while_redis_is_away_purges_wait_and_are_told_when_it_is_back(
    settings: Settings, tmp_path: Path
) -> None:
    folder = tmp_path / "valkey"
    async with AsyncExitStack() as stack:
        async with embedded_valkey(folder) as url:
            redis = RedisSettings.model_validate({"url": url})
            teller = await stack.enter_async_context(followed(redis, tmp_path / "a"))
            other = await stack.enter_async_context(followed(redis, tmp_path / "b"))
        assert await teller.feed.tell(Purge("tag", "1")) == "queued"
        assert await teller.feed.tell(Purge("tag", "2")) == "queued"
        async with embedded_valkey(folder) as again:
            assert again == url
            await other.has("1", "2")
            assert teller.done == []
