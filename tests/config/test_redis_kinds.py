from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from config.runtime.redis import open_redis
from config.runtime.sessions.errors import LimitReached, StoreWarming
from config.runtime.sessions.founding import settle
from config.runtime.sessions.keys import EPOCH
from config.runtime.sessions.store import SessionStore
from config.settings.sessions import SessionSettings
from config.settings.shared import RedisSettings
from tests.config.sessions.starts import record, start
from tests.config.sessions.valkeys import Valkey, running

SLOTS = 16_384
WAITS = {"acquire_timeout": "PT1S", "connect_timeout": "PT1S", "command_timeout": "PT1S"}


async def until(is_so: Callable[[], Awaitable[bool]], *, seconds: float = 30) -> None:
    async with asyncio.timeout(seconds):
        while not await is_so():
            await asyncio.sleep(0.05)


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[tuple[Valkey, Valkey]]:
    options = ("--cluster-enabled", "yes", "--cluster-node-timeout", "2000")
    first, second = (Valkey(tmp_path / name, *options) for name in ("first", "second"))
    async with running(first, second):
        await first.ask("CLUSTER", "ADDSLOTSRANGE", 0, SLOTS // 2 - 1)
        await second.ask("CLUSTER", "ADDSLOTSRANGE", SLOTS // 2, SLOTS - 1)
        await first.ask("CLUSTER", "MEET", "127.0.0.1", second.port)

        async def is_whole() -> bool:
            infos = [await node.ask("CLUSTER", "INFO") for node in (first, second)]
            return all("cluster_state:ok" in str(info) for info in infos)

        await until(is_whole)
        yield first, second


def of_cluster(nodes: tuple[Valkey, ...], **given: Any) -> RedisSettings:
    return RedisSettings.model_validate(
        {
            "kind": "cluster",
            "url": "redis://unused",
            "nodes": [node.address for node in nodes],
            **WAITS,
            **given,
        }
    )


async def test_limits_hold_in_a_cluster_of_two_nodes(cluster: tuple[Valkey, Valkey]) -> None:
    async with open_redis(of_cluster(cluster)) as client:
        await settle(client)
        store = SessionStore(client, SessionSettings(), edge="edge-1")
        for subject in range(20):
            for number in range(3):
                one = start(number, subject=f"viewer-{subject}")
                await store.admit(one, record(one))
            with pytest.raises(LimitReached):
                await store.admit(start(9, subject=f"viewer-{subject}"), record(start(9)))
            items = [(start(0, subject=f"viewer-{subject}"), record(start(0)))]
            assert (await store.renew(store.shard_of(f"viewer-{subject}"), items)).gone == ()
        assert len([one async for one in store.listed()]) == 60
        await store.order("kick", "session-1", "viewer-1")
        await store.saw("/main/a-film/", ["viewer-1", "viewer-2"])
        assert await store.viewers("/main/a-film/", 3) == 2
        assert await store.forget("viewer-1") == 3

    sizes = [await node.ask("DBSIZE") for node in cluster]
    assert min(sizes) > 80  # both nodes hold shards


async def test_a_node_of_a_cluster_that_lost_its_keys_is_warmed_alone(
    cluster: tuple[Valkey, Valkey],
) -> None:
    async with open_redis(of_cluster(cluster)) as client:
        await settle(client)
        store = SessionStore(client, SessionSettings(), edge="edge-1")
        await store.admit(start(1), record(start(1)))
        slot = await cluster[0].ask("CLUSTER", "KEYSLOT", EPOCH)
        await cluster[1 - slot // (SLOTS // 2)].ask(
            "FLUSHALL"
        )  # not the one that knows of new Redises

        outcomes = []
        for number in range(40):
            one = start(number, subject=f"viewer-of-{number}")
            try:
                await store.admit(one, record(one))
            except StoreWarming:
                outcomes.append("warming")
            else:
                outcomes.append("admitted")

    assert {"warming", "admitted"} == set(outcomes)


async def test_a_command_to_a_slot_that_has_moved_finds_its_way(
    cluster: tuple[Valkey, Valkey],
) -> None:
    first, second = cluster
    async with open_redis(of_cluster((first,))) as client:
        await client.set("a{moved}", "kept")
        slot = await first.ask("CLUSTER", "KEYSLOT", "a{moved}")
        source, target = (first, second) if slot < SLOTS // 2 else (second, first)
        to, of = [(await node.ask("CLUSTER", "MYID")).decode() for node in (target, source)]
        await target.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", of)
        await source.ask("CLUSTER", "SETSLOT", slot, "MIGRATING", to)
        await source.ask("MIGRATE", "127.0.0.1", target.port, "a{moved}", 0, 5000)
        for node in (target, source):
            await node.ask("CLUSTER", "SETSLOT", slot, "NODE", to)

        assert await client.get("a{moved}") == b"kept"
        assert await client.incr("b{moved}") == 1


async def test_streams_and_lists_of_fields_are_read_in_a_cluster_too(
    cluster: tuple[Valkey, Valkey],
) -> None:
    async with open_redis(of_cluster(cluster)) as client:
        written = await client.xadd("kawa:{some}:stream", {"a": "b"})
        found: Any = await client.xread({"kawa:{some}:stream": "0"}, count=5, block=100)
        assert str(written) in str(found)
        await client.hset("kawa:{some}:hash", "field", "value")
        assert [pair async for pair in client.hscan_iter("kawa:{some}:hash")] == [
            (b"field", b"value")
        ]
        async with client.pipeline(transaction=False) as pipeline:
            for number in range(20):
                pipeline.set(f"key-{number}", number)
            assert await pipeline.execute() == [True] * 20


async def test_a_cluster_that_answers_late_is_not_told_twice(
    cluster: tuple[Valkey, Valkey],
) -> None:
    settings = of_cluster(cluster, command_timeout="PT0.3S")
    async with open_redis(settings) as client:
        await client.set("number", 0)
        slot = await cluster[0].ask("CLUSTER", "KEYSLOT", "number")
        node = cluster[slot // (SLOTS // 2)]
        began = time.monotonic()
        with node.stopped(), pytest.raises((RedisTimeoutError, RedisConnectionError)):
            await client.incr("number")
        assert time.monotonic() - began < 2

        async def is_back() -> bool:
            try:
                return await client.get("number") == b"1"
            except RedisError:
                return False

        await until(is_back)


async def test_more_commands_than_connections_wait_for_their_turn(
    cluster: tuple[Valkey, Valkey],
) -> None:
    async with open_redis(of_cluster(cluster, pool_size=2)) as client:
        await asyncio.gather(*(client.incr("number") for _ in range(100)))
        assert await client.get("number") == b"100"

    tight = of_cluster(cluster, pool_size=1, acquire_timeout="PT0.05S")
    async with open_redis(tight) as client:
        await client.ping()
        slow = asyncio.ensure_future(client.blpop(["no-such"], timeout=0.5))
        await asyncio.sleep(0)
        with pytest.raises(RedisConnectionError, match="No connection available"):
            await client.get("number")
        await slow


async def test_the_master_that_sentinels_name_is_used_and_its_successor_too(
    tmp_path: Path,
) -> None:
    master = Valkey(tmp_path / "master", "--repl-diskless-sync-delay", "0")
    replica = Valkey(tmp_path / "replica", "--replicaof", "127.0.0.1", str(master.port))
    folder = tmp_path / "sentinel"
    folder.mkdir()
    file = folder / "sentinel.conf"
    file.write_text(
        f"sentinel monitor kawa 127.0.0.1 {master.port} 1\n"
        "sentinel down-after-milliseconds kawa 1000\n"
        "sentinel failover-timeout kawa 5000\n"
    )
    sentinel = Valkey(folder, mode=(str(file), "--sentinel"))
    settings = RedisSettings.model_validate(
        {
            "kind": "sentinel",
            "url": "redis://unused/0",
            "sentinels": ["127.0.0.1:1", sentinel.address],
            "service": "kawa",
            "pool_size": 2,
            **WAITS,
        }
    )
    async with running(master, replica, sentinel), open_redis(settings) as client:
        await sentinel.ask("SENTINEL", "DEBUG", "info-period", 200)
        await until(lambda: _is_ready_to_take_over(sentinel))
        await settle(client)
        store = SessionStore(client, SessionSettings(), edge="edge-1")
        await asyncio.gather(*(store.admit(start(n), record(start(n))) for n in range(3)))
        assert await client.config_get("port") == {"port": str(master.port)}
        assert await client.wait(1, 500) == 1

        await sentinel.ask("SENTINEL", "FAILOVER", "kawa")

        async def is_over() -> bool:
            try:
                at = (await client.config_get("port"))["port"]
                return at == str(replica.port) and bool(await client.set("written", 1))
            except (RedisError, OSError):
                return False

        await until(is_over)
        with pytest.raises(LimitReached):
            await store.admit(start(4), record(start(4)))
        assert await _connections(replica) <= 2 + 2  # besides the Sentinel's two


async def test_without_a_sentinel_that_answers_there_is_no_wait() -> None:
    settings = RedisSettings.model_validate(
        {"kind": "sentinel", "url": "redis://unused", "sentinels": ["127.0.0.1:1"], **WAITS}
    )
    async with open_redis(settings) as client:
        began = time.monotonic()
        with pytest.raises(RedisConnectionError):
            await client.ping()
        assert time.monotonic() - began < 1


@pytest.mark.parametrize(
    "given",
    [
        pytest.param({"kind": "sentinel", "url": "redis://host"}, id="no Sentinels"),
        pytest.param({"kind": "cluster", "url": "redis://host"}, id="no nodes"),
        pytest.param({"kind": "cluster", "nodes": ["host:1"]}, id="no URL"),
        pytest.param({"kind": "cluster", "url": "redis://host", "nodes": ["host"]}, id="no port"),
        pytest.param(
            {"kind": "cluster", "url": "redis://host", "nodes": ["user@host:1"]}, id="a user"
        ),
    ],
)
def test_settings_that_lead_nowhere_are_refused(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        RedisSettings.model_validate(given)


async def _is_ready_to_take_over(sentinel: Valkey) -> bool:
    async with Redis(host="127.0.0.1", port=sentinel.port, socket_timeout=5) as client:
        replicas = await client.sentinel_slaves("kawa")
    return any(one["master-link-status"] == "ok" for one in replicas)


async def _connections(server: Valkey) -> int:
    async with Redis(host="127.0.0.1", port=server.port, socket_timeout=5) as client:
        return len(await client.client_list()) - 1
