"""Fault matrix O1 to O4, O14, O15, O18: origins that cannot be reached, do not answer, or send elsewhere."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import Iterator

import pytest

from tests.edge.faults.conftest import Over
from tests.edge.faults.driving import SEGMENT
from tests.edge.faults.leaks import Leaks
from tests.edge.faults.origin import (
    Asked,
    Close,
    Drip,
    Send,
    Stall,
    Step,
    answer,
    scripted_origin,
)

SHORT = "max-age=10, stale-if-error=600"


def good(_asked: Asked) -> list[Step]:
    return [Send(answer(SEGMENT, Cache_Control=SHORT))]


@contextlib.contextmanager
def full_backlog() -> Iterator[str]:
    """An address that takes no connection and refuses none: its queue is full, SYNs go unanswered."""
    with socket.socket() as listening, contextlib.ExitStack() as stack:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listening.getsockname())
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


async def test_o01_what_is_fresh_is_served_while_every_connection_is_refused(
    leaks: Leaks, over: Over
) -> None:
    async with leaks.none(), contextlib.AsyncExitStack() as stack:
        origin = await stack.enter_async_context(scripted_origin(good))
        async with over(origin.url) as edge:
            assert (await edge.ask("/cdn/1.ts")).body == SEGMENT
            await stack.aclose()
            fresh = await edge.ask("/cdn/1.ts")
            edge.clock.now += 60
            stale = await edge.ask("/cdn/1.ts")
            assert (fresh.status, fresh.body, fresh.cache) == (200, SEGMENT, "kawa;hit")
            assert (stale.status, stale.body, stale.headers["Age"]) == (200, SEGMENT, "60")
            assert edge.counted("edge_cache_stale_served_total", why="error") == 1


async def test_o01_what_nobody_has_is_a_502_at_once(leaks: Leaks, over: Over) -> None:
    async with leaks.none(), over("http://127.0.0.1:1", connect_timeout=5) as edge:
        started = time.monotonic()
        got = await edge.ask("/cdn/1.ts")
        assert (got.status, got.error) == (502, "origin-failed")
        assert time.monotonic() - started < 2
        assert edge.counted("edge_origin_requests_total", origin="cdn", result="reset") >= 1


async def test_o01_the_breaker_opens_and_one_question_finds_out_whether_it_may_close(
    leaks: Leaks, over: Over
) -> None:
    async with leaks.none(), contextlib.AsyncExitStack() as stack:
        origin = await stack.enter_async_context(scripted_origin(good))
        async with over(origin.url, retry_ratio=0, breaker_failures=3) as edge:
            await stack.aclose()
            statuses = [(await edge.ask(f"/cdn/{number}.ts")).status for number in range(5)]
            assert statuses == [502, 502, 502, 503, 503]
            assert edge.counted("edge_origin_requests_total", result="breaker") == 2
            async with scripted_origin(good, port=origin.port) as again:
                async with asyncio.timeout(8):
                    while (await edge.ask("/cdn/back.ts")).status != 200:
                        assert again.connections == 0
                        await asyncio.sleep(0.05)
                assert again.connections == 1
                many = await asyncio.gather(*(edge.ask(f"/cdn/m{n}.ts") for n in range(20)))
                assert {each.status for each in many} == {200}


async def test_o02_a_black_hole_is_left_for_the_next_server_within_the_connect_timeout(
    leaks: Leaks, over: Over
) -> None:
    with full_backlog() as hole:
        async with (
            leaks.none(),
            scripted_origin(good) as backup,
            over(hole, connect_timeout=0.3, backups=[backup.url]) as edge,
        ):
            started = time.monotonic()
            got = await edge.ask("/cdn/1.ts")
            assert (got.status, got.body) == (200, SEGMENT)
            assert time.monotonic() - started < 1.5
            assert edge.counted("edge_origin_requests_total", result="connect_timeout") == 1


async def test_o02_a_black_hole_without_another_server_is_a_504_within_the_budget(
    leaks: Leaks, over: Over
) -> None:
    with full_backlog() as hole:
        async with leaks.none(), over(hole, connect_timeout=0.3, answer_timeout=1) as edge:
            started = time.monotonic()
            got = await edge.ask("/cdn/1.ts")
            assert (got.status, got.error) == (504, "origin-timeout")
            assert time.monotonic() - started < 1.5


async def test_o03_who_accepts_and_never_answers_is_left_for_another_server_once(
    leaks: Leaks, over: Over
) -> None:
    async with (
        leaks.none(),
        scripted_origin(lambda _: [Stall()]) as silent,
        scripted_origin(good) as backup,
        over(silent.url, first_byte_timeout=0.3, backups=[backup.url]) as edge,
    ):
        got = await edge.ask("/cdn/1.ts")
        assert (got.status, got.body) == (200, SEGMENT)
        assert (len(silent.asked), len(backup.asked)) == (1, 1)
        assert edge.counted("edge_origin_requests_total", result="first_byte_timeout") == 1


async def test_o03_everybody_silent_is_a_504_and_other_files_go_on(
    leaks: Leaks, over: Over
) -> None:
    def script(asked: Asked) -> list[Step]:
        return [Stall()] if "stall" in asked.target else good(asked)

    async with leaks.none(), scripted_origin(script) as origin, over(origin.url) as edge:
        slow = asyncio.create_task(edge.ask("/cdn/stall.ts"))
        await origin.heard.wait()
        others = await asyncio.gather(*(edge.ask(f"/cdn/{number}.ts") for number in range(20)))
        assert not slow.done()
        assert {each.body for each in others} == {SEGMENT}
        got = await slow
        assert (got.status, got.error) == (504, "origin-timeout")


async def test_o03_a_post_is_never_asked_twice(leaks: Leaks, over: Over) -> None:
    async with (
        leaks.none(),
        scripted_origin(lambda _: [Close()]) as origin,
        scripted_origin(good) as backup,
        over(origin.url, edge={"root_origin": "cdn"}, backups=[backup.url]) as edge,
    ):
        got = await edge.ask("/form", method="POST", body=b"once")
        assert got.status == 502
        assert (len(origin.asked), len(backup.asked)) == (1, 0)


async def test_o04_a_head_that_drips_meets_an_absolute_deadline(leaks: Leaks, over: Over) -> None:
    head = b"HTTP/1.1 200 OK\r\nX: " + b"a" * 1000
    async with (
        leaks.none(),
        scripted_origin(lambda _: [Drip(head, 0.02)]) as origin,
        over(origin.url, first_byte_timeout=0.4, retry_ratio=0) as edge,
    ):
        started = time.monotonic()
        got = await edge.ask("/cdn/1.ts")
        assert (got.status, got.error) == (504, "origin-timeout")
        assert 0.35 < time.monotonic() - started < 2
        assert edge.counted("edge_origin_requests_total", result="first_byte_timeout") == 1


async def test_o14_an_idle_connection_that_the_origin_closed_is_asked_anew_unnoticed(
    leaks: Leaks, over: Over
) -> None:
    def script(asked: Asked) -> list[Step]:
        return [*good(asked), Close()]  # without saying so in the answer

    async with leaks.none(), scripted_origin(script) as origin, over(origin.url) as edge:
        for number in range(10):
            got = await edge.ask(f"/cdn/{number}.ts")
            assert (got.status, got.body) == (200, SEGMENT)
        assert len(origin.asked) == 10


async def test_o14_a_question_lost_with_its_connection_is_asked_once_more(
    leaks: Leaks, over: Over
) -> None:
    def script(asked: Asked) -> list[Step]:
        second = asked.connection == 1 and asked.target == "/2.ts"
        return [Close()] if second else good(asked)

    async with leaks.none(), scripted_origin(script) as origin, over(origin.url) as edge:
        assert (await edge.ask("/cdn/1.ts")).body == SEGMENT
        got = await edge.ask("/cdn/2.ts")
        assert (got.status, got.body) == (200, SEGMENT)
        assert origin.targets() == ["/1.ts", "/2.ts", "/2.ts"]
        assert origin.connections == 2


async def test_o15_dns_that_fails_after_a_good_answer_harms_nobody(
    leaks: Leaks, over: Over, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def lookup(host: str, *_args: object, **_options: object) -> list[tuple[object, ...]]:
        asked.append(host)
        if len(asked) > 1:
            raise socket.gaierror(socket.EAI_AGAIN, "the resolver is away")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0))]

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    async with leaks.none(), scripted_origin(good) as origin:
        url = f"http://origin.test:{origin.port}"
        options = {"private": True, "keep_alive": 0}  # a connection of its own for each question
        async with over(url, edge={"dns": {"ttl": 0, "negative": 0}}, **options) as edge:
            for number in range(3):
                assert (await edge.ask(f"/cdn/{number}.ts")).body == SEGMENT
    assert len(asked) >= 2


async def test_o15_a_name_that_never_resolves_is_a_502_and_never_stops_the_loop(
    leaks: Leaks, over: Over, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lookup(*_args: object, **_options: object) -> list[tuple[object, ...]]:
        time.sleep(0.4)  # as getaddrinfo does while a resolver is silent
        raise socket.gaierror(socket.EAI_AGAIN, "the resolver is away")

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    options = {"private": True, "connect_timeout": 3, "retry_ratio": 0, "breaker_failures": 0}
    async with leaks.none(), over("http://nowhere.test", **options) as edge:
        asking = asyncio.create_task(edge.ask("/cdn/1.ts"))
        longest, last = 0.0, time.monotonic()
        while not asking.done():
            await asyncio.sleep(0.005)
            longest, last = max(longest, time.monotonic() - last), time.monotonic()
        assert ((await asking).status, (await asking).error) == (502, "origin-failed")
        assert longest < 0.3
        assert edge.counted("edge_origin_requests_total", result="dns") == 1


async def test_o18_a_redirect_of_the_origin_is_neither_followed_nor_passed_on(
    leaks: Leaks, over: Over
) -> None:
    async with leaks.none(), scripted_origin(good) as inner:
        moved = answer(status="302 Found", Location=f"{inner.url}/secret")
        async with scripted_origin(lambda _: [Send(moved)]) as origin, over(origin.url) as edge:
            got = await edge.ask("/cdn/1.ts")
            assert (got.status, got.error) == (502, "origin-failed")
            assert "Location" not in got.headers
            assert inner.asked == []


async def test_o18_an_allowed_redirect_still_meets_the_address_guard(
    leaks: Leaks, over: Over
) -> None:
    async with leaks.none(), scripted_origin(good) as inner:
        moved = answer(status="302 Found", Location=f"{inner.url}/secret")
        async with scripted_origin(lambda _: [Send(moved)]) as origin:
            hosts = [f"other.test:{inner.port}"]  # this one, and not the loopback address
            async with over(origin.url, redirects=3, redirect_hosts=hosts) as edge:
                got = await edge.ask("/cdn/1.ts")
                assert got.status == 502
                assert inner.asked == []
