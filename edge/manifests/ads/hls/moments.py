"""When each segment begins, from PROGRAM-DATE-TIMEs and the lengths between them."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import accumulate, pairwise
from typing import NamedTuple

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_MICRO = 1_000_000
_LONGEST_DATE = 64
# Dates that go backwards begin a new age; of a playlist with more of them no date can be trusted.
_AGES = 16


def micros_of(text: str) -> int | None:
    """Microseconds since the epoch of a date in ISO 8601; one without a zone is in UTC."""
    text = text.strip()
    if len(text) > _LONGEST_DATE:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - _EPOCH) // _MICROSECOND


class _Stretch(NamedTuple):
    """Positions that get their dates from one PROGRAM-DATE-TIME."""

    first: int
    stop: int
    anchor: int  # the position that has the date
    micros: int  # of the anchor


class _Age(NamedTuple):
    """Stretches whose dates never go backwards."""

    places: range
    begins: list[int]


class Moments:
    """Dates of segments: given ones, and what follows from them up to the next DISCONTINUITY on either side."""

    def __init__(
        self,
        total: int,
        seconds: Callable[[int], Decimal],
        dates: Sequence[tuple[int, str]],
        discontinuities: Sequence[int],
    ) -> None:
        self._seconds = seconds
        self.given = {  # of two for one segment the last
            position: micros
            for position, text in dates
            if position < total and (micros := micros_of(text)) is not None
        }
        self._stretches = _stretches(total, self.given, discontinuities)
        self._firsts = [stretch.first for stretch in self._stretches]
        self._known: dict[int, list[int]] = {}  # first of a stretch -> dates of all of it
        self._ages: list[_Age] | None = None

    def __bool__(self) -> bool:
        return bool(self._stretches)

    def micros(self, position: int) -> int | None:
        """When a segment begins, in microseconds since the epoch."""
        given = self.given.get(position)
        if given is not None:
            return given
        place = bisect_right(self._firsts, position) - 1
        if place < 0 or position >= self._stretches[place].stop:
            return None
        return self._dates(place)[position - self._firsts[place]]

    def start(self, position: int) -> int | None:
        """The same in milliseconds."""
        micros = self.micros(position)
        return None if micros is None else micros // 1000

    def is_firm(self, position: int) -> bool:
        """Whether its date is given, or follows from one before it and not from one behind it."""
        place = bisect_right(self._firsts, position) - 1
        return (
            place >= 0 and self._stretches[place].anchor <= position < self._stretches[place].stop
        )

    def between(self, start: int, end: int | None) -> tuple[int, int] | None:
        """The first and the last segment that begin at or after a moment and before another."""
        for age in self._by_age():
            low = self._first_from(age, start)
            high = (
                self._stretches[age.places.stop - 1].stop - 1
                if end is None
                else self._last_before(age, end)
            )
            if low <= high:
                return low, high
        return None

    def _first_from(self, age: _Age, moment: int) -> int:
        """The first position of an age that begins at or after a moment; what is behind the age if none does."""
        near = bisect_left(age.begins, moment)
        if near > 0:
            place = age.places[near - 1]
            dates = self._dates(place)
            step = bisect_left(dates, moment)
            if step < len(dates):
                return self._firsts[place] + step
        if near < len(age.places):
            return self._firsts[age.places[near]]
        return self._stretches[age.places.stop - 1].stop

    def _last_before(self, age: _Age, moment: int) -> int:
        """The last position of an age that begins before a moment; -1 if none does."""
        near = bisect_left(age.begins, moment)
        if near == 0:
            return -1
        place = age.places[near - 1]
        return self._firsts[place] + bisect_left(self._dates(place), moment) - 1

    def _by_age(self) -> list[_Age]:
        if self._ages is None:
            begins = [self._begin(place) for place in range(len(self._stretches))]
            cuts = [place for place in range(1, len(begins)) if begins[place] < begins[place - 1]]
            if len(cuts) >= _AGES:
                self._ages = []
            else:
                self._ages = [
                    _Age(range(first, stop), begins[first:stop])
                    for first, stop in pairwise([0, *cuts, len(begins)])
                    if first < stop
                ]
        return self._ages

    def _begin(self, place: int) -> int:
        stretch = self._stretches[place]
        return stretch.micros if stretch.anchor == stretch.first else self._dates(place)[0]

    def _dates(self, place: int) -> list[int]:
        """The dates of all positions of a stretch."""
        stretch = self._stretches[place]
        known = self._known.get(place)
        if known is None:
            lengths = [
                int(self._seconds(position) * _MICRO)
                for position in range(stretch.first, stretch.stop - 1)
            ]
            before = sum(lengths[: stretch.anchor - stretch.first])
            known = list(accumulate(lengths, initial=stretch.micros - before))
            self._known[place] = known
        return known


def _stretches(total: int, given: dict[int, int], discontinuities: Sequence[int]) -> list[_Stretch]:
    found: list[_Stretch] = []
    dated = sorted(given)
    for place, anchor in enumerate(dated):
        first, stop = anchor, dated[place + 1] if place + 1 < len(dated) else total
        near = bisect_right(discontinuities, anchor)
        if near < len(discontinuities):
            stop = min(stop, discontinuities[near])
        # Nothing before it in its run has a date: what follows from it goes backwards too.
        begin = discontinuities[near - 1] if near else 0
        if place == 0 or dated[place - 1] < begin:
            first = begin
        found.append(_Stretch(first, stop, anchor, given[anchor]))
    return found
