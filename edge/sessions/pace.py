"""How often each session may report."""

from __future__ import annotations

from edge.cache.bounded import Bounded

_MOST_SESSIONS = 65_536
_AT_ONCE = 30.0  # seconds' worth of reports that may come together: a viewer who seeks about makes several a second


class Pace:
    """So many reports a second of each session, with some in reserve; forgets who is longest silent."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._most = max(1.0, rate * _AT_ONCE)
        self._left: Bounded[str, tuple[float, float]] = Bounded(_MOST_SESSIONS)

    def allows(self, session: str, *, now: float) -> bool:
        """Whether one more may be taken at ``now`` (seconds), which counts it."""
        left, at = self._left.get(session) or (self._most, now)
        left = min(self._most, left + max(0.0, now - at) * self._rate)
        is_allowed = left >= 1
        self._left.put(session, (left - is_allowed, now))  # also when the clock was set back
        return is_allowed
