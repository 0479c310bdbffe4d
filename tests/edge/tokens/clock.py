"""A clock that a test moves."""

from __future__ import annotations

import time


class Clock:
    """Runs as the real one does, ahead of it."""

    def __init__(self) -> None:
        self.ahead = 0.0  # seconds

    def now(self) -> float:
        """Seconds since the epoch."""
        return time.time() + self.ahead
