"""Several edges with several workers each, as real programs, that share keys and files and perhaps a Redis."""

from __future__ import annotations

import asyncio
import collections
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager

from aiohttp import ClientSession, TCPConnector

from config.settings.load import Settings
from config.settings.shared import RedisSettings
from tests.edge.processes.harness import Edge, running, until

FILE = "/vod/title/v/init.mp4"

# New connections go to a worker by chance: that one of two is asked by none of so many is as good as impossible.
ENOUGH = 16


@asynccontextmanager
async def an_edge(
    settings: Settings,
    name: str,
    *,
    redis: RedisSettings | None,
    workers: int = 2,
    admin: int | None = None,
    wait: bool = True,
    env: Mapping[str, str] | None = None,
) -> AsyncIterator[Edge]:
    """Edge ``name``, which knows whether Redis is there when the block begins."""
    whole = {
        "KAWA_TOKENS__KEYS_FILE": str(settings.keys_file),
        "KAWA_STORAGE__FOLDER": str(settings.storage_folder),
        **(env or {}),
    }
    if redis is not None and redis.url is not None:
        whole["KAWA_REDIS__URL"] = redis.url.get_secret_value()
    own = settings.model_copy(update={"var_dir": settings.var_dir / name})
    async with running(own, workers=workers, admin=admin, **whole) as edge:
        if redis is not None and wait:

            async def follows() -> bool:
                return bool((await edge.health())["revocations"]["feed"] == "connected")

            await until(follows)
        yield edge


async def statuses(edge: Edge, token: str, *, count: int = ENOUGH) -> collections.Counter[int]:
    """What so many viewers at once are answered, each on a connection of its own."""
    async with ClientSession(connector=TCPConnector(force_close=True, limit=0)) as session:

        async def ask() -> int:
            async with session.get(f"{edge.url}/t/{token}{FILE}") as answer:
                await answer.read()
                return answer.status

        return collections.Counter(await asyncio.gather(*(ask() for _ in range(count))))


async def seconds_until_all(edges: Iterable[Edge], token: str, *, status: int) -> float:
    """How long it takes until every worker of every edge answers so."""
    started = time.monotonic()
    for edge in edges:

        async def agreed(edge: Edge = edge) -> bool:
            return set(await statuses(edge, token)) == {status}

        await until(agreed, seconds=10)
    return time.monotonic() - started


Mint = Callable[..., str]
