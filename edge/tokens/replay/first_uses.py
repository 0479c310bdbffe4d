"""Decides who is the first to come with a one-time token."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Literal

from config.contracts.grants import Grant
from config.runtime.logging import get_logger
from config.runtime.redis import open_redis
from config.runtime.tasks import BackgroundTasks
from config.settings.load import Settings
from edge import metrics
from edge.tokens.replay.shared import SharedNames, Verdict
from edge.tokens.replay.used import TooManyUsed, UsedNames

log = get_logger(__name__)

_SWEEP_SECONDS = 1.0
_MARGIN_SECONDS = 60  # clocks of edges and Redis differ


class FirstUses:
    """Exact over the processes of this machine, and with Redis over all edges.

    In doubt the answer is no: the viewer can get another token.
    """

    def __init__(
        self,
        used: UsedNames,
        shared: SharedNames | None,
        *,
        without_redis: Literal["machine", "refuse"],
        leeway_seconds: float,
    ) -> None:
        self._used = used
        self._shared = shared
        self._without_redis = without_redis
        self._leeway = leeway_seconds
        self._asking: set[asyncio.Task[str]] = set()

    async def first_use(self, grant: Grant, token: str, *, now: float) -> bool:
        """Whether nobody came with this token before; asking uses it up."""
        until = int(grant.expires_at + self._leeway) + _MARGIN_SECONDS
        # A viewer who hangs up must not leave a question half asked.
        task = asyncio.create_task(self._decide(name_of(grant, token), until, now))
        self._asking.add(task)
        task.add_done_callback(self._asking.discard)
        result = await asyncio.shield(task)
        metrics.FIRST_USES.labels(result).inc()
        return result in ("first", "machine")

    async def close(self) -> None:
        """Let questions that are being asked end."""
        await asyncio.gather(*self._asking, return_exceptions=True)

    async def _decide(self, name: str, until: int, now: float) -> str:
        try:
            mine = await asyncio.to_thread(self._used.take, name, until=until)
        except TooManyUsed:
            return "full"
        except OSError as error:
            log.error("a one-time token cannot be marked as used", error=str(error))
            return "failed"
        if not mine:
            return "used"
        if self._shared is None:
            return "first"
        verdict = await self._shared.take(name, milliseconds=max(1, int((until - now) * 1000)))
        if verdict is Verdict.AWAY and self._without_redis == "machine":
            return "machine"
        if verdict in (Verdict.AWAY, Verdict.BUSY):
            await asyncio.to_thread(self._used.give_back, name)
        return verdict.value


def name_of(grant: Grant, token: str) -> str:
    """What a token is called where its use is noted: 32 hexadecimal digits that tell nothing of it."""
    parts = (grant.scheme, grant.issuer, grant.token_id, "" if grant.token_id else token)
    return hashlib.blake2b(json.dumps(parts).encode(), digest_size=16).hexdigest()


@asynccontextmanager
async def open_first_uses(
    settings: Settings, *, clock: Callable[[], float] = time.time
) -> AsyncIterator[FirstUses]:
    """What a worker needs; all workers of this machine share a folder under var_dir."""
    replay = settings.tokens.replay
    used = UsedNames(settings.var_dir / "run" / "used", most=replay.most)
    async with contextlib.AsyncExitStack() as stack:
        await asyncio.to_thread(used.open)
        shared = None
        if settings.redis.url is not None:
            client = await stack.enter_async_context(open_redis(settings.redis))
            shared = SharedNames(client, settings.redis)
        tasks = await stack.enter_async_context(BackgroundTasks())
        tasks.start("forget used tokens", partial(_sweep, used, clock))
        uses = FirstUses(
            used,
            shared,
            without_redis=replay.without_redis,
            leeway_seconds=settings.tokens.leeway.total_seconds(),
        )
        stack.push_async_callback(uses.close)
        yield uses


async def _sweep(used: UsedNames, clock: Callable[[], float]) -> None:
    while True:
        await asyncio.to_thread(used.sweep, now=clock())
        await asyncio.sleep(_SWEEP_SECONDS)
