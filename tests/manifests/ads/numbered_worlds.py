"""A live origin as numbers only: content and breaks, several renditions, versions, markers good and bad."""

from __future__ import annotations

import random
from bisect import bisect_right
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import accumulate
from typing import Literal

from edge.manifests.ads.hls.runs import AdRun
from edge.manifests.ads.hls.window import Window

EPOCH_MS = 1_790_000_000_000
Sides = Literal["none", "both", "before", "behind"]


@dataclass(frozen=True, kw_only=True)
class Scheme:
    """What kind of stream it is."""

    sides: Sides = "both"  # where breaks have DISCONTINUITYs
    dated: bool = True
    late: int = 0  # versions by which markers may come late
    wrong: bool = False  # CUE-INs too early, OUTs and INs missing
    noise: bool = False  # DISCONTINUITYs inside of stretches
    parts: bool = False
    window: int = 8
    longest: int = 6  # segments in a break
    counts: bool = True  # the origin counts the DISCONTINUITYs that it drops
    keeps_tag: bool = True  # one that stands before the first segment is still there
    event: bool = False  # nothing leaves the window
    contiguous: bool = False
    grids: tuple[int, ...] = (6000, 5990)  # segment lengths of the renditions; the first leads


@dataclass(frozen=True)
class Stretch:
    start: int
    end: int
    is_ad: bool
    has_tag: bool
    marked_from: int  # version of the leader from which on its run is told
    told: tuple[int, int] | None  # what is told: [start, end) in time


@dataclass(frozen=True)
class Segment:
    name: str
    number: int
    start: int
    length: int
    stretch: int
    has_tag: bool


@dataclass
class World:
    """Stretches are made ahead; each rendition has its own grid of segments."""

    scheme: Scheme
    seed: int
    base: int = 100
    run_number: int = 0
    begins_ms: int = EPOCH_MS
    stretches: list[Stretch] = field(default_factory=list)
    grids: list[list[Segment]] = field(default_factory=list)

    def __post_init__(self) -> None:
        draw = random.Random(self.seed)
        scheme = self.scheme
        unit = scheme.grids[0]
        moment = self.begins_ms
        self._starts: list[int] = []
        for place in range(80):
            is_ad = place % 2 == 1
            length = unit * (draw.randint(1, scheme.longest) if is_ad else draw.randint(2, 12))
            tag = (
                (scheme.sides in ("both", "before"))
                if is_ad
                else scheme.sides in ("both", "behind")
            )
            self._add(draw, moment, length, is_ad=is_ad, has_tag=tag and place > 0)
            moment += length
            if scheme.noise and not is_ad and draw.random() < 0.5:
                length = unit * draw.randint(1, 4)
                self._add(draw, moment, length, is_ad=False, has_tag=True)
                moment += length
        self.end = moment
        self._starts = [stretch.start for stretch in self.stretches]
        self.grids = [self._grid(place, length) for place, length in enumerate(scheme.grids)]
        self._tags = [
            list(accumulate((segment.has_tag for segment in grid), initial=0))
            for grid in self.grids
        ]

    def _add(
        self, draw: random.Random, moment: int, length: int, *, is_ad: bool, has_tag: bool
    ) -> None:
        unit, told = self.scheme.grids[0], (moment, moment + length)
        if self.scheme.wrong and is_ad:
            kind = draw.choice(["right", "early", "late", "missing"])
            told = {
                "right": told,
                "early": (moment, moment + max(unit, length - unit * draw.randint(0, 3))),
                "late": (moment, moment + length + unit),
                "missing": (moment, moment),
            }[kind]
        late = draw.randint(0, self.scheme.late)
        begins = (moment - self.begins_ms) // unit + 1 + late
        self.stretches.append(
            Stretch(moment, moment + length, is_ad, has_tag, begins, told if is_ad else None)
        )

    def _grid(self, place: int, length: int) -> list[Segment]:
        made: list[Segment] = []
        moment, last = self.begins_ms + 7 * place, 0
        while moment + length <= self.end:
            stretch = bisect_right(self._starts, moment + length // 2) - 1
            tag = any(self.stretches[at].has_tag for at in range(last + 1, stretch + 1))
            number = self.base + len(made)
            name = f"{self.run_number}/{place}/{len(made)}"
            made.append(Segment(name, number, moment, length, stretch, tag))
            moment, last = moment + length, stretch
        return made

    def versions(self) -> int:
        """How many there are; one for each segment of the leader."""
        unit = self.scheme.grids[0]
        return min(len(grid) * grid[0].length // unit for grid in self.grids)

    def _range(self, rendition: int, version: int) -> tuple[int, int]:
        unit, length = self.scheme.grids[0], self.scheme.grids[rendition]
        last = max(1, version * unit // length)
        return 0 if self.scheme.event else max(0, last - self.scheme.window * unit // length), last

    def listed(self, rendition: int, version: int) -> list[Segment]:
        begin, end = self._range(rendition, version)
        return self.grids[rendition][begin:end]

    def window(self, rendition: int, version: int, *, ended: bool = False) -> Window:
        scheme = self.scheme
        segments = self.listed(rendition, version)
        tags = {at for at, segment in enumerate(segments) if segment.has_tag}
        gone = self._tags[rendition][self._range(rendition, version)[0]]
        if 0 in tags and not scheme.keeps_tag and not scheme.event:
            tags.discard(0)
            gone += 1
        return Window(
            first=segments[0].number,
            discontinuity_sequence=gone if scheme.counts else 0,
            seconds=[Decimal(segment.length) / 1000 for segment in segments],
            discontinuities=frozenset(tags),
            starts=[segment.start if scheme.dated else None for segment in segments],
            ended=ended,
            whole=scheme.event,
            parts=(version * 7 + self.seed) % 4 if scheme.parts and not ended else 0,
            target_seconds=Decimal(scheme.grids[rendition]) / 1000,
            contiguous=lambda _before, _after: scheme.contiguous,
        )

    def told_near(self, segment: Segment) -> list[tuple[int, int] | None]:
        around = self.stretches[max(0, segment.stretch - 2) : segment.stretch + 3]
        return [stretch.told for stretch in around]

    def runs(self, rendition: int, version: int) -> tuple[AdRun, ...]:
        """What the markers of a version say; only the leader has any."""
        if rendition:
            return ()
        segments, found = self.listed(rendition, version), []
        if not segments:
            return ()
        for place in range(
            max(0, segments[0].stretch - 2), min(segments[-1].stretch + 2, len(self.stretches))
        ):
            stretch = self.stretches[place]
            if stretch.told is None or version < stretch.marked_from:
                continue
            begin, end = stretch.told
            inside = [
                at
                for at, segment in enumerate(segments)
                if begin <= segment.start + segment.length // 2 < end
            ]
            tail = segments[-1].start + segments[-1].length
            if inside:
                open_end = begin < tail < end and inside[-1] == len(segments) - 1
                found.append(AdRun(inside[0], inside[-1], f"b{place}", "t@1", open_end))
            elif begin == tail < end:
                found.append(AdRun(len(segments), len(segments), f"b{place}", "t@1", True))
        return tuple(found)
