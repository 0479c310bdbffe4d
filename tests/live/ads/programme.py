"""What is on: content with three breaks, second by second, as a live stream and as a recording of its middle."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from tests.live.ads.film import Film, Second, make_film
from tests.live.media import Segment, Track

BREAK_SECONDS = 4
BETWEEN_SECONDS = 3


class Slot(NamedTuple):
    """One segment: when it is on, and what it shows."""

    at: int  # in seconds since the stream began
    second: Second


class Break(NamedTuple):
    """Slots from ``first`` up to ``end`` show ads."""

    number: int  # from 1, for the whole stream
    first: int
    end: int


@dataclass(frozen=True, slots=True)
class Programme:
    """Slots in order; their positions are their media sequence numbers."""

    slots: Sequence[Slot]
    breaks: Sequence[Break]

    @property
    def content(self) -> list[int]:
        """The numbers of the seconds of content."""
        return [slot.second.number for slot in self.slots if not slot.second.ad]

    def begins(self, index: int) -> bool:
        """Whether content and ads meet right before a slot."""
        return index > 0 and self.slots[index].second.ad != self.slots[index - 1].second.ad

    def borders(self, stop: int) -> int:
        """How often content and ads have met before a slot."""
        return sum(self.begins(index) for index in range(stop))


@dataclass(frozen=True, slots=True)
class Stock:
    """The same programme twice: put together of two films, and encoded in one piece."""

    content: Film
    ads: Film
    feed: Film

    def film(self, name: str) -> Film:
        """A film by its name."""
        return {"content": self.content, "ads": self.ads, "feed": self.feed}[name]

    def track(self, slot: Slot, name: str, *, stitched: bool) -> Track:
        """The track that a slot's segment is of."""
        return self.film(film_of(slot, stitched=stitched)).tracks[name]

    def segment(self, slot: Slot, name: str, *, stitched: bool) -> Segment:
        """A slot's segment."""
        track = self.track(slot, name, stitched=stitched)
        return track.segments[number_of(slot, stitched=stitched)]


def film_of(slot: Slot, *, stitched: bool) -> str:
    """The name of the film that a slot's segment is in."""
    if not stitched:
        return "feed"
    return "ads" if slot.second.ad else "content"


def number_of(slot: Slot, *, stitched: bool) -> int:
    """The place of a slot's segment in its film."""
    return slot.second.number if stitched else slot.at


def programme(*spans: int) -> Programme:
    """Seconds of content, of ads, of content and so on."""
    seconds: list[Second] = []
    shown = {False: 0, True: 0}
    for place, span in enumerate(spans):
        ad = place % 2 == 1
        seconds += [Second(ad, shown[ad] + n) for n in range(span)]
        shown[ad] += span
    slots = [Slot(at, second) for at, second in enumerate(seconds)]
    return Programme(slots, _breaks(slots))


def cut_out(whole: Programme, first: int, end: int) -> Programme:
    """A part of a programme; its slots are numbered anew."""
    slots = whole.slots[first:end]
    return Programme(slots, _breaks(slots))


def make_stock(folder: Path, whole: Programme) -> Stock:
    """Encode everything."""
    seconds = [slot.second for slot in whole.slots]
    return Stock(
        content=make_film(folder / "content", [one for one in seconds if not one.ad]),
        ads=make_film(folder / "ads", [one for one in seconds if one.ad]),
        feed=make_film(folder / "feed", seconds),
    )


def _breaks(slots: Iterable[Slot]) -> list[Break]:
    found: list[Break] = []
    for index, slot in enumerate(slots):
        if slot.second.ad and found and found[-1].end == index:
            found[-1] = found[-1]._replace(end=index + 1)
        elif slot.second.ad:
            found.append(Break(len(found) + 1, index, index + 1))
    return found


# Players start so far behind the end that they can play for as long as all breaks last: while ads are on, an edge that
# takes them out has nothing new to give.
BEHIND_SECONDS = 3 * BREAK_SECONDS + 4
LEAD_SECONDS = BEHIND_SECONDS + 6
LIVE = programme(
    LEAD_SECONDS, BREAK_SECONDS, BETWEEN_SECONDS, BREAK_SECONDS, BETWEEN_SECONDS, BREAK_SECONDS, 20
)
RECORDED = cut_out(
    LIVE, LEAD_SECONDS - 5, LEAD_SECONDS + 3 * BREAK_SECONDS + 2 * BETWEEN_SECONDS + 5
)
