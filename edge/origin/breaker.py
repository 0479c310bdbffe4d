"""Whether a server that keeps failing is asked at all; no clock of its own."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from enum import IntEnum

_WINDOW = 20
_WORST_RATIO = 0.5


class State(IntEnum):
    """As the metric shows it."""

    CLOSED = 0
    HALF_OPEN = 1
    OPEN = 2


class Breaker:
    """Opens after some failures in a row, or more than half of 20; then one question at a time finds out."""

    def __init__(
        self,
        *,
        failures: int = 5,
        pause: tuple[float, float] = (1.0, 5.0),
        spread: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._most = failures  # 0: never opens
        self._pause = pause
        self._spread = spread
        self._row = 0
        self._recent: deque[bool] = deque(maxlen=_WINDOW)
        self._open_until: float | None = None  # None: closed
        self._probing = False

    def state(self, now: float) -> State:
        """Whether it lets everything, one question or nothing through."""
        if self._open_until is None:
            return State.CLOSED
        return State.OPEN if now < self._open_until else State.HALF_OPEN

    def allows(self, now: float) -> bool:
        """Whether to ask; True from a half-open one makes the caller its probe, who must tell how it ended."""
        if self._open_until is None:
            return True
        if now < self._open_until or self._probing:
            return False
        self._probing = True
        return True

    def succeeded(self) -> None:
        """An answer came: half open becomes closed."""
        if self._open_until is not None:
            self._open_until = None
            self._probing = False
            self._recent.clear()
        self._row = 0
        self._recent.append(True)

    def failed(self, now: float) -> None:
        """None came."""
        self._row += 1
        self._recent.append(False)
        if self._open_until is not None:
            if self._probing:  # others were on their way before it opened
                self._open(now)
        elif self._most and (self._row >= self._most or self._mostly_bad()):
            self._open(now)

    def abandoned(self) -> None:
        """Nobody waited for the end: the next one may probe."""
        self._probing = False

    def _mostly_bad(self) -> bool:
        bad = self._recent.count(False)
        return len(self._recent) == _WINDOW and bad > _WINDOW * _WORST_RATIO

    def _open(self, now: float) -> None:
        self._open_until = now + self._spread(*self._pause)
        self._probing = False
        self._row = 0
        self._recent.clear()
