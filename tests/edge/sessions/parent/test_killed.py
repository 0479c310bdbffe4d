from __future__ import annotations

import asyncio
import signal
import sys

from config.settings.shared import RedisSettings
from edge.sessions.open import open_registry
from tests.edge.sessions.parent.harness import Catalog, Clock, Edges, Worker, start

LIVES = 4


async def test_no_byte_is_lost_or_counted_twice_when_the_process_is_killed_again_and_again(
    edges: Edges, catalog: Catalog, redis_settings: RedisSettings
) -> None:
    assert redis_settings.url is not None
    given = 0
    for seed in range(LIVES):
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "tests.edge.sessions.parent.dying"),
            redis_settings.url.get_secret_value(),
            str(edges.folder),
            str(seed),
            stdout=asyncio.subprocess.PIPE,
        )
        output, _ = await asyncio.wait_for(process.communicate(), 60)
        assert process.returncode == -signal.SIGKILL
        given += int(output.splitlines()[-1])
        if seed % 2:
            await catalog.store()

    last = await edges.add()
    while len(last.outgoing):
        await last.tell()
        await catalog.store()

    stored = sum(row.bytes for row in catalog.rows.values())
    assert given <= stored <= given + 2 * LIVES  # those of the last moment may be there


async def test_a_registry_that_runs_by_itself_keeps_what_it_is_told(
    edges: Edges, catalog: Catalog, clock: Clock
) -> None:
    folder = edges.folder / "edge-a"
    clock.wait(0.5)
    async with open_registry(edges.settings, folder=folder, node="edge-a", clock=clock) as control:
        worker = Worker(control, "w0a", clock)
        await control.open(start("one", limit=1), joins=False)
        worker.give("one", 100)
        await worker.tell()
        await control.stop("one")
        async with asyncio.timeout(20):
            while not catalog.rows or not catalog.rows["one"].is_stopped:
                await catalog.store()
                await asyncio.sleep(0.01)
            await control.open(start("two", limit=1), joins=True)

    assert catalog.rows["one"].bytes == 100
