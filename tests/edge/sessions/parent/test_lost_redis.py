from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import ConstantBackoff
from redis.exceptions import RedisError

from config.contracts.stream_events import EVENTS
from config.runtime.redis import open_redis
from config.runtime.sessions.founding import settle
from config.runtime.sessions.store import SessionStore
from config.runtime.tasks import heed_cancellation
from config.settings.shared import RedisSettings
from edge.errors import NoSessions, TooManyStreams
from edge.sessions.open import Together, open_registry
from tests.config.sessions.valkeys import Valkey, running
from tests.edge.sessions.parent.harness import (
    NOW,
    Catalog,
    Clock,
    Edges,
    Worker,
    registry_settings,
    start,
)


@pytest.fixture
async def valkey(tmp_path: Path) -> AsyncIterator[Valkey]:
    server = Valkey(tmp_path / "valkey")
    async with running(server):
        yield server


@pytest.fixture
def own_redis(valkey: Valkey) -> RedisSettings:
    return RedisSettings.model_validate(
        {"url": valkey.url, "command_timeout": "PT0.5S", "acquire_timeout": "PT1S"}
    )


@pytest.fixture
async def own_client(valkey: Valkey) -> AsyncIterator[Redis]:
    """A patient one, whose connections may be of a server that was killed."""
    client = Redis.from_url(
        valkey.url, retry=Retry(ConstantBackoff(0.05), 20), retry_on_error=[RedisError]
    )
    await settle(client)
    yield client
    await client.aclose()


@pytest.fixture
async def own_edges(
    own_client: Redis, own_redis: RedisSettings, clock: Clock, tmp_path: Path
) -> AsyncIterator[Edges]:
    settings = registry_settings(own_redis)
    async with Edges(settings, clock, tmp_path / "edges") as found:
        yield found


def soon_warm(redis: RedisSettings, **sessions: Any) -> Any:
    return registry_settings(redis, flush="PT0.2S", switch_grace="PT30S", **sessions)


async def test_events_that_redis_lost_are_told_again(
    own_edges: Edges, own_client: Redis, valkey: Valkey, clock: Clock
) -> None:
    catalog = Catalog(own_client)
    edge = await own_edges.add()
    await play(own_edges, edge, 100)
    await edge.control.stop("one")
    await edge.tell()

    await valkey.kill()
    await valkey.start()
    await again(edge.tell)
    assert await own_client.xlen(EVENTS) == 2
    await catalog.store()
    await edge.tell()

    assert catalog.rows["one"].bytes == 100
    assert len(edge.outgoing) == 0


async def test_events_that_are_stored_are_not_told_again_when_redis_loses_them(
    own_edges: Edges, own_client: Redis, valkey: Valkey, clock: Clock
) -> None:
    edge = await own_edges.add()
    await play(own_edges, edge, 100)
    await edge.tell()
    await Catalog(own_client).store()
    await edge.tell()

    await valkey.kill()
    await valkey.start()
    await again(edge.tell)

    assert await own_client.xlen(EVENTS) == 0


async def test_sums_hold_while_redis_comes_and_goes_and_the_catalog_reads_everything_twice(
    own_edges: Edges, own_client: Redis, valkey: Valkey, clock: Clock
) -> None:
    catalog = Catalog(own_client)
    edge = await own_edges.add()
    worker = own_edges.worker(edge)
    for round in range(4):
        for id in ("one", "two"):
            await edge.control.open(start(id, subject=id), joins=True)
            worker.give(id, 1000 + round)
        await worker.tell()
        clock.wait(61)
        await edge.tick()
        if round % 2:
            await again(edge.tell)
            await catalog.store(again=True, acknowledge=round == 3)
            await catalog.store(again=True)
            await valkey.kill()
            await valkey.start()
    for id in ("one", "two"):
        await edge.control.stop(id)
    await edge.tick()
    await again(edge.tell)
    await catalog.store(again=True)

    assert [catalog.rows[id].bytes for id in ("one", "two")] == [4006, 4006]


async def test_running_sessions_are_told_to_a_redis_that_came_back_empty(
    own_edges: Edges, own_client: Redis, valkey: Valkey, clock: Clock
) -> None:
    edge = await own_edges.add()
    for number in range(50):
        await edge.control.open(start(f"s{number}", subject=f"u{number}"), joins=False)
    await again(edge.flusher.turn)
    assert len(await listed(own_edges, own_client)) == 50

    await valkey.kill()
    await valkey.start()
    worker = own_edges.worker(edge)
    clock.wait(1)
    worker.give("s0", 1)  # the others are told too: they have not been silent for long
    await worker.tell()
    clock.wait(15)  # every shard has its turn
    async with asyncio.timeout(20):
        while len(await listed(own_edges, own_client)) < 50:
            heed_cancellation()
            await edge.flusher.turn()


async def test_a_redis_that_came_back_empty_lets_nobody_over_the_limit(
    own_edges: Edges, own_client: Redis, own_redis: RedisSettings, valkey: Valkey, clock: Clock
) -> None:
    settings = registry_settings(own_redis, without_redis="deny")
    one = await own_edges.add("edge-a", settings=settings)
    two = await own_edges.add("edge-b", settings=settings)
    for id in ("s1", "s2", "s3"):
        await one.control.open(start(id, limit=3), joins=False)
    await valkey.kill()
    await valkey.start()

    refused = 0
    for number in range(20):
        try:
            await two.control.open(start(f"t{number}", limit=3), joins=False)
        except (NoSessions, TooManyStreams):
            refused += 1

    assert refused == 20


async def test_with_policy_allow_streams_begin_while_redis_is_away_and_the_newest_lose_afterwards(
    own_edges: Edges, own_client: Redis, own_redis: RedisSettings, valkey: Valkey, clock: Clock
) -> None:
    settings = soon_warm(own_redis)
    one = await own_edges.add("edge-a", settings=settings)
    two = await own_edges.add("edge-b", settings=settings)
    await one.control.open(start("old", limit=3), joins=False)
    await valkey.kill()

    began = []
    for number in range(10):
        edge = (one, two)[number % 2]
        id = f"s{number}"
        try:
            await edge.control.open(
                start(id, limit=3, started_at=int(NOW) + 1 + number), joins=False
            )
            began.append(id)
        except TooManyStreams:
            pass
    assert len(began) == 2 + 3  # what each edge knows alone

    await valkey.start()
    async with asyncio.timeout(20):
        while len(playing(one)) + len(playing(two)) > 3 or await held(own_redis, settings) != 3:
            heed_cancellation()
            for id in playing(one):
                await one.control.open(start(id), joins=True)
            clock.wait(0.05)
            for edge in (one, two):
                await edge.flusher.turn()
            await asyncio.sleep(0.02)

    left = sorted(playing(one) + playing(two))
    assert len(left) == 3
    assert "old" in left
    ended = [id for id in began if id not in left]
    for id in ended:
        state = one.control.shown(id) or two.control.shown(id)
        assert state is not None
        assert state.reason == "limit"


async def test_with_policy_deny_only_streams_without_a_limit_begin_while_redis_is_away(
    own_edges: Edges, own_redis: RedisSettings, valkey: Valkey, clock: Clock
) -> None:
    edge = await own_edges.add(settings=registry_settings(own_redis, without_redis="deny"))
    await edge.control.open(start("before", limit=3), joins=False)
    await valkey.kill()

    with pytest.raises(NoSessions):
        await edge.control.open(start("one", limit=3), joins=False)
    await edge.control.open(start("two"), joins=False)
    await edge.control.open(start("before", limit=3), joins=False)

    assert playing(edge) == ["before", "two"]


@pytest.mark.parametrize("policy", ["allow", "deny"])
async def test_a_redis_that_answers_late_keeps_nobody_waiting_for_longer_than_the_limits_say(
    policy: str, own_edges: Edges, own_redis: RedisSettings, valkey: Valkey, clock: Clock
) -> None:
    edge = await own_edges.add(settings=registry_settings(own_redis, without_redis=policy))
    loop = asyncio.get_running_loop()

    async def attempt(id: str) -> tuple[bool, float]:
        began = loop.time()
        try:
            await edge.control.open(start(id, limit=3), joins=False)
        except (NoSessions, TooManyStreams):
            return False, loop.time() - began
        return True, loop.time() - began

    with valkey.stopped():
        found = await asyncio.gather(*(attempt(f"s{number}") for number in range(20)))

    assert max(seconds for _, seconds in found) < 2
    assert sum(began for began, _ in found) == (3 if policy == "allow" else 0)


async def test_an_edge_begins_and_ends_without_redis_being_there(
    own_redis: RedisSettings, valkey: Valkey, tmp_path: Path
) -> None:
    await valkey.kill()
    settings = registry_settings(own_redis)
    async with open_registry(settings, folder=tmp_path / "j", node="edge-a") as control:
        await control.open(start("one", limit=1), joins=False)
        with pytest.raises(TooManyStreams):
            await control.open(start("two", limit=1), joins=False)
        assert len(await control.secret()) >= 16
        assert await control.viewers("/vod/title/") is None


async def test_what_a_registry_knows_goes_to_the_catalog_when_it_ends_in_order(
    own_client: Redis, own_redis: RedisSettings, tmp_path: Path
) -> None:
    settings = registry_settings(own_redis)
    now = Clock()
    async with open_registry(settings, folder=tmp_path, node="edge-a", clock=now) as control:
        worker = Worker(control, "w0a", now)
        await control.open(start(), joins=False)
        worker.give("one", 100)
        await worker.tell()
    catalog = Catalog(own_client)
    await catalog.store()

    assert catalog.rows["one"].bytes == 100
    assert not catalog.rows["one"].is_stopped


def playing(edge: Together) -> list[str]:
    return [one.start.id for one in edge.control.listed()]


async def play(edges: Edges, edge: Together, size: int) -> None:
    worker = edges.worker(edge)
    await edge.control.open(start(), joins=False)
    worker.give("one", size)
    await worker.tell()
    await edge.tick()


async def listed(edges: Edges, client: Redis) -> list[str]:
    store = SessionStore(client, edges.settings.sessions, edge=None, clock=edges.clock)
    return [one.session async for one in store.listed()]


async def held(redis: RedisSettings, settings: Any) -> int:
    async with open_redis(redis) as client:
        store = SessionStore(client, settings.sessions, edge=None)
        return len(await store.playing("user:1"))


async def again(work: Any) -> None:
    """Try until connections that a killed server left behind are made anew."""
    async with asyncio.timeout(20):
        while True:
            heed_cancellation()
            try:
                await work()
            except (RedisError, OSError):
                await asyncio.sleep(0.02)
            else:
                break
    await work()
