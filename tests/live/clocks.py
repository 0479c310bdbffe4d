"""What time it is on the stage: as it passes, or as a test says."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """Seconds of media that have been recorded so far."""

    def now(self) -> float: ...

    async def reached(self, moment: float) -> None: ...


class RealClock:
    """Time passes by itself."""

    def __init__(self, start: float) -> None:
        self._zero = time.monotonic() - start

    def now(self) -> float:
        return time.monotonic() - self._zero

    async def reached(self, moment: float) -> None:
        while self.now() < moment:
            await asyncio.sleep(moment - self.now())


class ManualClock:
    """Time stands still until a test moves it."""

    def __init__(self, start: float) -> None:
        self._now = start
        self._moved = asyncio.Event()

    def now(self) -> float:
        return self._now

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._now += seconds
        self._moved.set()
        self._moved = asyncio.Event()

    async def reached(self, moment: float) -> None:
        while self._now < moment:
            await self._moved.wait()
