from __future__ import annotations

import asyncio
import collections
import os
import signal
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from config.settings.load import Settings
from config.settings.shared import RedisSettings
from tests.edge.processes.harness import until
from tests.edge.tokens.edges import Mint, an_edge, statuses

# A busy machine is not a Redis that is away.
PATIENT = {f"KAWA_REDIS__{name}_TIMEOUT": "PT5S" for name in ("COMMAND", "ACQUIRE", "CONNECT")}


@pytest.fixture(autouse=True)
def _files(title: Path, mint: Mint) -> None: ...


async def test_a_one_time_token_opens_once_however_many_come_at_once_and_wherever(
    settings: Settings, mint: Mint, redis_settings: RedisSettings
) -> None:
    async with AsyncExitStack() as stack:
        edges = [
            await stack.enter_async_context(
                an_edge(settings, name, redis=redis_settings, env=PATIENT)
            )
            for name in ("first", "second")
        ]
        for number in range(4):
            token = mint(once=True, token_id=f"once-{number}")
            both = await asyncio.gather(*(statuses(edge, token, count=25) for edge in edges))
            total = sum(both, collections.Counter[int]())
            assert total[403] == 49, total
            assert total.total() == 50


async def test_without_redis_it_opens_once_also_over_restarts_and_kills(
    settings: Settings, mint: Mint
) -> None:
    used, new = mint(once=True, token_id="used"), mint(once=True, token_id="new")
    async with an_edge(settings, "one", redis=None) as edge:
        assert (await statuses(edge, used, count=50))[403] == 49
        status, _ = await edge.order("/restart")
        assert status == 200
        assert set(await statuses(edge, used)) == {403}
        killed = edge.workers()
        for pid in killed:
            os.kill(pid, signal.SIGKILL)

        async def back() -> bool:
            workers = (await edge.health())["workers"]
            return len([w for w in workers if w["ready"] and w["pid"] not in killed]) == 2

        await until(back)
        assert set(await statuses(edge, used)) == {403}
        assert (await statuses(edge, new, count=50))[403] == 49


async def test_two_generations_of_workers_let_one_viewer_in(settings: Settings, mint: Mint) -> None:
    async with an_edge(settings, "one", redis=None) as edge:
        restart = asyncio.create_task(edge.order("/restart"))
        number = 0
        while not restart.done():
            number += 1
            found = await statuses(edge, mint(once=True, token_id=f"t{number}"), count=8)
            assert found[403] == 7, found
        assert number > 3
        assert (await restart)[0] == 200
