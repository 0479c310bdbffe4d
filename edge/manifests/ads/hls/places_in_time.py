"""Where the segments of a window lie on the axis that a group's breaks are placed by."""

from __future__ import annotations

from itertools import accumulate

from edge.manifests.ads.hls.record import Axis
from edge.manifests.ads.hls.window import Window

_UNIT = 1000


def start_of(number: int) -> int:
    """Where a segment begins on the axis of numbers."""
    return number * _UNIT


def axis_of(window: Window) -> Axis:
    """The best axis that a playlist has."""
    if has_dates(window):
        return "pdt"
    return "elapsed" if window.whole else "numbers"


def has_dates(window: Window) -> bool:
    """Whether any segment has a PROGRAM-DATE-TIME, given or derived."""
    # Dates are derived in both directions up to the next DISCONTINUITY, so that one look into each stretch is enough.
    return bool(len(window)) and any(
        window.starts[position] is not None for position in (0, *window.discontinuities)
    )


class Clock:
    """Moments of one window's segments; where a date is missing it follows from the lengths before or behind it."""

    def __init__(self, window: Window, axis: Axis) -> None:
        self._window = window
        self.axis = axis
        self._filled: list[int] | None = None

    def start(self, position: int) -> int:
        """Where a segment begins; of the window's length: where the one behind the last will."""
        if self.axis == "numbers":
            return start_of(self._window.first + position)
        if position == len(self._window):
            return self.end(position - 1) if position else 0
        if self.axis == "pdt":
            known = self._window.starts[position]
            if known is not None:
                return known
        if self._filled is None:
            self._filled = self._fill()
        return self._filled[position]

    def length(self, position: int) -> int:
        """How long a segment is; the one behind the last is taken to be as long as the last."""
        if self.axis == "numbers" or not len(self._window):
            return _UNIT
        return int(self._window.seconds[min(position, len(self._window) - 1)] * _UNIT)

    def end(self, position: int) -> int:
        """Where a segment ends."""
        return self.start(position) + self.length(position)

    def middle(self, position: int) -> int:
        """By which a segment belongs to a break or not."""
        return self.start(position) + self.length(position) // 2

    def is_sound(self, first: int, last: int) -> bool:
        """Whether dates go on from segment to segment, so that others may be placed between them."""
        if self.axis != "pdt":
            return True
        return all(
            self.start(position) - self.start(position - 1) >= self.length(position - 1) // 2
            for position in range(max(first, 1), last + 1)
        )

    def _fill(self) -> list[int]:
        elapsed = list(
            accumulate((int(seconds * _UNIT) for seconds in self._window.seconds), initial=0)
        )
        if self.axis == "elapsed":
            return elapsed
        starts = list(self._window.starts)
        known = next((place for place, start in enumerate(starts) if start is not None), None)
        offset = 0 if known is None else (starts[known] or 0) - elapsed[known]
        filled: list[int] = []
        for place, start in enumerate(starts):
            if start is not None:
                offset = start - elapsed[place]
            filled.append(elapsed[place] + offset)
        return filled
