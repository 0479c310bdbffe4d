"""Dates of segments behind a hole, said where a player would reckon them over what went (RFC 8216bis 4.4.4.6)."""

from __future__ import annotations

import re
from bisect import bisect_left
from datetime import datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple

from edge.manifests.ads.hls.outline import Join, Outline
from edge.manifests.ads.hls.segments import Segments, Tag

_TAG = "EXT-X-PROGRAM-DATE-TIME"
_LONGEST = 64
_LONGEST_ZONE = 6
_ZONE = re.compile(r"(?:Z|[+-][0-9]{2}(?::?[0-9]{2})?)?\Z", re.IGNORECASE)
_FRACTION = re.compile(r"[.,]([0-9]+)")
_MILLI_DIGITS = 3
_MANY = 32  # segments whose lengths are cheaper to read all at once


class _Date(NamedTuple):
    """A PROGRAM-DATE-TIME as it is written: its zone stays what it is."""

    moment: datetime
    zone: str
    digits: int

    def later(self, seconds: Decimal) -> str | None:
        """The date so much later, written alike; ``None`` behind the end of the calendar."""
        fine = self.digits > _MILLI_DIGITS
        unit = 1 if fine else 1000
        micros = int((seconds * (1_000_000 // unit)).to_integral_value()) * unit
        try:
            moment = self.moment + timedelta(microseconds=micros)
        except OverflowError:
            return None
        return moment.isoformat(timespec="microseconds" if fine else "milliseconds") + self.zone


class Clock:
    """What a player reckons each segment's date to be; asked in the playlist's order."""

    def __init__(self, segments: Segments) -> None:
        self._segments = segments
        self._has_any = segments.first(_TAG) is not None
        self._read_to = segments.begin
        self._last: Tag | None = None  # of the lines that were read
        self._known: tuple[list[int], list[_Date]] | None = None
        self._lengths: list[Decimal] | None = None
        # The position counted from, where it is counted to, seconds
        self._cursor = (-1, 0, Decimal(0))

    def behind(self, join: Join) -> list[bytes]:
        """The line that gives what follows a hole the date it had, if it has none of its own."""
        if join.first(_TAG) is not None or not self._has_any:
            return []
        return self._line(join.block.at)

    def ahead(self, outline: Outline) -> list[bytes]:
        """The same for the first segment, where its date is reckoned back from one that stands behind a hole."""
        first_gone = min([hole.first for hole in outline.holes], default=outline.listed)
        if not first_gone or not self._has_any or not (outline.holes or outline.tail_goes):
            return []
        first = self._segments.first(_TAG)
        if first is None or first.at < min(first_gone, outline.listed) or first.at == 0:
            return []
        self._cursor = (-1, 0, Decimal(0))
        return self._line(0)

    def _line(self, index: int) -> list[bytes]:
        anchor = self._anchor(index)
        if anchor is None:
            return []
        start, date = anchor
        text = date.later(self._seconds(start, index))
        return [] if text is None else [f"#{_TAG}:{text}".encode()]

    def _seconds(self, start: int, stop: int) -> Decimal:
        """From one position to another, going on from where the last answer ended."""
        if stop < start:
            return -sum(self._between(stop, start), Decimal(0))
        known, position, seconds = self._cursor
        if known != start or position > stop:
            position, seconds = start, Decimal(0)
        seconds += sum(self._between(position, stop), Decimal(0))
        self._cursor = (start, stop, seconds)
        return seconds

    def _between(self, start: int, stop: int) -> list[Decimal]:
        if self._lengths is None and stop - start > _MANY:
            self._lengths = self._segments.all_seconds()
        if self._lengths is not None:
            return self._lengths[start:stop]
        return [self._segments.seconds(position) for position in range(start, stop)]

    def _anchor(self, index: int) -> tuple[int, _Date] | None:
        """The last date before a position, else the first one, and the position that has it."""
        start = self._segments.start(index)
        last = self._segments.last(self._read_to, start, _TAG) or self._last
        if start > self._read_to:
            self._read_to, self._last = start, last
        # Most often it can be read, and no other has to be.
        if last is not None and last.at < index:
            date = self._date(last)
            if date is not None:
                return last.at, date
        positions, dates = self._dates()
        if not positions:
            return None
        place = max(bisect_left(positions, index) - 1, 0)
        return positions[place], dates[place]

    def _date(self, tag: Tag) -> _Date | None:
        text = self._segments.value(tag).strip()
        return _read(text) if len(text) <= _LONGEST else None

    def _dates(self) -> tuple[list[int], list[_Date]]:
        if self._known is None:
            found: dict[int, _Date] = {}
            for tag in self._segments.tags(_TAG):
                date = self._date(tag)
                if date is not None:
                    found[tag.at] = date  # of two for one segment the last
            self._known = list(found), list(found.values())
        return self._known


@lru_cache(maxsize=1024)
def _read(text: str) -> _Date | None:
    """A date; a live window says the same in each of its versions."""
    zone = _ZONE.search(text, max(len(text) - _LONGEST_ZONE, 0))
    if zone is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    fraction = _FRACTION.search(text)
    digits = 0 if fraction is None else len(fraction[1])
    return _Date(moment.replace(tzinfo=None), "" if moment.tzinfo is None else zone[0], digits)
