"""How far seconds reach from a segment; asked often enough, it adds all of them up once."""

from __future__ import annotations

from bisect import bisect_left
from decimal import Decimal
from itertools import accumulate

from edge.manifests.ads.hls.segments import Segments

# What packagers round: a segment that begins so little before a declared end begins behind it.
_NEAR = Decimal("0.1")
_NEAR_EACH = Decimal("0.001")  # and so much more for each segment between
_STEPS_EACH = 4  # single steps for each segment, before all are added up


class Lengths:
    """Sums of the seconds of runs of segments."""

    def __init__(self, segments: Segments) -> None:
        self._segments = segments
        self._steps = _STEPS_EACH * len(segments)
        self._sums: list[Decimal] | None = None  # each segment a little longer than it is

    def between(self, first: int, stop: int) -> Decimal:
        """The seconds of a run; ``stop`` is not in it."""
        if self._may_step(stop - first):
            return sum(map(self._segments.seconds, range(first, stop)), Decimal(0))
        sums = self._all()
        return sums[stop] - sums[first] - _NEAR_EACH * (stop - first)

    def reach(self, first: int, stop: int, seconds: Decimal) -> bool:
        """Whether a run has so many seconds."""
        return self.between(first, stop) + _NEAR_EACH * (stop - first) >= seconds - _NEAR

    def end(self, first: int, seconds: Decimal, stop: int) -> int:
        """The first position, ``stop`` at most, that begins so many seconds behind the beginning of another."""
        if self._sums is None:
            reached, enough = Decimal(0), seconds - _NEAR
            seconds_of, limit = self._segments.seconds, min(stop, first + self._steps)
            for position in range(first, limit):
                if reached >= enough:
                    self._steps -= position - first
                    return position
                reached += seconds_of(position) + _NEAR_EACH
            self._steps -= max(limit - first, 0)
            if limit == stop:
                return stop
        sums = self._all()
        return bisect_left(sums, sums[first] + seconds - _NEAR, first, stop)

    def walk(self, first: int, seconds: Decimal) -> Walk:
        """The same for one who asks again and again, further on each time."""
        return Walk(self, first, seconds - _NEAR)

    def passed(
        self, first: int, position: int, reached: Decimal, enough: Decimal, stop: int
    ) -> tuple[int, Decimal]:
        """From a position to where enough is reached, ``stop`` at most, and what is reached there."""
        if self._may_step(stop - position):
            seconds_of = self._segments.seconds
            while position < stop and reached < enough:
                reached += seconds_of(position) + _NEAR_EACH
                position += 1
            return position, reached
        sums = self._all()
        position = bisect_left(sums, sums[first] + enough, position, stop)
        return position, sums[position] - sums[first]

    def begin(self, stop: int, seconds: Decimal) -> int:
        """The first position of the longest run before ``stop`` that has no more seconds than these."""
        if self._sums is None:
            reached = Decimal(0)
            for position in range(stop - 1, -1, -1):
                if not self._may_step(1):
                    break
                reached += self._segments.seconds(position)
                if reached > seconds + _NEAR:
                    return position + 1
            else:
                return 0
        sums = self._all()
        return bisect_left(sums, sums[stop] - seconds - _NEAR, 0, stop)

    def _may_step(self, steps: int) -> bool:
        self._steps -= steps
        return self._sums is None and self._steps >= 0

    def _all(self) -> list[Decimal]:
        if self._sums is None:
            each = (seconds + _NEAR_EACH for seconds in self._segments.all_seconds())
            self._sums = list(accumulate(each, initial=Decimal(0)))
        return self._sums


class Walk:
    """How far some seconds reach from a segment on."""

    __slots__ = ("_enough", "_first", "_lengths", "_position", "_reached")

    def __init__(self, lengths: Lengths, first: int, enough: Decimal) -> None:
        self._lengths = lengths
        self._first = self._position = first
        self._enough = enough
        self._reached = Decimal(0)

    def end(self, stop: int) -> int:
        """The first position behind them, ``stop`` at most."""
        return min(self._position, stop) if self.is_over(stop) else stop

    def is_over(self, stop: int) -> bool:
        """Whether they have passed at a position."""
        if self._position < stop and self._reached < self._enough:
            self._position, self._reached = self._lengths.passed(
                self._first, self._position, self._reached, self._enough, stop
            )
        return self._reached >= self._enough and self._position <= stop
