from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from config.settings.origins import DnsSettings
from edge.origin.guard import AddressRefused, guard_of
from edge.origin.resolver import GuardedResolver, Lookup, Resolver


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Names:
    """A DNS that says what a test wants and counts who asks."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = list(addresses)
        self.fails = False
        self.asked = 0

    def __call__(self, _host: str) -> list[str]:
        self.asked += 1
        if self.fails:
            raise OSError("no answer")
        return self.addresses


@asynccontextmanager
async def resolver(
    lookup: Lookup, clock: Callable[[], float] | None = None, **settings: Any
) -> AsyncIterator[Resolver]:
    made = Resolver(
        DnsSettings.model_validate(settings), lookup=lookup, clock=clock or (lambda: 0.0)
    )
    try:
        yield made
    finally:
        await made.close()


async def test_an_answer_is_used_until_it_is_old() -> None:
    names, clock = Names("1.1.1.1"), Clock()
    async with resolver(names, clock, ttl=30) as dns:
        assert await dns.addresses("a.example") == ["1.1.1.1"]
        names.addresses = ["2.2.2.2"]
        clock.now += 29
        assert await dns.addresses("a.example") == ["1.1.1.1"]
        clock.now += 2
        assert await dns.addresses("a.example") == ["2.2.2.2"]
        assert names.asked == 2


async def test_the_last_good_answer_is_kept_for_some_minutes_while_dns_fails() -> None:
    names, clock = Names("1.1.1.1"), Clock()
    async with resolver(names, clock, ttl=30, stale=600, negative=2) as dns:
        await dns.addresses("a.example")
        names.fails = True
        clock.now += 60
        assert await dns.addresses("a.example") == ["1.1.1.1"]
        assert await dns.addresses("a.example") == ["1.1.1.1"]
        assert names.asked == 2  # the failure is remembered too
        clock.now += 600
        with pytest.raises(OSError, match=r"a\.example"):
            await dns.addresses("a.example")
        names.fails = False
        clock.now += 3
        assert await dns.addresses("a.example") == ["1.1.1.1"]


async def test_a_failure_without_a_good_answer_before_is_remembered_for_a_moment() -> None:
    names, clock = Names(), Clock()
    async with resolver(names, clock, negative=2) as dns:
        for _ in range(3):
            with pytest.raises(OSError, match="cannot be resolved"):
                await dns.addresses("a.example")
        assert names.asked == 1
        names.addresses = ["1.1.1.1"]
        clock.now += 3
        assert await dns.addresses("a.example") == ["1.1.1.1"]


async def test_all_who_want_one_name_share_one_look_up_and_may_leave() -> None:
    go = threading.Event()
    names = Names("1.1.1.1")

    def slow(host: str) -> list[str]:
        go.wait(5)
        return names(host)

    async with resolver(slow) as dns:
        tasks = [asyncio.create_task(dns.addresses("a.example")) for _ in range(10)]
        await asyncio.sleep(0)
        tasks[0].cancel()
        go.set()
        done = await asyncio.gather(*tasks[1:])
    assert done == [["1.1.1.1"]] * 9
    assert names.asked == 1


async def test_a_look_up_that_hangs_meets_its_deadline_and_does_not_block_the_loop() -> None:
    go = threading.Event()

    def hangs(_host: str) -> list[str]:
        go.wait(5)
        return ["1.1.1.1"]

    async with resolver(hangs, timeout=0.1) as dns:
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                await asyncio.sleep(0.01)
                ticks += 1

        ticking = asyncio.create_task(tick())
        with pytest.raises(OSError, match="cannot be resolved"):
            await dns.addresses("a.example")
        ticking.cancel()
    go.set()
    assert ticks >= 3


async def test_only_so_many_look_ups_run_at_a_time() -> None:
    go = threading.Event()
    running = most = 0
    lock = threading.Lock()
    entered = threading.Semaphore(0)

    def counted(_host: str) -> list[str]:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        entered.release()
        go.wait(5)
        with lock:
            running -= 1
        return ["1.1.1.1"]

    async with resolver(counted, parallel=2, timeout=5) as dns:
        tasks = [asyncio.create_task(dns.addresses(f"{n}.example")) for n in range(6)]
        for _ in range(2):
            assert await asyncio.to_thread(entered.acquire, timeout=5)
        go.set()
        assert await asyncio.gather(*tasks) == [["1.1.1.1"]] * 6
    assert most == 2


async def test_the_memory_for_names_is_bounded() -> None:
    async with resolver(Names("1.1.1.1")) as dns:
        for number in range(1100):
            await dns.addresses(f"{number}.example")
        assert len(dns._known) <= 1024


async def test_a_connector_gets_only_addresses_that_the_guard_lets_pass() -> None:
    async with resolver(Names("10.0.0.1", "8.8.8.8", "::1", "2606:4700::1")) as dns:
        guarded = GuardedResolver(dns, guard_of(["a.example"], private=False))
        found = await guarded.resolve("a.example", 443)
        assert [(item["host"], item["port"]) for item in found] == [
            ("8.8.8.8", 443),
            ("2606:4700::1", 443),
        ]
    async with resolver(Names("10.0.0.1", "169.254.169.254")) as dns:
        guarded = GuardedResolver(dns, guard_of(["a.example"], private=False))
        with pytest.raises(AddressRefused):
            await guarded.resolve("a.example", 443)
