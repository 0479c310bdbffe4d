"""Fault matrix C1, C4."""

from __future__ import annotations

import asyncio
import logging

import pytest

from tests.edge.faults.conftest import Over
from tests.edge.faults.driving import SEGMENT
from tests.edge.faults.leaks import Leaks, opened
from tests.edge.faults.origin import Asked, Send, Step, Wait, scripted_origin
from tests.edge.faults.test_clients import WHOLE, good, leave_after_first_bytes


async def test_c01_a_fill_whose_only_reader_leaves_early_ends(
    leaks: Leaks, over: Over, caplog: pytest.LogCaptureFixture
) -> None:
    gate = asyncio.Event()

    def script(_asked: Asked) -> list[Step]:
        return [Send(WHOLE[:2000]), Wait(gate), Send(WHOLE[2000:])]

    async with (
        leaks.none(),
        scripted_origin(script) as origin,
        over(origin.url, idle_timeout=10) as edge,
    ):
        before = len(opened())
        with caplog.at_level(logging.WARNING):
            await leave_after_first_bytes(edge.port, "/cdn/1.ts")
            async with asyncio.timeout(1):
                while edge.counted("edge_cache_fills_abandoned_total") < 1:
                    await asyncio.sleep(0.01)
            gate.set()
            async with asyncio.timeout(1):
                while len(opened()) > before:
                    await asyncio.sleep(0.01)
        assert not [each for each in caplog.records if each.exc_info]


async def test_c04_a_slow_body_is_its_clients_fault_and_not_the_origins(
    leaks: Leaks, over: Over
) -> None:
    async with (
        leaks.none(),
        scripted_origin(good) as origin,
        over(
            origin.url,
            edge={"root_origin": "cdn", "http": {"body_timeout": 0.3, "drain_timeout": 1}},
            breaker_failures=1,
        ) as edge,
    ):
        reader, writer = await asyncio.open_connection("127.0.0.1", edge.port)
        writer.write(b"POST /form HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nx")
        async with asyncio.timeout(5):
            said = await reader.readuntil(b"\r\n\r\n")
        writer.close()
        assert said.startswith(b"HTTP/1.1 408")
        assert edge.counted("edge_origin_requests_total", result="first_byte_timeout") == 0
        got = await edge.ask("/1.ts")
        assert (got.status, got.body) == (200, SEGMENT)
