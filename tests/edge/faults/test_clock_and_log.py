"""Fault matrix D10 and D11: a clock that jumps, and a log that nobody reads."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import time
from pathlib import Path

import pytest

from config.contracts.tokens import PlaybackClaims
from config.runtime.keys import KeySet
from tests.edge.faults.conftest import Over
from tests.edge.faults.driving import SEGMENT
from tests.edge.faults.leaks import Leaks
from tests.edge.faults.origin import Asked, Send, Stall, Step, answer, scripted_origin
from tests.edge.faults.processes import edge_process, get

TWO_HOURS = 7200.0
LONG = "max-age=3600, stale-if-error=600"


def good(_asked: Asked) -> list[Step]:
    return [Send(answer(SEGMENT, Cache_Control=LONG))]


async def test_d10_a_clock_that_jumps_ahead_makes_things_stale_and_nothing_worse(
    leaks: Leaks, over: Over
) -> None:
    async with leaks.none(), scripted_origin(good) as origin, over(origin.url) as edge:
        await edge.ask("/cdn/1.ts")
        edge.clock.now += TWO_HOURS
        got = await edge.ask("/cdn/1.ts")
        assert (got.status, got.body) == (200, SEGMENT)
        assert len(origin.asked) == 2
        assert (await edge.ask("/cdn/1.ts")).cache == "kawa;hit"


async def test_d10_a_clock_that_jumps_back_keeps_nothing_for_ever(leaks: Leaks, over: Over) -> None:
    async with leaks.none(), scripted_origin(good) as origin, over(origin.url) as edge:
        await edge.ask("/cdn/1.ts")
        edge.clock.now -= TWO_HOURS
        got = await edge.ask("/cdn/1.ts")
        assert (got.status, got.body) == (200, SEGMENT)
        assert int(got.headers.get("Age", "0")) == 0
        edge.clock.now += TWO_HOURS + 3601
        await edge.ask("/cdn/1.ts")
        assert len(origin.asked) >= 2


async def test_d10_deadlines_are_not_kept_by_the_time_of_day(
    leaks: Leaks, over: Over, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = time.time
    async with (
        leaks.none(),
        scripted_origin(lambda _: [Stall()]) as origin,
        over(origin.url, first_byte_timeout=0.5, retry_ratio=0) as edge,
    ):
        asking = asyncio.create_task(edge.ask("/cdn/1.ts"))
        await origin.heard.wait()
        started = time.monotonic()
        monkeypatch.setattr(time, "time", lambda: real() - TWO_HOURS)
        got = await asking
        assert got.status == 504
        assert time.monotonic() - started < 3


async def test_d10_a_tokens_times_are_those_of_the_day(tmp_path: Path) -> None:
    async with scripted_origin(good) as origin, edge_process(tmp_path, origin.url) as edge:
        for hours, expected in ((0, 200), (2, 403), (-2, 403)):  # right, expired, not valid yet
            at = int(time.time()) - hours * 3600
            claims = PlaybackClaims(
                subject="user:1",
                session="s",
                path_prefixes=("/cdn/",),
                issued_at=at,
                not_before=at,
                expires_at=at + 3600,
            )
            token = KeySet.read(edge.keys).sign(claims)
            status, _ = await get(edge.port, f"/t/{token}/cdn/1.ts")
            assert (hours, status) == (hours, expected)


async def test_d11_a_log_that_nobody_reads_does_not_stop_the_edge(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    try:
        async with scripted_origin(good) as origin:
            async with edge_process(tmp_path, origin.url, log=writing, public=True) as edge:
                fill(writing)
                async with asyncio.timeout(20):
                    for number in range(300):
                        status, body = await get(edge.port, f"/cdn/{number % 3}.ts?{number}")
                        assert (status, body) == (200, SEGMENT)
                # Somebody reads again, so that it can say goodbye.
                reader = threading.Thread(target=read_all, args=(reading,), daemon=True)
                reader.start()
    finally:
        os.close(reading)
        os.close(writing)


def read_all(descriptor: int) -> None:
    """Read until nobody writes any more."""
    with contextlib.suppress(OSError):
        while os.read(descriptor, 65536):
            pass


def fill(descriptor: int) -> None:
    """Write into a pipe until there is no more room in it."""
    os.set_blocking(descriptor, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(descriptor, b"x" * 65536)
    os.set_blocking(descriptor, True)
