"""The breaks of a group, as its leader writes them and the others read them."""

from __future__ import annotations

from bisect import bisect_right

from edge.manifests.ads.hls.places_in_time import start_of
from edge.manifests.ads.hls.record import MAX_SPANS, Interval, Rendition

_LONGEST_NAME = 80


class Timeline:
    """Intervals in order, while one version is worked through."""

    def __init__(self, shift: int, intervals: tuple[Interval, ...]) -> None:
        self.shift = shift
        self.intervals = list(intervals)

    def at(self, moment: int) -> Interval | None:
        """The break that a moment lies in."""
        place = self._place(moment)
        found = self.intervals[place - 1] if place else None
        return found if found is not None and moment < found.end else None

    def removed_before(self, moment: int) -> Interval | None:
        """The last removed break that begins at or before a moment."""
        earlier = reversed(self.intervals[: self._place(moment)])
        return next((interval for interval in earlier if not interval.gapped), None)

    def _place(self, moment: int) -> int:
        return bisect_right(self.intervals, moment, key=lambda interval: interval.start)

    def shift_at(self, moment: int) -> int:
        """Given minus origin's discontinuity number of the segment that has its middle at a moment."""
        shift = self.shift
        for interval in self.intervals:
            if interval.end > moment:
                break
            if interval.shift is not None:
                shift = interval.shift
        return shift

    @property
    def latest_shift(self) -> int:
        """The same of what begins behind all breaks that are closed."""
        known = [interval.shift for interval in self.intervals if interval.shift is not None]
        return known[-1] if known else self.shift

    @property
    def is_open(self) -> bool:
        """Whether it is not known yet what the numbers behind the last removed break are."""
        last = next((item for item in reversed(self.intervals) if not item.gapped), None)
        return last is not None and last.shift is None

    def is_behind_all(self, moment: int) -> bool:
        """Whether every break ends before a moment."""
        return not self.intervals or self.intervals[-1].end <= moment

    def add(self, start: int, end: int, *, gapped: bool, shift: int, key: str, rule: str) -> None:
        """Another segment of a break: of the last one if that goes on there."""
        last = self.intervals[-1] if self.intervals else None
        goes_on = last is not None and last.gapped == gapped and (gapped or last.joined is None)
        if last is not None and goes_on and last.end >= start:
            self.intervals[-1] = last._replace(end=max(end, last.end))
            return
        if last is not None and start < last.start:
            return  # dates went backwards: nobody could place it
        known = shift if gapped else None
        self.intervals.append(Interval(start, end, gapped, None, known, _short(key), _short(rule)))

    def close(self, *, end: int | None, joined: bool, shift: int | None) -> None:
        """The last removed break is over: how its sides meet, and where if that can be told."""
        if not self.intervals or self.intervals[-1].gapped:
            return
        last = self.intervals[-1]
        if end is not None and end > last.start:
            last = last._replace(end=end)
        self.intervals[-1] = last._replace(joined=joined, shift=shift)

    def settle(self, shift: int) -> None:
        """What could not be told when the last removed break was closed."""
        for place in reversed(range(len(self.intervals))):
            interval = self.intervals[place]
            if not interval.gapped:
                if interval.joined is not None and interval.shift is None:
                    self.intervals[place] = interval._replace(shift=shift)
                return

    def forget(self, moment: int) -> None:
        """Drop breaks that ended before a moment, and those beyond the bound."""
        while self.intervals and (
            len(self.intervals) > MAX_SPANS or self.intervals[0].end < moment
        ):
            first = self.intervals[0]
            if first.shift is None and len(self.intervals) <= MAX_SPANS:
                return
            self.shift = self.shift if first.shift is None else first.shift
            del self.intervals[0]


def numbered(leader: Rendition) -> tuple[Interval, ...]:
    """The breaks of the leader's own record, by the numbers of its segments."""
    found = [
        Interval(
            start_of(span.first), start_of(span.last + 1), False, span.joined, span.shift, "", ""
        )
        for span in leader.spans
    ]
    for first, last in leader.gaps:
        before = [span.shift for span in leader.spans if span.last < first]
        shift = next((one for one in reversed(before) if one is not None), leader.shift)
        found.append(Interval(start_of(first), start_of(last + 1), True, None, shift, "", ""))
    return tuple(sorted(found))


def _short(text: str) -> str:
    return text[:_LONGEST_NAME].encode("utf-8", "replace").decode()
