"""Fault matrix O13: five thousand clients want one segment that nobody has yet."""

from __future__ import annotations

import asyncio

from tests.edge.faults.conftest import Over
from tests.edge.faults.crowd import Crowd, digest
from tests.edge.faults.driving import samples
from tests.edge.faults.leaks import Leaks
from tests.edge.faults.origin import Asked, Send, Step, Wait, answer, scripted_origin

CLIENTS = 5000
BODY = bytes(range(256)) * 128  # 32 KiB
WHOLE = answer(BODY, Cache_Control="max-age=60")
RUNNING = ("edge_requests_running", frozenset[tuple[str, str]]())


async def until_running(count: int) -> None:
    """Until so many requests wait for their answers."""
    async with asyncio.timeout(90):
        while samples()[RUNNING] < count:
            await asyncio.sleep(0.02)


async def test_o13_five_thousand_clients_are_one_question_to_the_origin(
    leaks: Leaks, over: Over
) -> None:
    gate = asyncio.Event()

    def script(_asked: Asked) -> list[Step]:
        return [Send(WHOLE[:1000]), Wait(gate), Send(WHOLE[1000:])]

    async with leaks.none(), scripted_origin(script) as origin:
        async with over(origin.url, first_byte_timeout=120, idle_timeout=120) as edge:
            crowd = Crowd(edge.port, "/cdn/new.ts")
            await crowd.ask(CLIENTS)
            await until_running(CLIENTS)
            gate.set()
            answers = await crowd.answers(seconds=120)
            assert answers == {(200, digest(BODY)): CLIENTS}
            assert len(origin.asked) == 1


async def test_o13_the_first_client_leaves_and_nobody_else_notices(
    leaks: Leaks, over: Over
) -> None:
    gate = asyncio.Event()

    def script(_asked: Asked) -> list[Step]:
        return [Send(WHOLE[:1000]), Wait(gate), Send(WHOLE[1000:])]

    async with leaks.none(), scripted_origin(script) as origin:
        async with over(origin.url, first_byte_timeout=120, idle_timeout=120) as edge:
            first, others = Crowd(edge.port, "/cdn/new.ts"), Crowd(edge.port, "/cdn/new.ts")
            await first.ask(1)
            await origin.heard.wait()
            await others.ask(200)
            await until_running(201)
            first.close()
            await first.answers(seconds=5)
            gate.set()
            assert await others.answers(seconds=20) == {(200, digest(BODY)): 200}
            assert len(origin.asked) == 1
