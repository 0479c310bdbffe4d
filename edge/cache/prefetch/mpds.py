"""The segments of an MPD in their order, where it says exactly which there are.

That is: a SegmentTimeline, a SegmentList, or a template with a duration in a Period that ends (ISO/IEC 23009-1 section
5.3.9). A live template without a timeline leaves to the clock what there is, and a SegmentBase to an index that the
edge does not read: their players have to say what comes next.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from itertools import pairwise

from edge.cache.prefetch.names import Piece, at, url_of
from edge.cache.prefetch.order import Learnt, Numbered
from edge.cache.prefetch.playlists import MOST, MOST_LIVE, Step
from edge.cache.ranges import Span
from edge.manifests.dash.live import parse_duration
from edge.manifests.dash.scan import Element, read
from edge.manifests.limits import Limits
from edge.manifests.uris import resolve

_MOST_REPRESENTATIONS = 512
_MOST_TIMES = 50_000
_VARIABLE = re.compile(r"\$(?:(RepresentationID|Number|Time|Bandwidth)(?:%0(\d{1,2})d)?|)\$")
_MARK = "kawa-value-"  # where the number stands while a name is made
_RANGE = re.compile(r"(\d{1,15})-(\d{1,15})\Z", re.ASCII)
_INTEGER = re.compile(r"\d{1,18}\Z", re.ASCII)
_INFOS = ("SegmentTemplate", "SegmentList")

Times = Sequence[int]


def learnt_of(mpd: bytes, document: str, limits: Limits) -> Learnt:
    """What ``mpd``, as players get it, says of its segments."""
    root = read(mpd, limits).root
    reader = _Reader(is_live=root.get("type") == "dynamic")
    total = parse_duration(root.get("mediaPresentationDuration"))
    periods = list(root.named("Period"))
    base = _base(root, url_of(document))
    for period in periods:
        length = parse_duration(period.get("duration"))
        if length is None and len(periods) == 1:
            length = total
        reader.period(period, base, length)
    return reader.learnt()


class _Reader:
    def __init__(self, *, is_live: bool) -> None:
        self._is_live = is_live
        self._most = MOST_LIVE if is_live else MOST
        self._rows: list[tuple[Step, ...]] = []
        self._numbered: dict[str, Numbered] = {}
        self._times: dict[int, Times | None] = {}
        self._left = _MOST_REPRESENTATIONS

    def learnt(self) -> Learnt:
        return Learnt(tuple(self._rows), tuple(self._numbered.values()))

    def period(self, period: Element, above: str, length: timedelta | None) -> None:
        base = _base(period, above)
        for adaptation in period.named("AdaptationSet"):
            here = _base(adaptation, base)
            for representation in adaptation.named("Representation"):
                if self._left == 0:
                    return
                self._left -= 1
                levels = (representation, adaptation, period)
                self._representation(levels, _base(representation, here), length)

    def _representation(
        self, levels: tuple[Element, ...], base: str, length: timedelta | None
    ) -> None:
        found = [info for level in levels for info in level.named(*_INFOS)]
        if not found:
            return
        infos = [info for info in found if info.name == found[0].name]
        if found[0].name == "SegmentList":
            self._list(infos[0], base)
        else:
            self._template(infos, base, levels[0], length)

    def _list(self, info: Element, base: str) -> None:
        steps: list[Step] = []
        for url in list(info.named("SegmentURL"))[-self._most :]:
            name = at(resolve(base, url.get("media") or ""))
            range_ = url.get("mediaRange")
            span = None if range_ is None else _span(range_)
            if name is not None and (range_ is None) == (span is None):
                steps.append(Step(Piece(name, span), None))
        self._rows.append(tuple(steps))

    def _template(
        self,
        infos: Sequence[Element],
        base: str,
        representation: Element,
        length: timedelta | None,
    ) -> None:
        def inherited(name: str) -> str | None:
            return next((value for info in infos if (value := info.get(name)) is not None), None)

        facts = {
            "RepresentationID": representation.get("id") or "",
            "Bandwidth": representation.get("bandwidth") or "",
        }
        filled = _filled(inherited("media") or "", facts)
        if filled is None:
            return
        text, variable, width = filled
        timeline = next((line for info in infos for line in info.named("SegmentTimeline")), None)
        if timeline is not None:
            times = self._timeline(timeline)
        elif variable == "Number" and length is not None and not self._is_live:
            times = _evenly(
                length, _integer(inherited("duration"), 0), _integer(inherited("timescale"), 1)
            )
        else:
            times = None
        name = at(resolve(base, text))
        if times is None or name is None or name.count(_MARK) != 1:
            return
        head, _, tail = name.partition(_MARK)
        if head[-1:].isdigit() or tail[:1].isdigit():
            return  # where the number begins or ends is not to be seen in the name
        values = times
        if variable == "Number":
            first = _integer(inherited("startNumber"), 1)
            values = range(first, first + len(times))
        self._add(Numbered(head, tail, width, values))

    def _add(self, numbered: Numbered) -> None:
        """Several Periods may share one template; the later one goes on where the other ends."""
        known = self._numbered.get(numbered.key)
        if known is not None and known.values and numbered.values:
            if known.values == numbered.values:
                return
            if known.values[-1] < numbered.values[0]:
                together = (*known.values, *numbered.values)[-_MOST_TIMES:]
                numbered = Numbered(numbered.head, numbered.tail, numbered.width, together)
        self._numbered[numbered.key] = numbered

    def _timeline(self, timeline: Element) -> Times | None:
        if timeline.start not in self._times:
            self._times[timeline.start] = _times(timeline)
        return self._times[timeline.start]


def _base(element: Element, above: str) -> str:
    """What references at this level are relative to: the first BaseURL, as most players choose."""
    for child in element.named("BaseURL"):
        return resolve(above, child.text.strip())
    return above


def _filled(media: str, facts: Mapping[str, str]) -> tuple[str, str, int] | None:
    """The template with a mark for its number or time, which of the two it is, and how many digits it has at least."""
    variable, width, count = "", 1, 0

    def value(match: re.Match[str]) -> str:
        nonlocal variable, width, count
        if match[1] is None:
            return "$"
        if match[1] in facts:
            fact = facts[match[1]]
            return fact.zfill(int(match[2])) if match[2] and fact.isdigit() else fact
        variable, width, count = match[1], int(match[2] or 1), count + 1
        return _MARK

    if "$" in _VARIABLE.sub("", media):
        return None  # $SubNumber$, and whatever comes later
    text = _VARIABLE.sub(value, media)
    return (text, variable, width) if count == 1 else None


def _times(timeline: Element) -> Times | None:
    """When each segment begins; ``None`` where that cannot be told."""
    runs = list(timeline.named("S"))
    times: list[int] = []
    time = 0
    for place, run in enumerate(runs):
        time = _integer(run.get("t"), time)
        length = _integer(run.get("d"), 0)
        if length == 0:
            return None
        repeated = run.get("r") or "0"
        if repeated == "-1":
            until = runs[place + 1].get("t") if place + 1 < len(runs) else None
            if until is None:
                times.append(time)  # how often it is repeated, the clock tells
                break
            count = -(-(_integer(until, time) - time) // length)
        else:
            count = _integer(repeated, 0) + 1
        if len(times) + count > _MOST_TIMES:
            return None
        times.extend(range(time, time + count * length, length))
        time += count * length
    if any(later <= earlier for earlier, later in pairwise(times)):
        return None
    return tuple(times)


def _evenly(length: timedelta, duration: int, timescale: int) -> Times | None:
    if duration <= 0 or timescale <= 0:
        return None
    microseconds = length // timedelta(microseconds=1)
    count = -(-microseconds * timescale // (duration * 1_000_000))
    return range(count) if 0 < count <= _MOST_TIMES else None


def _span(text: str) -> Span | None:
    match = _RANGE.match(text)
    if match is None or int(match[2]) < int(match[1]):
        return None
    return Span(int(match[1]), int(match[2]) + 1)


def _integer(text: str | None, default: int) -> int:
    text = (text or "").strip()
    return int(text) if _INTEGER.match(text) else default
