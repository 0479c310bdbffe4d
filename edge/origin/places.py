"""How many may use a server at a time, and how many may wait for it."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable

from edge import metrics
from edge.errors import OriginBusy


class Places:
    """First come, first served; the queue is bounded in length and in time."""

    def __init__(self, origin: str, *, places: int, waiting: int, wait_seconds: float) -> None:
        self._all = self._free = places
        self._most_waiting = waiting
        self._wait_seconds = wait_seconds
        self._queue: deque[asyncio.Future[None]] = deque()
        self._busy_gauge = metrics.ORIGIN_CONNECTIONS.labels(origin, "busy")
        self._waiting_gauge = metrics.ORIGIN_CONNECTIONS.labels(origin, "waiting")
        # For work that nobody waits for: when somebody has to wait for a place, and when one is free again.
        self.on_waiting: Callable[[], None] = _nothing
        self.on_free: Callable[[], None] = _nothing

    def has_room(self, taken: int = 0) -> bool:
        """Whether nobody waits, and more than half the places were free with so many more taken."""
        return not self._queue and (self._free - taken) * 2 > self._all

    async def take(self, *, within: float) -> None:
        """A place, or ``OriginBusy``; whoever got one gives it back."""
        if self._free > 0:
            self._free -= 1
            self._busy_gauge.inc()
            return
        if len(self._queue) >= self._most_waiting:
            raise OriginBusy(result="busy", unsent=True)
        place = asyncio.get_running_loop().create_future()
        self._queue.append(place)
        self._waiting_gauge.inc()
        try:
            self.on_waiting()
            async with asyncio.timeout(min(self._wait_seconds, within)):
                await place
        except BaseException as error:
            if place.done() and not place.cancelled():
                self.give()  # it came in the same moment
            else:
                with contextlib.suppress(ValueError):  # passed over already
                    self._queue.remove(place)
            if isinstance(error, TimeoutError):
                raise OriginBusy(result="busy", unsent=True) from error
            raise
        finally:
            self._waiting_gauge.dec()

    def give(self) -> None:
        """Give a place back: to the one who has waited longest."""
        while self._queue:
            place = self._queue.popleft()
            if not place.done():
                place.set_result(None)
                return
        self._free += 1
        self._busy_gauge.dec()
        self.on_free()


def _nothing() -> None:
    pass
