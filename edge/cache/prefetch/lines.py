"""One origin's fetches ahead: few at a time, and only while viewers' requests leave room."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from edge import metrics
from edge.cache.call import Call
from edge.cache.ranges import Span
from edge.origin.http import HttpOrigin
from edge.origin.origins import Origin

_MOST_WAITING = 64
# Whoever it was for has asked by itself since then.
_LONGEST_WAIT_SECONDS = 10.0


@dataclass(slots=True, kw_only=True)
class Wish:
    """Something that a viewer will probably ask for."""

    key: str
    call: Call
    span: Span | None
    expected: int  # bytes, by the segment before it
    is_urgent: bool = False  # for a viewer whose buffer is empty
    until: float = 0.0
    bytes: int = field(default=0, init=False)  # that arrived
    used: bool = field(default=False, init=False)  # a viewer has asked for it meanwhile


class Line:
    """What waits and what runs."""

    def __init__(
        self,
        origin: Origin,
        *,
        most: int,
        fetch: Callable[[Wish], Coroutine[Any, Any, None]],
        clock: Callable[[], float],
    ) -> None:
        self._origin = origin
        self._most = most
        self._fetch = fetch
        self._clock = clock
        self._waiting: OrderedDict[str, Wish] = OrderedDict()
        self._urgent: OrderedDict[str, Wish] = OrderedDict()
        self._running: dict[str, tuple[Wish, asyncio.Task[None]]] = {}
        self._is_open = True
        if isinstance(origin, HttpOrigin):
            origin.tell_of_places(waiting=self._give_way, free=self._go)

    def __contains__(self, key: str) -> bool:
        return key in self._urgent or key in self._waiting or key in self._running

    def add(self, wish: Wish) -> None:
        """Fetch it now, or when there is room."""
        wish.until = self._clock() + _LONGEST_WAIT_SECONDS
        waiting = self._urgent if wish.is_urgent else self._waiting
        waiting[wish.key] = wish
        if len(self._urgent) + len(self._waiting) > _MOST_WAITING:
            (self._waiting or self._urgent).popitem(last=False)
            metrics.PREFETCH.labels("busy").inc()
        self._go()

    def asked(self, key: str) -> None:
        """A viewer asks for it by itself, or joins what runs."""
        self._urgent.pop(key, None)
        self._waiting.pop(key, None)
        running = self._running.get(key)
        if running is not None:
            running[0].used = True

    async def close(self) -> None:
        """End what runs, and begin nothing more."""
        self._is_open = False
        self._urgent.clear()
        self._waiting.clear()
        tasks = [task for _, task in self._running.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _go(self) -> None:
        while (waiting := self._urgent or self._waiting) and self._is_open and self._has_room():
            key, wish = waiting.popitem(last=False)
            if self._clock() > wish.until:
                metrics.PREFETCH.labels("busy").inc()
                continue
            task = asyncio.create_task(self._fetch(wish), name=f"prefetch {key[:80]}")
            self._running[key] = wish, task
            task.add_done_callback(partial(self._ended, key))

    def _has_room(self) -> bool:
        running = len(self._running)
        if running >= self._most:
            return False
        # What has only just begun may not have its connection yet, so all that run are counted again.
        return not isinstance(self._origin, HttpOrigin) or self._origin.has_room(running)

    def _give_way(self) -> None:
        """A viewer's request waits for a connection: let go of what nobody has joined."""
        for _, task in self._running.values():
            task.cancel()

    def _ended(self, key: str, _: asyncio.Task[None]) -> None:
        del self._running[key]
        self._go()
