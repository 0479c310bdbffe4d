"""Fault matrix C14 and D6 in short: traffic, faults and kills, with flat memory and descriptors; two workers as one."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.edge.faults.crowd import Crowd, digest
from tests.edge.faults.origin import Asked, Send, Step, Wait, answer, scripted_origin
from tests.edge.faults.processes import edge_process
from tests.edge.faults.soak import FILES, MEMORY_BYTES, soak

SECONDS = 30
CLIENTS = 5000
BODY = bytes(range(256)) * 128
WHOLE = answer(BODY, Cache_Control="max-age=60")


@pytest.mark.timeout(120)
async def test_c14_mixed_traffic_with_kills_leaves_memory_and_descriptors_flat(
    tmp_path: Path,
) -> None:
    seen = await soak(tmp_path, seconds=SECONDS)
    assert seen.wrong == 0
    assert seen.kills >= 2
    assert seen.right > 10 * FILES / SECONDS
    assert seen.right > 5 * seen.cut
    late = seen.at.index(next(at for at in seen.at if at > SECONDS / 2))
    growth = max(seen.memory_mb[late:]) - max(seen.memory_mb[:late])
    assert growth < 20 + MEMORY_BYTES / 2**20
    assert max(seen.descriptors[late:]) <= max(seen.descriptors[:late]) + 30


async def test_o13_five_thousand_clients_of_two_workers_are_one_question(tmp_path: Path) -> None:
    gate = asyncio.Event()

    def script(_asked: Asked) -> list[Step]:
        return [Send(WHOLE[:1000]), Wait(gate), Send(WHOLE[1000:])]

    async with (
        scripted_origin(script) as origin,
        edge_process(
            tmp_path, origin.url, workers=2, public=True, limits={"idle_timeout": 60}
        ) as edge,
    ):
        crowd = Crowd(edge.port, "/cdn/new.ts")
        await crowd.ask(CLIENTS)
        async with asyncio.timeout(50):  # before the edge loses patience with the origin
            while (await edge.metrics())["edge_requests_running"] < CLIENTS:
                await asyncio.sleep(0.05)
        gate.set()
        assert await crowd.answers(seconds=60) == {(200, digest(BODY)): CLIENTS}
        assert len(origin.asked) == 1
