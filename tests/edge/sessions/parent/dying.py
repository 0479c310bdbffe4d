"""A process that holds a registry, gives what it is told to, and is killed: run by a test."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
from pathlib import Path

from config.settings.shared import RedisSettings
from tests.edge.sessions.parent.harness import Clock, Edges, pass_time, registry_settings, start

SESSIONS = 200


async def live_and_die(url: str, folder: Path, seed: int) -> None:
    """Print what was given when the journal was written last, then give more and die in the middle of it."""
    chance = random.Random(seed)
    redis = RedisSettings.model_validate(
        {"url": url, "command_timeout": "PT5S", "acquire_timeout": "PT5S"}
    )
    clock = Clock()
    async with Edges(registry_settings(redis), clock, folder) as edges:
        edge = await edges.add()
        workers = [edges.worker(edge, f"w{slot}-{os.getpid()}") for slot in range(2)]
        given = 0
        for id in (f"s{number}" for number in range(SESSIONS)):
            await edge.control.open(start(id, subject=id), joins=True)
        for _ in range(chance.randrange(2, 6)):
            for worker in workers:
                for number in chance.sample(range(SESSIONS), 50):
                    worker.give(f"s{number}", size := chance.randrange(10**6))
                    given += size
                await worker.tell()
            await pass_time([edge], clock, 1)
            await edge.tell()
        sys.stdout.write(f"{given}\n")
        sys.stdout.flush()
        for worker in workers:
            worker.give("s0", 1)
            await worker.tell()
        writing = asyncio.create_task(edge.tick())
        await asyncio.sleep(chance.random() * 0.002)  # at whatever point that is
        os.kill(os.getpid(), signal.SIGKILL)
        await writing


if __name__ == "__main__":
    asyncio.run(live_and_die(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])))
