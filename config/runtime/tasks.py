"""Background tasks with an owner: restarted when they fail, cancelled when the owner leaves."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self, TypeVar

from prometheus_client import Counter

from config.runtime.logging import get_logger

log = get_logger(__name__)

T = TypeVar("T")

TASK_FAILURES = Counter(
    "kawa_background_task_failures_total", "Background tasks that ended by an exception.", ["task"]
)

_FIRST_PAUSE_SECONDS = 0.2
_LONGEST_PAUSE_SECONDS = 10.0


class BackgroundTasks:
    """Owns the tasks of a program for the length of an ``async with`` block."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """Run ``work`` until the block ends; whenever it fails it is logged, counted and run again."""
        task = asyncio.create_task(self._keep(name, work), name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _keep(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        pause = _FIRST_PAUSE_SECONDS
        loop = asyncio.get_running_loop()
        while True:
            started = loop.time()
            try:
                await work()
                return
            except Exception:
                if is_cancelled():
                    return
                log.exception("background task failed", task=name)
                TASK_FAILURES.labels(name).inc()
            if loop.time() - started > _LONGEST_PAUSE_SECONDS:
                pause = _FIRST_PAUSE_SECONDS
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))
            pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)


def heed_cancellation() -> None:
    """End this task if it was told to: redis-py sends by ``wait_for``, which in Python 3.11 can swallow that."""
    if is_cancelled():
        raise asyncio.CancelledError


def is_cancelled() -> bool:
    """Whether this task was told to end, even if a library swallowed the exception that said so."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def to_its_end(work: Awaitable[T]) -> T:
    """What ``work`` comes to, even when this task is told to end meanwhile: once, and ``is_cancelled`` tells of it."""
    future = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        return await future
