"""How the segments of each Representation are addressed, and where they begin, without listing them one by one."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from edge.manifests.ads.dash.times import integer
from edge.manifests.dash.scan import Element

_INFOS = ("SegmentTemplate", "SegmentList", "SegmentBase")
_UNUSUAL = ("eptDelta", "pdDelta", "presentationDuration")
_MOST_ROWS = 20_000  # S elements of one Period
_MOST = Fraction(10**9)  # seconds of one segment


class Unreadable(Exception):
    """The segments of a Period cannot be told; the argument says why."""


@dataclass(frozen=True, slots=True)
class Row:
    """One S element."""

    element: Element
    time: int
    length: int
    count: int
    before: int  # segments in the rows before it

    @property
    def end(self) -> int:
        return self.time + self.length * self.count


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """The segments of one Representation; all times in ticks of its own clock."""

    representation: Element
    info: Element  # the innermost element that says something: what is changed for this one is written there
    name: str  # SegmentTemplate or SegmentList
    is_video: bool
    timescale: int
    offset: int  # presentationTimeOffset
    first_number: int
    end_number: int | None
    rows: Sequence[Row]  # of a SegmentTimeline; else empty
    length: int  # of every segment, without a SegmentTimeline
    timeline: Element | None
    urls: Sequence[Element]  # of a SegmentList

    def seconds(self, ticks: int) -> Fraction:
        """A media time as seconds of the Period."""
        return Fraction(ticks - self.offset, self.timescale)

    def total(self, length: Fraction) -> int:
        """How many segments there are in a Period of this length."""
        if self.rows:
            return self.rows[-1].before + self.rows[-1].count
        return len(self.urls) or -int(-length * self.timescale // self.length)

    def cut(self, moment: Fraction, near: Fraction) -> tuple[int, Fraction]:
        """How many segments lie before a moment, and where exactly they meet the others.

        Raises ``Unreadable`` if a segment lies on both sides by more than ``near``.
        """
        return (
            self._cut_rows(moment, near)
            if self.timeline is not None
            else self._cut_even(moment, near)
        )

    def _cut_even(self, moment: Fraction, near: Fraction) -> tuple[int, Fraction]:
        each = Fraction(self.length, self.timescale)
        count = round(moment / each)
        if abs(count * each - moment) > near:
            raise Unreadable("a segment lies on both sides of where the break begins or ends")
        return count, count * each

    def _cut_rows(self, moment: Fraction, near: Fraction) -> tuple[int, Fraction]:
        rows = self.rows
        # The first segment that begins at or behind the moment, give or take.
        wanted = (moment - near) * self.timescale + self.offset
        place = bisect_left(rows, wanted, key=_last_start)
        count = rows[-1].before + rows[-1].count
        ends = self.seconds(rows[place - 1].end) if place else None
        follows = None
        if place < len(rows):
            row = rows[place]
            skipped = min(max(0, -int((row.time - wanted) // row.length)), row.count - 1)
            count = row.before + skipped
            follows = self.seconds(row.time + skipped * row.length)
            ends = follows if skipped else ends
        if ends is not None and ends > moment + near:
            raise Unreadable("a segment lies on both sides of where the break begins or ends")
        for border in (follows, ends):
            if border is not None and abs(border - moment) <= near:
                return count, border
        return count, moment


def _last_start(row: Row) -> Fraction:
    return Fraction(row.end - row.length)


@dataclass(frozen=True, slots=True)
class _Info:
    """One element that says how segments are addressed."""

    element: Element
    said: dict[str, str]
    timeline: Element | None
    urls: Sequence[Element]

    @classmethod
    def all_of(cls, level: Element) -> list[_Info]:
        """What stands directly in a Period, an AdaptationSet or a Representation."""
        return [
            cls(
                info,
                {name: attribute.value for name, attribute in info.attributes.items()},
                next(info.named("SegmentTimeline"), None),
                [*info.named("SegmentURL")] if info.name == "SegmentList" else [],
            )
            for info in level.named(*_INFOS)
        ]


def tracks(period: Element, seconds: Fraction | None) -> Iterator[Track]:
    """Every Representation of a Period of this length; ``Unreadable`` for what cannot be told."""
    known: dict[int, tuple[Row, ...]] = {}
    at_period = _Info.all_of(period)
    for adaptation in period.named("AdaptationSet"):
        at_set = at_period + _Info.all_of(adaptation)
        for representation in adaptation.named("Representation"):
            chain = at_set + _Info.all_of(representation)
            yield _track(representation, chain, seconds, known)


def is_counted(period: Element) -> bool:
    """Whether some Representation's segments are told by their length alone: no SegmentTimeline, no list."""
    at_period = _Info.all_of(period)
    for adaptation in period.named("AdaptationSet"):
        at_set = at_period + _Info.all_of(adaptation)
        for representation in adaptation.named("Representation"):
            chain = at_set + _Info.all_of(representation)
            if chain and not any(info.timeline or info.urls for info in chain):
                return chain[-1].element.name == "SegmentTemplate"
    return False


def extent(period: Element) -> Fraction | None:
    """Where the last segment ends that a SegmentTimeline of the Period lists; ``None`` if none does."""
    try:
        ends = [one.seconds(one.rows[-1].end) for one in tracks(period, None) if one.rows]
    except Unreadable:
        return None
    return max(ends, default=None)


def _track(
    representation: Element,
    chain: list[_Info],
    seconds: Fraction | None,
    known: dict[int, tuple[Row, ...]],
) -> Track:
    if not chain:
        raise Unreadable("a Representation has no list of segments")
    name = chain[-1].element.name
    if name == "SegmentBase" or any(info.element.name != name for info in chain):
        raise Unreadable("segments are found by an index inside the media")
    said = {key: value for info in chain for key, value in info.said.items()}
    if any(key in said for key in _UNUSUAL):
        raise Unreadable("segments are shifted by attributes that are rarely used")
    timescale, offset = (
        integer(said.get("timescale"), 1),
        integer(said.get("presentationTimeOffset"), 0),
    )
    length = integer(said.get("duration"), 0)
    if not timescale:
        raise Unreadable("a timescale is zero")
    timeline = next((info.timeline for info in reversed(chain) if info.timeline), None)
    urls = next((info.urls for info in reversed(chain) if info.urls), [])
    rows: tuple[Row, ...] = ()
    if timeline is not None:
        end = None if seconds is None else seconds * timescale + offset
        rows = known.get(timeline.start) or tuple(_rows(timeline, end))
        known[timeline.start] = rows
        if sum(map(len, known.values())) > _MOST_ROWS:
            raise Unreadable(f"its SegmentTimelines have more than {_MOST_ROWS} rows")
        if not rows:
            raise Unreadable("a SegmentTimeline is empty")
    elif not length or Fraction(length, timescale) > _MOST:
        raise Unreadable("the length of segments is not known")
    if name == "SegmentList" and not urls:
        raise Unreadable("a SegmentList is empty")
    end_number = said.get("endNumber")
    return Track(
        representation=representation,
        info=chain[-1].element,
        name=name,
        is_video=_is_video(representation),
        timescale=timescale,
        offset=offset,
        first_number=integer(said.get("startNumber"), 1),
        end_number=None if end_number is None else integer(end_number, 0),
        rows=rows,
        length=length,
        timeline=timeline,
        urls=urls,
    )


def _rows(timeline: Element, end: Fraction | None) -> Iterator[Row]:
    """The S elements with their times; what repeats to the next one or to the end is counted."""
    elements = [*timeline.named("S")]
    if len(elements) > _MOST_ROWS:
        raise Unreadable(f"a SegmentTimeline has more than {_MOST_ROWS} rows")
    time, before, last_end = 0, 0, None
    for place, element in enumerate(elements):
        if "n" in element.attributes:
            raise Unreadable("segments of a SegmentTimeline have numbers of their own")
        time = integer(element.get("t"), time)
        length = integer(element.get("d"), 0)
        if not length or (last_end is not None and time < last_end - length // 2):
            raise Unreadable("a SegmentTimeline runs backwards")
        text = (element.get("r") or "0").strip()
        if text.startswith("-"):
            following = elements[place + 1].get("t") if place + 1 < len(elements) else None
            limit = end if following is None else Fraction(integer(following, 0))
            if limit is None:
                raise Unreadable("a SegmentTimeline repeats to an end that is not known")
            count = max(1, -int((time - limit) // length))
        else:
            count = integer(text, 0) + 1
        row = Row(element, time, length, count, before)
        yield row
        before += count
        time = last_end = row.end


def _is_video(representation: Element) -> bool:
    adaptation = representation.parent
    for element in (representation, adaptation):
        if element is not None:
            said = (element.get("contentType") or element.get("mimeType") or "").lower()
            if said:
                return said.startswith("video")
    return representation.get("width") is not None
