"""Whether something ran or stayed open longer than what it was made for."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

SETTLE_SECONDS = 3


class Leaks:
    """Compares tasks and descriptors before and after a block."""

    @asynccontextmanager
    async def none(self) -> AsyncIterator[None]:
        """Whatever the block started is over soon after it."""
        await asyncio.sleep(0)
        tasks, descriptors = running(), opened()
        yield
        try:
            async with asyncio.timeout(SETTLE_SECONDS):
                while running() - tasks or len(opened()) > len(descriptors):
                    gc.collect()
                    await asyncio.sleep(0.01)
        except TimeoutError:
            left = [repr(task) for task in running() - tasks]
            more = sorted(set(opened().items()) - set(descriptors.items()))
            raise AssertionError(f"left behind: tasks {left}, descriptors {more}") from None


def running() -> set[asyncio.Task[object]]:
    """Every task of this loop but the one that asks."""
    return {task for task in asyncio.all_tasks() if task is not asyncio.current_task()}


def opened() -> dict[int, str]:
    """Every open descriptor of this process, and what it is."""
    found = {}
    for link in Path("/proc/self/fd").iterdir():
        try:
            found[int(link.name)] = str(link.readlink())
        except FileNotFoundError:  # the one of the listing itself
            continue
    return found
