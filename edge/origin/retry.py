"""How often an origin may be asked a second time, and when it is late; no clock of its own."""

from __future__ import annotations

from collections import deque

_BUCKET_SECONDS = 1.0
_BUCKETS = 10
_ALWAYS = 3  # in one window, so that a quiet origin can be asked again at all

_SAMPLES = 200
_ENOUGH = 20
_LATE = 0.95
_RECOUNTED_EVERY = 20
_SHORTEST_DELAY = 0.005


class RetryBudget:
    """At most ``ratio`` of the questions of the last ten seconds, and three."""

    def __init__(self, ratio: float) -> None:
        self._ratio = ratio
        self._buckets: deque[list[float]] = deque(maxlen=_BUCKETS)  # [start, questions, retries]

    def asked(self, now: float) -> None:
        """Count a question."""
        self._bucket(now)[1] += 1

    def take(self, now: float) -> bool:
        """Whether one more may be asked again; if so it is counted."""
        if not self._ratio:
            return False
        bucket = self._bucket(now)
        oldest = now - _BUCKETS * _BUCKET_SECONDS
        recent = [item for item in self._buckets if item[0] > oldest]
        questions = sum(item[1] for item in recent)
        retries = sum(item[2] for item in recent)
        if retries + 1 > max(_ALWAYS, self._ratio * questions):
            return False
        bucket[2] += 1
        return True

    def _bucket(self, now: float) -> list[float]:
        if not self._buckets or now - self._buckets[-1][0] >= _BUCKET_SECONDS:
            self._buckets.append([now, 0, 0])
        return self._buckets[-1]


class Lateness:
    """When an answer takes longer than 95 % of the recent ones."""

    def __init__(self) -> None:
        self._seconds: deque[float] = deque(maxlen=_SAMPLES)
        self._since = 0
        self._delay: float | None = None

    def took(self, seconds: float) -> None:
        """Count an answer's head."""
        self._seconds.append(seconds)
        self._since += 1
        if len(self._seconds) >= _ENOUGH and (
            self._delay is None or self._since >= _RECOUNTED_EVERY
        ):
            ordered = sorted(self._seconds)
            self._delay = max(_SHORTEST_DELAY, ordered[int(len(ordered) * _LATE)])
            self._since = 0

    @property
    def delay(self) -> float | None:
        """How many seconds are late; ``None`` while too little is known."""
        return self._delay
