"""How long a slot waits before it starts the next worker."""

from __future__ import annotations

_FIRST_SECONDS = 0.1
_LONGEST_SECONDS = 10.0
# Viewers wait in the socket of a slot without a worker: only one that dies at once is worth waiting with.
_STEADY_SECONDS = 5.0


class Pauses:
    """Twice as long after each worker that did not last."""

    def __init__(self) -> None:
        self._next = _FIRST_SECONDS

    def ended(self, lived_seconds: float) -> None:
        """A worker ended so long after it was begun."""
        if lived_seconds > _STEADY_SECONDS:
            self._next = _FIRST_SECONDS

    def next(self) -> float:
        """Seconds to wait now."""
        pause = self._next
        self._next = min(pause * 2, _LONGEST_SECONDS)
        return pause
