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
        self._left: set[asyncio.Task[V]] = set()  # nobody joins them any more

    async def run(self, key: K, work: Callable[[], Awaitable[V]]) -> V:
        """The result of ``work``, started here or already under way."""
        task = self._running.get(key)
        if task is None:
            task = asyncio.create_task(_awaited(work))
            self._running[key] = task
            task.add_done_callback(lambda done: self._ended(key, done))
        # A viewer who hangs up must not cancel the fetch that others wait for.
        return await asyncio.shield(task)

    def leave(self, matching: Callable[[K], bool]) -> None:
        """Whoever asks for these from now on has it done anew; those who wait get what is under way."""
        for key in [key for key in self._running if matching(key)]:
            self._left.add(self._running.pop(key))

    def __len__(self) -> int:
        return len(self._running)

    async def close(self) -> None:
        """Cancel what is under way."""
        tasks = [*self._running.values(), *self._left]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _ended(self, key: K, task: asyncio.Task[V]) -> None:
        if self._running.get(key) is task:
            del self._running[key]
        self._left.discard(task)
        if not task.cancelled():
            task.exception()  # seen, even if every caller has left


async def _awaited(work: Callable[[], Awaitable[V]]) -> V:
    return await work()
