"""One piece of work for all who ask for the same thing at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class SingleFlight(Generic[K, V]):
    """Runs work once per key at a time; a caller who leaves stops nobody else."""

    def __init__(self) -> None:
        self._running: dict[K, asyncio.Task[V]] = {}

    async def run(self, key: K, work: Callable[[], Awaitable[V]]) -> V:
        """The result of ``work``, started here or already under way."""
        task = self._running.get(key)
        if task is None:
            task = asyncio.create_task(_awaited(work))
            self._running[key] = task
            task.add_done_callback(lambda done: self._ended(key, done))
        # A viewer who hangs up must not cancel the fetch that others wait for.
        return await asyncio.shield(task)

    def __len__(self) -> int:
        return len(self._running)

    async def close(self) -> None:
        """Cancel what is under way."""
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _ended(self, key: K, task: asyncio.Task[V]) -> None:
        self._running.pop(key, None)
        if not task.cancelled():
            task.exception()  # seen, even if every caller has left


async def _awaited(work: Callable[[], Awaitable[V]]) -> V:
    return await work()
