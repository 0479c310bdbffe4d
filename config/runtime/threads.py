"""Runs blocking work in a thread that ends soon after its caller is cancelled."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

Checkpoint = Callable[[], None]


class Stopped(Exception):
    """The caller was cancelled while a thread worked for it."""


async def in_thread(work: Callable[[Checkpoint], T]) -> T:
    """The result of ``work``, which calls its checkpoint often; a cancel waits for the thread to see it.

    Otherwise the thread would go on writing what nobody wants any more.
    """
    stop = threading.Event()

    def checkpoint() -> None:
        if stop.is_set():
            raise Stopped

    future = asyncio.ensure_future(asyncio.to_thread(work, checkpoint))
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        stop.set()
        await asyncio.gather(future, return_exceptions=True)
        raise
