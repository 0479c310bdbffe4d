"""What a viewer has seen, and what was wrong with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from tests.live.ads.film import frames_of
from tests.live.ads.picture import FPS, Name

# Sound and pictures are on grids of their own, so that a player may move a picture by a frame of sound at each join.
_SLIP_SECONDS = 0.15


class Shown(NamedTuple):
    """One picture: when in the player's time, and what it says; None if it cannot be read."""

    time: float
    name: Name | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """All pictures in the order in which they came, and what the player complained about."""

    pictures: Sequence[Shown]
    waits: Sequence[object] = ()
    seeks: Sequence[object] = ()
    notes: Sequence[str] = ()  # of a player that helped itself
    errors: Sequence[str] = ()
    pitches: Sequence[int] = ()  # heard in each second that was played, by those who listen

    def faults(
        self, expected: Iterable[int], *, jumps: Mapping[int, int] | None = None
    ) -> list[str]:
        """Why this is not exactly these seconds of content, once each and in order; empty if it is.

        ``jumps`` are the seconds of content at which the player's time may jump, and by how much.
        """
        names = [shown.name for shown in self.pictures]
        found = [f"{kind}: {list(what)}" for kind, what in self._complaints(jumps) if what]
        if unreadable := names.count(None):
            found.append(f"{unreadable} pictures cannot be read")
        if ads := sorted({name.number // FPS for name in names if name is not None and name.ad}):
            found.append(f"ads were shown: {ads}")
        numbers = [name.number for name in names if name is not None and not name.ad]
        found += [
            f"picture {after} came after {before}"
            for before, after in pairwise(numbers)
            if after <= before
        ]
        expected = list(expected)
        counted = Counter(number // FPS for number in numbers)
        if missed := [second for second in expected if not counted[second]]:
            found.append(f"content was not shown: {missed}")
        if others := sorted(set(counted) - set(expected)):
            found.append(f"other content was shown: {others}")
        return found + self._jumps(jumps or {})

    @property
    def numbers(self) -> list[int]:
        """The numbers of the pictures of content."""
        return [shown.name.number for shown in self.pictures if shown.name and not shown.name.ad]

    def _complaints(
        self, jumps: Mapping[int, int] | None
    ) -> tuple[tuple[str, Sequence[object]], ...]:
        # A player that jumps over a gap seeks, and may notice the gap only when it comes there.
        moved = (("waited", self.waits), ("sought", self.seeks), ("notes", self.notes))
        return (*(() if jumps else moved), ("errors", self.errors))

    def _jumps(self, jumps: Mapping[int, int]) -> list[str]:
        """Where the player's time and the content's did not go on together."""
        content = [shown for shown in self.pictures if shown.name and not shown.name.ad]
        if not content:
            return ["no content was shown"]
        found, start = [], content[0]
        assert start.name is not None
        off = start.time - start.name.number / FPS - _skipped(start.name, jumps)
        for shown in content:
            assert shown.name is not None
            now = shown.time - shown.name.number / FPS - _skipped(shown.name, jumps)
            if abs(now - off) > _SLIP_SECONDS:
                found.append(f"time moved by {now - off:.2f} s at picture {shown.name.number}")
                off = now
        return found


def report(faults: Mapping[str, Iterable[str]]) -> str:
    """A line for each fault, with the name of the viewer who saw it."""
    return "\n".join(f"{name}: {fault}" for name, found in faults.items() for fault in found)


def _skipped(name: Name, jumps: Mapping[int, int]) -> int:
    """By how much time has jumped before a picture."""
    return sum(by for second, by in jumps.items() if name.number >= frames_of(second).start)
