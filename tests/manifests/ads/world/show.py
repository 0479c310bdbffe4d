"""What is on: stretches of content and breaks, on one line of time, with what the markers of each break say."""

from __future__ import annotations

import random
from bisect import bisect_right
from dataclasses import dataclass, replace
from typing import Literal

NEVER = 1 << 60
Fault = Literal["none", "late-out", "no-out", "no-in", "early-in", "late-in", "in-comes-late"]
Sides = Literal["none", "both", "before", "behind"]


@dataclass(frozen=True, kw_only=True)
class Stretch:
    """Content or a break; places are counted in segments of the leading rendition."""

    number: int
    start: int
    end: int
    is_ad: bool
    has_tag: bool  # a DISCONTINUITY where it begins
    fault: Fault = "none"
    # What the markers say: [begins, ends), told from one tick on; where it ends is told from another.
    begins: int = 0
    ends: int = 0
    told_from: int = 0
    closed_from: int = 0
    closes_at: int | None = None  # where the closing marker stands

    def tells(self, place: int, tick: int) -> bool:
        """Whether the markers that are there at a tick call a place in this break, or behind it, an ad."""
        if tick < self.told_from or place < self.begins:
            return False
        return place < (self.ends if tick >= self.closed_from else NEVER)


@dataclass(frozen=True, kw_only=True)
class Nature:
    """What markers can do, so that the faults drawn are ones whose meaning is clear."""

    continues: bool  # something is said in each segment of a break, or for as long as it lasts
    declares: bool  # how long it will be
    faults: tuple[Fault, ...]


class Show:
    """Stretches made ahead from a seed."""

    def __init__(
        self,
        draw: random.Random,
        nature: Nature,
        *,
        sides: Sides,
        noise: bool,
        longest: int,
        parts: int,
        count: int,
    ) -> None:
        self._draw = draw
        self._nature = nature
        self._parts = parts
        self.stretches: list[Stretch] = []
        at = 0
        for turn in range(count):
            is_ad = turn % 2 == 1
            length = draw.randint(1, longest) if is_ad else draw.randint(5, 14)
            tag = sides in (("both", "before") if is_ad else ("both", "behind"))
            at = self._add(at, length, is_ad=is_ad, has_tag=tag and turn > 0)
            if noise and not is_ad and draw.random() < 0.4:
                at = self._add(at, draw.randint(3, 5), is_ad=False, has_tag=True)
        self.end = at
        self._starts = [stretch.start for stretch in self.stretches]
        self._ads = [stretch for stretch in self.stretches if stretch.is_ad]
        self._ad_starts = [stretch.start for stretch in self._ads]

    def _add(self, at: int, length: int, *, is_ad: bool, has_tag: bool) -> int:
        made = Stretch(
            number=len(self.stretches),
            start=at,
            end=at + length,
            is_ad=is_ad,
            has_tag=has_tag,
            begins=at,
            ends=at + length,
            closes_at=at + length,
        )
        self.stretches.append(self._faulty(made, length) if is_ad else made)
        return at + length

    def _faulty(self, made: Stretch, length: int) -> Stretch:
        draw, nature = self._draw, self._nature
        fault = draw.choice((*nature.faults, "none", "none"))
        late = draw.randint(1, 2)
        if fault == "late-out":
            # So many versions behind the one that first lists the segment.
            return replace(
                made, fault=fault, told_from=(made.start + 1) * self._parts + late * self._parts
            )
        if fault == "no-out":
            begins = made.start + 1 if nature.continues and length > 1 else made.end
            return replace(made, fault=fault, begins=begins)
        if fault == "no-in":
            return replace(made, fault=fault, closes_at=None)
        if fault == "early-in" and length > 1:
            ends = made.end - draw.randint(1, length - 1)
            return replace(made, fault=fault, ends=ends, closes_at=ends)
        if fault == "late-in":
            ends = made.end if nature.declares else made.end + 1
            return replace(made, fault=fault, ends=ends, closes_at=made.end + 1)
        if fault == "in-comes-late" and not nature.declares:
            return replace(
                made, fault=fault, closed_from=(made.end + 1) * self._parts + late * self._parts
            )
        return made

    def at(self, place: int) -> Stretch:
        """The stretch that a place is in."""
        return self.stretches[
            min(max(bisect_right(self._starts, place) - 1, 0), len(self.stretches) - 1)
        ]

    def last_break(self, place: int) -> Stretch | None:
        """The break that a place is in or behind."""
        found = bisect_right(self._ad_starts, place)
        return self._ads[found - 1] if found else None

    def tells(self, place: int, tick: int) -> bool:
        """Whether the markers call a place an ad."""
        known = self.last_break(place)
        return known is not None and known.tells(place, tick)
