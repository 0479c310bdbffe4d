from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import OutOfMemoryError
from redis.exceptions import TimeoutError as RedisTimeoutError

from config.launch.embedded.valkey import embedded_valkey
from config.runtime.breaker import BreakerOpen
from config.runtime.redis import open_redis
from config.runtime.sessions.errors import LimitReached, SettingsDiffer, StoreWarming
from config.runtime.sessions.founding import settle
from config.runtime.sessions.keys import SECRET, epoch_key, shard_of
from config.runtime.sessions.orders import ORDERS_COUNT, ORDERS_STREAM
from config.runtime.sessions.store import SessionStore
from config.settings.sessions import SessionSettings
from config.settings.shared import RedisSettings
from tests.config.sessions.conftest import OpenStore
from tests.config.sessions.starts import CONTENT, record, start
from tests.config.sessions.valkeys import Valkey, running


@pytest.fixture
async def valkey(tmp_path: Path) -> AsyncIterator[Valkey]:
    server = Valkey(tmp_path / "valkey")
    async with running(server):
        yield server


@pytest.fixture
async def client(valkey: Valkey) -> AsyncIterator[Redis]:
    settings = RedisSettings.model_validate(
        {"url": valkey.url, "command_timeout": "PT0.3S", "acquire_timeout": "PT1S"}
    )
    async with open_redis(settings) as client:
        await settle(client)
        yield client


async def let_it_be_warm(client: Redis) -> None:
    """As if it were later: the warm-up is over for the shard of the tests' subject."""
    await client.hincrby(epoch_key(shard_of("viewer-1")), "began", -30_001)


async def admitted_of(store: SessionStore, numbers: range) -> list[int]:
    async def attempt(number: int) -> bool:
        try:
            await store.admit(start(number), record(start(number)))
        except (LimitReached, StoreWarming, RedisConnectionError, RedisTimeoutError):
            return False
        return True

    outcomes = await asyncio.gather(*(attempt(number) for number in numbers))
    return [number for number, is_in in zip(numbers, outcomes, strict=True) if is_in]


async def test_of_twenty_starts_with_redis_killed_in_between_never_more_than_three_play(
    valkey: Valkey, client: Redis
) -> None:
    edge, other = (
        SessionStore(client, SessionSettings(), edge=name) for name in ("edge-1", "edge-2")
    )
    playing = await admitted_of(edge, range(10))
    assert len(playing) == 3
    await valkey.kill()

    assert await admitted_of(other, range(10, 12)) == []

    await valkey.start()
    assert await admitted_of(other, range(12, 20)) == []  # warming
    shard = edge.shard_of("viewer-1")
    items = [(start(number), record(start(number))) for number in playing]
    assert (await edge.renew(shard, items)).gone == ()
    await let_it_be_warm(client)
    with pytest.raises(LimitReached):
        await other.admit(start(20), record(start(20)))
    assert sorted(one.started_at for one in await other.playing("viewer-1")) == sorted(
        one.started_at for one, _ in items
    )


async def test_a_session_without_limit_does_not_wait_until_redis_is_warm(client: Redis) -> None:
    await client.flushall()
    store = SessionStore(client, SessionSettings(), edge="edge-1")

    await store.admit(start(1, limit=None), record(start(1)))
    await store.admit(start(2), record(start(2)), force=True)

    with pytest.raises(StoreWarming) as refusal:
        await store.admit(start(3), record(start(3)))
    assert 25 < refusal.value.seconds <= 30


async def test_a_session_that_was_put_back_is_admitted_while_warming(client: Redis) -> None:
    await client.flushall()
    store = SessionStore(client, SessionSettings(), edge="edge-1")
    await store.renew(store.shard_of("viewer-1"), [(start(1), record(start(1)))])

    await store.admit(start(1), record(start(1)))


async def test_edges_see_by_the_epoch_that_redis_lost_what_it_had(client: Redis) -> None:
    store = SessionStore(client, SessionSettings(), edge="edge-1")
    shard = store.shard_of("viewer-1")
    first = await store.admit(start(1), record(start(1)))
    assert (await store.renew(shard, [(start(1), record(start(1)))])).epoch == first.epoch

    await client.flushall()

    assert (await store.renew(shard, [(start(1), record(start(1)))])).epoch != first.epoch


async def test_what_comes_back_after_the_warming_is_gone(client: Redis) -> None:
    store = SessionStore(client, SessionSettings(), edge="edge-1")
    await store.admit(start(1), record(start(1)))
    await client.flushall()
    with pytest.raises(StoreWarming):
        await store.admit(start(2), record(start(2)))
    await let_it_be_warm(client)
    await store.admit(start(2), record(start(2)))

    renewed = await store.renew(store.shard_of("viewer-1"), [(start(1), record(start(1)))])

    assert renewed.gone == ("session-00000001",)


async def test_a_single_shard_that_was_lost_is_warmed_alone(client: Redis) -> None:
    store = SessionStore(client, SessionSettings(), edge="edge-1")
    await store.admit(start(1), record(start(1)))
    await client.delete(f"kawa:{{s{store.shard_of('viewer-1')}}}:epoch")

    with pytest.raises(StoreWarming):
        await store.admit(start(2), record(start(2)))
    stranger = start(3, subject="stranger")
    assert store.shard_of("stranger") != store.shard_of("viewer-1")
    await store.admit(stranger, record(stranger))


async def test_a_redis_that_begins_with_kawa_is_warm_from_the_start(client: Redis) -> None:
    await client.flushall()
    await settle(client)
    await SessionStore(client, SessionSettings(), edge="edge-1").admit(start(1), record(start(1)))


async def test_a_valkey_that_kawa_starts_is_settled(tmp_path: Path) -> None:
    async with (
        embedded_valkey(tmp_path) as url,
        open_redis(RedisSettings.model_validate({"url": url})) as client,
    ):
        store = SessionStore(client, SessionSettings(), edge="edge-1")
        await store.admit(start(1), record(start(1)))


async def test_settling_a_redis_that_is_warming_changes_nothing(client: Redis) -> None:
    await client.flushall()
    store = SessionStore(client, SessionSettings(), edge="edge-1")
    with pytest.raises(StoreWarming):
        await store.admit(start(1), record(start(1)))
    await settle(client)

    with pytest.raises(StoreWarming):
        await store.admit(start(1), record(start(1)))


async def test_a_late_answer_costs_one_wait_and_its_session_has_one_place(
    valkey: Valkey, client: Redis
) -> None:
    store = SessionStore(client, SessionSettings(), edge="edge-1")
    await store.admit(start(1), record(start(1)))

    with valkey.stopped(), pytest.raises(RedisTimeoutError):
        await store.admit(start(2), record(start(2)))

    await store.admit(start(2), record(start(2)))
    assert len(await store.playing("viewer-1")) == 2


async def test_an_order_whose_answer_is_late_is_given_once(valkey: Valkey, client: Redis) -> None:
    store = SessionStore(client, SessionSettings(), edge="edge-1")
    await store.order("kick", "session-1")

    with valkey.stopped(), pytest.raises(RedisTimeoutError):
        await store.order("kick", "session-2")

    await store.order("kick", "session-3")
    assert await client.get(ORDERS_COUNT) == b"3"
    assert await client.xlen(ORDERS_STREAM) == 3


async def test_while_redis_is_away_the_breaker_answers_at_once(
    valkey: Valkey, client: Redis
) -> None:
    store = SessionStore(client, SessionSettings(), edge="edge-1")
    await valkey.kill()

    for _ in range(5):
        with pytest.raises(RedisConnectionError):
            await store.admit(start(1), record(start(1)))
    with pytest.raises(BreakerOpen):
        await store.admit(start(1), record(start(1)))

    assert store.breaker.state == "open"


async def test_a_refusal_stands_though_the_names_of_titles_are_not_to_be_had(
    client: Redis,
) -> None:
    store = SessionStore(client, SessionSettings(), edge="edge-1")
    await store.admit(start(1, limit=1), record(start(1)))
    other = SessionStore(client, SessionSettings(), edge="edge-2")
    (title,) = [key async for key in client.scan_iter("kawa:{t*")]
    await client.delete(title)
    await client.hset(title, "not", "a text")  # so that asking for it fails

    with pytest.raises(LimitReached) as refusal:
        await other.admit(start(2, limit=1), record(start(2)))

    assert [one.content for one in refusal.value.playing] == [""]


async def test_a_redis_that_came_back_empty_is_told_the_names_of_titles_again(
    client: Redis,
) -> None:
    edge, other = (
        SessionStore(client, SessionSettings(), edge=name) for name in ("edge-1", "edge-2")
    )
    shard, one = edge.shard_of("viewer-1"), start(1, limit=1)
    await edge.admit(one, record(one))
    await client.flushall()
    for _ in range(2):  # the first shows the loss
        await edge.renew(shard, [(one, record(one))])
    await let_it_be_warm(client)

    with pytest.raises(LimitReached) as refusal:
        await other.admit(start(2, limit=1), record(start(2)))

    assert [playing.content for playing in refusal.value.playing] == [CONTENT]


async def test_a_redis_without_memory_is_a_failure_too(client: Redis) -> None:
    store = SessionStore(client, SessionSettings(), edge="edge-1")
    await store.admit(start(1), record(start(1)))
    await client.config_set("maxmemory", 1)

    for number in range(5):
        with pytest.raises(OutOfMemoryError):
            await store.admit(start(number), record(start(number)))

    assert store.breaker.state == "open"


async def test_edges_agree_about_the_secret_that_redis_keeps(
    open_store: OpenStore, redis: Redis
) -> None:
    first, second = open_store("edge-1"), open_store("edge-2")
    marks = await asyncio.gather(first.mark("viewer-1"), second.mark("viewer-1"))
    assert marks[0] == marks[1]
    assert await first.secret() == await redis.get(SECRET)

    await redis.flushall()
    await first.admit(start(1), record(start(1)), force=True)

    assert await open_store("edge-3").mark("viewer-1") == marks[0]


async def test_an_edge_takes_up_the_secret_that_another_made_first(
    open_store: OpenStore, redis: Redis
) -> None:
    first, second = open_store("edge-1"), open_store("edge-2")
    before = await first.mark("viewer-1")
    await redis.flushall()
    await settle(redis)
    await second.admit(start(1), record(start(1)))

    await first.admit(start(2), record(start(2)))

    assert await first.mark("viewer-1") == await second.mark("viewer-1") != before
    assert len(await first.playing("viewer-1")) == 2


async def test_a_secret_of_the_settings_is_not_kept_in_redis(
    open_store: OpenStore, redis: Redis
) -> None:
    store = open_store(key="a-secret-of-sixteen")
    await store.admit(start(1), record(start(1)))

    assert await redis.get(SECRET) is None
    assert await store.secret() == b"a-secret-of-sixteen"


@pytest.mark.parametrize("other", [{"expected": 10_000_000}, {"key": "another-one-of-sixteen"}])
async def test_edges_of_different_settings_do_not_count_apart_in_silence(
    open_store: OpenStore, other: dict[str, object]
) -> None:
    await open_store("edge-1").admit(start(1), record(start(1)))

    with pytest.raises(SettingsDiffer):
        await open_store("edge-2", **other).admit(start(2), record(start(2)))


async def test_new_settings_hold_once_nobody_uses_the_old_ones(
    open_store: OpenStore, redis: Redis
) -> None:
    old, new = open_store("edge-1"), open_store("edge-1", expected=10_000_000)
    await old.admit(start(1), record(start(1)))
    key = f"kawa:{{s{old.shard_of('viewer-1')}}}:epoch"
    await redis.hincrby(key, "used", -121_000)

    with pytest.raises(StoreWarming):
        await new.admit(start(2), record(start(2)))
    with pytest.raises(SettingsDiffer):
        await old.admit(start(3), record(start(3)))


async def test_who_only_asks_learns_of_another_secret_within_a_minute(redis: Redis) -> None:
    now = [1_795_000_000.0]
    catalog = SessionStore(redis, SessionSettings(), edge=None, clock=lambda: now[0])
    before = await catalog.mark("viewer-1")
    await redis.flushall()
    await settle(redis)
    edge = SessionStore(redis, SessionSettings(), edge="edge-1")
    await edge.admit(start(1), record(start(1)))

    now[0] += 61

    assert await catalog.mark("viewer-1") == await edge.mark("viewer-1") != before
    assert [one.session for one in await catalog.playing("viewer-1")] == [start(1).id]


async def test_calls_at_once_agree_once(redis: Redis) -> None:
    store = SessionStore(redis, SessionSettings(), edge="edge-1")
    before = (await redis.info("commandstats")).get("cmdstat_set", {"calls": 0})["calls"]

    marks = await asyncio.gather(*(store.mark("viewer-1") for _ in range(20)))

    assert len(set(marks)) == 1
    assert (await redis.info("commandstats"))["cmdstat_set"]["calls"] == before + 1
