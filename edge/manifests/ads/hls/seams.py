"""Whether the media on both sides of a hole follow one another, so that no DISCONTINUITY is needed between them."""

from __future__ import annotations

import re
from bisect import bisect_left
from typing import TYPE_CHECKING

from edge.manifests.ads.hls.moments import micros_of
from edge.manifests.ads.rules import Contiguous

if TYPE_CHECKING:
    from edge.manifests.ads.hls.segments import Segments

_DATE = "EXT-X-PROGRAM-DATE-TIME"
_NEAR_MICROS = 100_000
_NUMBER = re.compile(r"([0-9]{1,18})(?=[^0-9]*\Z)")
_FORMATS = 16  # KEYs with more KEYFORMATs at once are never taken for the same


class Seams:
    """Asked for two positions, of which the second would follow the first."""

    def __init__(self, segments: Segments, by: Contiguous) -> None:
        self._segments = segments
        self._by = by
        self._changes: tuple[list[int], list[int]] | None = None

    def __call__(self, before: int, after: int) -> bool:
        if self._by == "pdt":
            return self._by_dates(before, after)
        return self._by == "numbers" and self._by_numbers(before, after)

    def _by_dates(self, before: int, after: int) -> bool:
        following = self._given(after)
        if following is None:
            return False  # most often so, and the other dates need not be read
        start = self._given(before)
        if start is None:
            start = self._segments.moments.micros(before)
            if start is None:
                return False
        end = start + int(self._segments.seconds(before) * 1_000_000)
        return abs(following - end) <= _NEAR_MICROS

    def _given(self, position: int) -> int | None:
        """The date that stands with a segment; of several the last."""
        start, stop = self._segments.block(position)
        tag = self._segments.last(start, stop, _DATE)
        while tag is not None:
            date = micros_of(self._segments.value(tag))
            if date is not None:
                return date
            tag = self._segments.last(start, tag.start, _DATE)
        return None

    def _by_numbers(self, before: int, after: int) -> bool:
        ones, others = self._segments.uri(before), self._segments.uri(after)
        one, other = _numbered(ones), _numbered(others)
        return (
            one is not None
            and other is not None
            and int(one[0]) + 1 == int(other[0])
            and ones[: one.start()] == others[: other.start()]
            and ones[one.end() :] == others[other.end() :]
            and self._state(before) == self._state(after)
        )

    def _state(self, position: int) -> int:
        """A number for the MAP and the KEYs that apply to a segment."""
        if self._changes is None:
            self._changes = self._states()
        positions, states = self._changes
        place = bisect_left(positions, position + 1) - 1
        return states[place] if place >= 0 else 0

    def _states(self) -> tuple[list[int], list[int]]:
        keys: dict[str, str] = {}
        map_ = ""
        positions: list[int] = []
        states: list[int] = []
        numbers: dict[tuple[str, ...], int] = {("",): 0}
        for tag in self._segments.tags("EXT-X-KEY", "EXT-X-MAP"):
            value = self._segments.value(tag).strip()
            if tag.name == "EXT-X-MAP":
                map_ = value
            else:
                attributes = self._segments.attributes(tag)
                method, format_ = attributes.get("METHOD"), attributes.get("KEYFORMAT")
                if method is not None and method.value == "NONE":
                    keys = {}
                else:
                    keys["identity" if format_ is None else format_.value] = value
            known = (map_, *sorted(keys.values())) if len(keys) <= _FORMATS else (str(tag.start),)
            positions.append(tag.at)
            states.append(numbers.setdefault(known, len(numbers)))
        return positions, states


def _numbered(uri: str) -> re.Match[str] | None:
    """The last number in a URI's path."""
    path = uri.partition("?")[0]
    return _NUMBER.search(path)
