"""The ghost queue of S3-FIFO: which keys were dropped lately, without what they stood for."""

from __future__ import annotations

from collections import deque


class Ghost:
    """Fingerprints in the order in which they came; the oldest leave first, every step in constant time."""

    def __init__(self) -> None:
        self._order: deque[int] = deque()
        self._tickets: dict[int, int] = {}
        self._first = 0  # the ticket of the front of the queue

    def __contains__(self, key: str) -> bool:
        return hash(key) in self._tickets

    def __len__(self) -> int:
        return len(self._order)

    def add(self, key: str, *, limit: int) -> None:
        """Remember ``key`` and forget the oldest beyond ``limit``."""
        mark = hash(key)
        self._tickets[mark] = self._first + len(self._order)
        self._order.append(mark)
        while len(self._order) > limit:
            oldest = self._order.popleft()
            # A key that was taken out or came again has another ticket, and its old place means nothing.
            if self._tickets.get(oldest) == self._first:
                del self._tickets[oldest]
            self._first += 1

    def take(self, key: str) -> bool:
        """Whether ``key`` was there; it is not any more."""
        return self._tickets.pop(hash(key), None) is not None
