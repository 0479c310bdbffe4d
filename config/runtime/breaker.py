"""A breaker: when a neighbour fails again and again it is left alone for a while, then tried by one call."""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Callable
from typing import Literal

from redis.exceptions import ConnectionError as RedisConnectionError

State = Literal["closed", "open", "half-open"]

_IN_A_ROW = 5
_OF_LATEST = 20
_PAUSES = (1.0, 5.0)  # seconds


class BreakerOpen(RedisConnectionError):
    """The neighbour failed lately and is not asked for a moment."""

    def __init__(self) -> None:
        super().__init__(BreakerOpen.__doc__)


class Breaker:
    """Opens after five failures in a row or more than half of the latest twenty calls."""

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.monotonic,
        spread: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._clock = clock
        self._spread = spread
        self._latest: deque[bool] = deque(maxlen=_OF_LATEST)  # True: failed
        self._in_a_row = 0
        self._until: float | None = None  # no call before; None: closed
        self._probing = False

    @property
    def state(self) -> State:
        if self._until is None:
            return "closed"
        return "half-open" if self._probing or self._clock() >= self._until else "open"

    def guard(self, *failures: type[BaseException]) -> Guard:
        """Run one call; ``failures`` are what counts against the neighbour, all else is an answer of it."""
        return Guard(self, failures)

    def enter(self) -> bool:
        """Whether this call is the one that tries the neighbour again; ``BreakerOpen`` if there may be none."""
        if self._until is None:
            return False
        if self._probing or self._clock() < self._until:
            raise BreakerOpen
        self._probing = True
        return True

    def leave(self, *, is_probe: bool, failed: bool | None) -> None:
        """Take note of a call's end; ``None``: nobody knows."""
        if failed:
            self._failed(is_probe=is_probe)
        elif failed is None:
            self._probing = self._probing and not is_probe
        else:
            self._succeeded(is_probe=is_probe)

    def _failed(self, *, is_probe: bool) -> None:
        self._latest.append(True)
        self._in_a_row += 1
        is_full = len(self._latest) == _OF_LATEST
        half_failed = is_full and sum(self._latest) * 2 > _OF_LATEST
        if is_probe or (self._until is None and (self._in_a_row >= _IN_A_ROW or half_failed)):
            self._until = self._clock() + self._spread(*_PAUSES)
        self._probing = self._probing and not is_probe

    def _succeeded(self, *, is_probe: bool) -> None:
        if is_probe:
            self._until = None
            self._probing = False
            self._latest.clear()
        self._latest.append(False)
        self._in_a_row = 0


class Guard:
    """One call behind a breaker, for the length of a ``with`` block."""

    __slots__ = ("_breaker", "_failures", "_is_probe")

    def __init__(self, breaker: Breaker, failures: tuple[type[BaseException], ...]) -> None:
        self._breaker = breaker
        self._failures = failures
        self._is_probe = False

    def __enter__(self) -> None:
        self._is_probe = self._breaker.enter()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        failed: bool | None = kind is not None and issubclass(kind, self._failures)
        if kind is not None and not failed and not issubclass(kind, Exception):
            failed = None  # cancelled
        self._breaker.leave(is_probe=self._is_probe, failed=failed)
