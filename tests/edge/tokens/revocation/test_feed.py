from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from redis.asyncio import Redis

from config.contracts.revocations import Revocation
from config.launch.embedded.valkey import embedded_valkey
from config.runtime.revocations import COUNT, ENDS, KNOWN, STREAM, publish
from config.settings.shared import RedisSettings
from edge.tokens.revocation.feed import RevocationFeed
from edge.tokens.revocation.orders import Lift, Revoke
from edge.tokens.revocation.register import Register
from tests.logs import logs_of


class Edge:
    """One edge's register and feed."""

    def __init__(self, redis: RedisSettings, register: Register | None = None) -> None:
        self.register = register or Register(most=200_000, longest_seconds=3600)
        self.new: list[Revocation] = []
        self.complete_at = 0.0
        self.feed = RevocationFeed(
            redis,
            self.register,
            clock=time.time,
            on_new=self.new.append,
            on_complete=self._complete,
            block_milliseconds=50,
        )

    def _complete(self, at: float) -> None:
        self.complete_at = at

    async def revoke(self, value: str) -> str:
        revocation = self.register.revoke(Revoke(kind="session", value=value), now=time.time())
        return await self.feed.tell(revocation)

    def known(self) -> set[str]:
        return {change.value for change in self.register.in_force()}

    async def knows(self, *values: str) -> None:
        await until(lambda: self.known() == set(values))


async def until(check: Callable[[], bool], *, seconds: float = 10) -> None:
    async with asyncio.timeout(seconds):
        while not check():
            await asyncio.sleep(0.005)


@asynccontextmanager
async def following(redis: RedisSettings, register: Register | None = None) -> AsyncIterator[Edge]:
    edge = Edge(redis, register)
    task = asyncio.create_task(edge.feed.run())
    try:
        await until(lambda: edge.feed.connected)
        yield edge
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def client_of(redis: RedisSettings) -> Redis:
    assert redis.url is not None
    client: Redis = Redis.from_url(redis.url.get_secret_value())
    return client


async def test_what_one_edge_is_told_the_other_knows_at_once(redis_settings: RedisSettings) -> None:
    async with following(redis_settings) as one, following(redis_settings) as other:
        started = time.monotonic()
        assert await one.revoke("a") == "sent"
        await other.knows("a")
        assert time.monotonic() - started < 1
        lifted = other.register.lift(Lift(kind="session", value="a"), now=time.time())
        assert await other.feed.tell(lifted) == "sent"
        await one.knows()
        assert one.new == [lifted]


async def test_an_edge_that_begins_learns_what_was_revoked_before(
    redis_settings: RedisSettings,
) -> None:
    async with following(redis_settings) as one:
        for value in "abc":
            await one.revoke(value)
    async with client_of(redis_settings) as client:
        await client.delete(STREAM)  # long since trimmed
    async with following(redis_settings) as new:
        await new.knows("a", "b", "c")


async def test_what_was_trimmed_before_it_was_read_is_learnt_from_the_list(
    redis_settings: RedisSettings,
) -> None:
    async with AsyncExitStack() as stack:
        one = await stack.enter_async_context(following(redis_settings))
        other = Edge(redis_settings)
        async with asyncio.TaskGroup() as group:
            task = group.create_task(other.feed.run())
            await until(lambda: other.feed.connected)
            await one.revoke("a")
            await other.knows("a")
            task.cancel()
        for value in ("b", "c", "d"):
            await one.revoke(value)
        async with client_of(redis_settings) as client:
            await client.xtrim(STREAM, maxlen=1, approximate=False)
        task = asyncio.create_task(other.feed.run())  # its place is from before
        try:
            await other.knows("a", "b", "c", "d")
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def test_a_redis_that_lost_everything_gets_it_back_and_nobody_forgets(
    redis_settings: RedisSettings,
) -> None:
    async with following(redis_settings) as one, following(redis_settings) as other:
        for value in "abc":
            await one.revoke(value)
        await other.knows("a", "b", "c")
        async with client_of(redis_settings) as client:
            await client.flushall()
            async with asyncio.timeout(10):
                while await client.hlen(KNOWN) < 3:
                    await asyncio.sleep(0.01)
        await other.revoke("d")
        await one.knows("a", "b", "c", "d")
        assert other.known() == {"a", "b", "c", "d"}
        async with following(redis_settings) as new:
            await new.knows("a", "b", "c", "d")


async def test_only_the_list_lost_is_restored_with_the_next_start(
    redis_settings: RedisSettings,
) -> None:
    async with following(redis_settings) as one:
        await one.revoke("a")
    async with client_of(redis_settings) as client:
        await client.delete(KNOWN, ENDS)
    async with following(redis_settings, one.register):
        async with following(redis_settings) as new:
            await new.knows("a")


async def test_what_was_revoked_while_redis_was_away_arrives_when_it_is_back(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "valkey"
    async with AsyncExitStack() as stack:
        async with embedded_valkey(folder) as url:
            redis = RedisSettings.model_validate({"url": url})
            one = await stack.enter_async_context(following(redis))
            other = await stack.enter_async_context(following(redis))
            await one.revoke("before")
            await other.knows("before")
        await until(lambda: not (one.feed.connected or other.feed.connected))
        assert await one.revoke("one") == "queued"
        assert await other.revoke("other") == "queued"
        async with embedded_valkey(folder) as again:  # and it is empty
            assert again == url
            for edge in (one, other):
                await edge.knows("before", "one", "other")


async def test_a_copy_that_was_told_to_nobody_is_told(redis_settings: RedisSettings) -> None:
    register = Register(most=10, longest_seconds=3600)
    register.revoke(Revoke(kind="session", value="a"), now=time.time())
    async with following(redis_settings) as other, following(redis_settings, register):
        await other.knows("a")


async def test_a_copy_from_before_does_not_bring_back_what_was_lifted_meanwhile(
    redis_settings: RedisSettings,
) -> None:
    old = Register(most=10, longest_seconds=3600)
    async with following(redis_settings) as one:
        await one.revoke("a")
        held = one.register.get(("session", "a"))
        assert held is not None
        old.merge(held, now=time.time())
        lifted = one.register.lift(Lift(kind="session", value="a"), now=time.time())
        await one.feed.tell(lifted)
        async with following(redis_settings, old) as back:
            await back.knows()
            assert one.known() == set()


async def test_nonsense_in_redis_is_passed_over(redis_settings: RedisSettings) -> None:
    async with client_of(redis_settings) as client:
        await client.hset(KNOWN, "session:x", "nonsense")
        with logs_of("edge.feed") as said:
            async with following(redis_settings) as one, following(redis_settings) as other:
                await client.xadd(STREAM, {"anything": "else"})
                await client.xadd(
                    STREAM, {"number": await client.incr(COUNT), "revocation": b"\xff"}
                )
                await one.revoke("a")
                await other.knows("a")
                await one.knows("a")
    # Once each: not again and again.
    events = [line["event"] for line in said]
    assert events.count("an entry in the stream is not one") == 2


async def test_redis_forgets_what_has_ended_and_keeps_what_has_not(
    redis_settings: RedisSettings,
) -> None:
    now = int(time.time())
    async with client_of(redis_settings) as client:
        for number in range(300):
            held = Revocation(kind="session", value=f"old{number}", at=number, until=now + 2)
            await publish(client, [held])
        await asyncio.sleep(max(0.0, now + 3.1 - time.time()))  # Redis' own clock must get there
        for number in range(3):
            held = Revocation(kind="session", value=f"new{number}", at=number, until=now + 600)
            await publish(client, [held])
        assert await client.hlen(KNOWN) == await client.zcard(ENDS) == 3


async def test_telling_twice_is_telling_once(redis_settings: RedisSettings) -> None:
    now = int(time.time())
    first = Revocation(kind="session", value="a", at=1, until=now + 60)
    second = Revocation(kind="session", value="a", at=2, until=now + 60, lifted=True)
    async with client_of(redis_settings) as client:
        for held in (first, first, second, first, second):
            await publish(client, [held])
        assert await client.xlen(STREAM) == 2
        assert await client.hget(KNOWN, "session:a") == second.to_text().encode()


async def test_a_hundred_thousand_are_learnt_without_holding_anybody_up(
    redis_settings: RedisSettings,
) -> None:
    now = int(time.time())
    async with client_of(redis_settings) as client:
        for start in range(0, 100_000, 200):
            batch = [
                Revocation(kind="session", value=f"{number:032x}", at=number, until=now + 3600)
                for number in range(start, start + 200)
            ]
            await publish(client, batch)
        longest = 0.0

        async def watch() -> None:
            nonlocal longest
            while True:
                before = time.thread_time()  # what others on the machine do is no hold-up of ours
                await asyncio.sleep(0.001)
                longest = max(longest, time.thread_time() - before)

        gc.collect()
        gc.freeze()  # nor is the rest of a long test run, looked through for garbage
        watching = asyncio.create_task(watch())
        started = time.monotonic()
        async with following(redis_settings) as new:
            took = time.monotonic() - started
            assert len(new.register) == 100_000
            watching.cancel()
            gc.unfreeze()
            print(f"learnt 100000 in {took:.2f} s, longest hold-up {longest * 1000:.0f} ms")
            assert longest < 0.5
