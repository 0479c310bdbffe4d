"""Fault matrix D11."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

from tests.edge.faults.origin import scripted_origin
from tests.edge.faults.processes import edge_process, get
from tests.edge.faults.test_clock_and_log import fill, good


async def test_d11_an_edge_whose_log_nobody_reads_can_still_be_stopped(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    try:
        async with scripted_origin(good) as origin:
            async with edge_process(tmp_path, origin.url, log=writing, public=True) as edge:
                fill(writing)
                for number in range(300):
                    await get(edge.port, f"/cdn/1.ts?{number}")
                edge.process.send_signal(signal.SIGTERM)
                assert await asyncio.wait_for(edge.process.wait(), 20) == 0
    finally:
        os.close(reading)
        os.close(writing)
