"""The threads that wait for the disk, so that the event loop does not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")

_THREADS = 4


class TooManyReads(Exception):
    """More reads wait than the disk will answer in time."""


class Readers:
    """Runs what blocks in a few threads: never more than ``most_reads`` at once, each awaited ``seconds`` at most.

    A read that nobody awaits any more cannot be stopped: it counts until its thread is through with it.
    """

    def __init__(self, *, most_reads: int, seconds: float, threads: int = _THREADS) -> None:
        self._most_reads = most_reads
        self._seconds = seconds
        self._reads = 0
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="disk-reader")

    async def run(self, work: Callable[[], T], *, unwanted: Callable[[T], None] | None = None) -> T:
        """The result of ``work``; ``TooManyReads`` or ``TimeoutError`` if the disk is behind.

        A result that its caller did not live to see, or did not wait for, goes to ``unwanted``.
        """
        if self._reads >= self._most_reads:
            raise TooManyReads
        future = asyncio.get_running_loop().run_in_executor(self._threads, work)
        self._reads += 1
        future.add_done_callback(self._ended)
        taken = False
        try:
            async with asyncio.timeout(self._seconds):
                # Cancelling the future of a read that waits for its thread would not tell when it has ended.
                result = await asyncio.shield(future)
            taken = True
            return result
        finally:
            if not taken and unwanted is not None:
                # Also if the read is done by now: its result came together with the cancellation.
                future.add_done_callback(lambda done: _discard(done, unwanted))

    def close(self) -> None:
        """Begin no more reads, and wait for none."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _ended(self, future: asyncio.Future[T]) -> None:
        self._reads -= 1
        if not future.cancelled():
            future.exception()  # seen, even if nobody waits any more


def _discard(future: asyncio.Future[T], unwanted: Callable[[T], None]) -> None:
    if not future.cancelled() and future.exception() is None:
        unwanted(future.result())
