"""One question asked twice, side by side: whoever's head comes first is the answer, and the other is dropped."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from edge.origin.reply import HttpReply

Ask = Callable[[], Coroutine[Any, Any, HttpReply]]


async def first_head(
    first: Ask, second: Ask, *, delay: float, allowed: Callable[[], bool]
) -> HttpReply:
    """The first good head; the second question leaves when the first one is ``delay`` late and it is allowed."""
    tasks = [asyncio.create_task(first())]
    try:
        await asyncio.wait(tasks, timeout=delay)
        if not tasks[0].done() and allowed():
            tasks.append(asyncio.create_task(second()))
        winner = await _first_good(tasks)
        tasks.remove(winner)
        return winner.result()
    finally:
        await _drop(tasks)


async def _first_good(tasks: list[asyncio.Task[HttpReply]]) -> asyncio.Task[HttpReply]:
    """The first task with a reply; the last one to end if none has any."""
    pending = set(tasks)
    while True:
        done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            if task.exception() is None:
                return task
        if not pending:
            return done.pop()


async def _drop(tasks: list[asyncio.Task[HttpReply]]) -> None:
    for task in tasks:
        task.cancel()
    for result in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(result, HttpReply):
            result.end()
