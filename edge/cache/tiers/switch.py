"""Leaves a failing disk alone for a while, longer each time it fails again."""

from __future__ import annotations

import random
import time
from collections.abc import Callable


class Switch:
    """On until something fails, then off for a pause that doubles with each failure in a row."""

    def __init__(
        self,
        *,
        first_pause: float = 1.0,
        longest_pause: float = 60.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._first_pause = first_pause
        self._longest_pause = longest_pause
        self._clock = clock
        self._failures = 0
        self._off_until = 0.0

    @property
    def is_on(self) -> bool:
        return self._failures == 0 or self._clock() >= self._off_until

    def failed(self) -> float:
        """Off; for how many seconds."""
        pause = min(self._longest_pause, self._first_pause * (1 << min(self._failures, 16)))
        pause *= random.uniform(0.5, 1.0)  # the workers of a machine do not come back together
        self._failures += 1
        self._off_until = self._clock() + pause
        return pause

    def worked(self) -> None:
        """On again."""
        self._failures = 0
