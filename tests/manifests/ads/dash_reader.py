"""What an MPD offers, Period by Period and segment by segment: read with lxml from ISO/IEC 23009-1, not by the edge."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from math import ceil

from lxml import etree

from tests.manifests.dash_corpus import tree

_DURATION = re.compile(
    r"P(?:(?P<D>\d+)D)?(?:T(?:(?P<H>[\d.]+)H)?(?:(?P<M>[\d.]+)M)?(?:(?P<S>[\d.]+)S)?)?\Z"
)
_UNITS = {"D": 86400, "H": 3600, "M": 60, "S": 1}
_INFOS = ("SegmentTemplate", "SegmentList", "SegmentBase")


@dataclass(frozen=True)
class Segment:
    """One segment as a player asks for it, on the time line of the presentation."""

    name: str
    start: Fraction
    seconds: Fraction


@dataclass(frozen=True)
class Event:
    at: Fraction  # on the time line of the presentation
    id: str | None
    scheme: str


@dataclass(frozen=True)
class Period:
    id: str | None
    start: Fraction | None
    end: Fraction | None
    segments: dict[str, list[Segment]]  # by Representation
    events: list[Event]

    @property
    def seconds(self) -> Fraction:
        assert self.start is not None
        assert self.end is not None
        assert self.end > self.start
        return self.end - self.start


def local(element: etree._Element) -> str:
    return str(element.tag).rpartition("}")[2].rpartition(":")[2]


def named(element: etree._Element, *names: str) -> list[etree._Element]:
    return [child for child in element if local(child) in names]


def seconds(text: str | None) -> Fraction | None:
    match = None if text is None else _DURATION.match(text)
    if match is None:
        return None
    return sum(
        (Fraction(match[unit]) * size for unit, size in _UNITS.items() if match[unit]), Fraction(0)
    )


def read(data: bytes) -> list[Period]:
    """Every Period with the times that section 5.3.2.1 gives it."""
    root = tree(data)
    elements = named(root, "Period")
    starts: list[Fraction | None] = []
    after: Fraction | None = Fraction(0)
    for element in elements:
        own = seconds(element.get("start"))
        start = after if own is None else own
        length = seconds(element.get("duration"))
        after = None if start is None or length is None else start + length
        starts.append(start)
    total = seconds(root.get("mediaPresentationDuration"))
    found = []
    for place, element in enumerate(elements):
        start, length = starts[place], seconds(element.get("duration"))
        following = starts[place + 1] if place + 1 < len(elements) else None
        ends = [following]
        if start is not None and length is not None:
            ends.append(start + length)  # there may be nothing between it and the next one
        end = min((one for one in ends if one is not None), default=None)
        if end is None and place + 1 == len(elements):
            end = total
        found.append(
            Period(
                element.get("id"),
                start,
                end,
                _segments(element, start, end),
                _events(element, start or Fraction(0)),
            )
        )
    return found


def _segments(
    period: etree._Element, start: Fraction | None, end: Fraction | None
) -> dict[str, list[Segment]]:
    found = {}
    for adaptation in named(period, "AdaptationSet"):
        for representation in named(adaptation, "Representation"):
            infos = [
                info
                for level in (period, adaptation, representation)
                for info in named(level, *_INFOS)
            ]
            if infos and start is not None:
                name = str(representation.get("id"))
                found[name] = _of_representation(name, infos, start, end)
    return found


def _of_representation(
    name: str, infos: list[etree._Element], start: Fraction, end: Fraction | None
) -> list[Segment]:
    said = {str(key): str(value) for info in infos for key, value in info.attrib.items()}
    scale, offset = int(said.get("timescale", 1)), int(said.get("presentationTimeOffset", 0))
    first = int(said.get("startNumber", 1))
    timelines = [one for info in infos for one in named(info, "SegmentTimeline")]
    urls = [one for info in infos for one in named(info, "SegmentURL")]
    times: list[tuple[int, int]] = []
    if timelines:
        for item in named(timelines[-1], "S"):
            time = int(item.get("t", times[-1][0] + times[-1][1] if times else 0))
            repeats = int(item.get("r", 0))
            assert repeats >= 0
            length = int(str(item.get("d")))
            times += [(time + n * length, length) for n in range(repeats + 1)]
        media = [(Fraction(time - offset, scale), Fraction(d, scale)) for time, d in times]
    elif "duration" in said:
        each = Fraction(int(said["duration"]), scale)
        count = len(urls)
        if not urls:
            assert end is not None
            count = ceil((end - start) / each)
            if "endNumber" in said:
                count = min(count, int(said["endNumber"]) - first + 1)
        media = [(n * each, each) for n in range(count)]
        times = [(0, 0)] * count
    else:
        return []
    names = (
        [str(one.get("media")) for one in urls]
        if urls
        else [
            str(said["media"])
            .replace("$RepresentationID$", name)
            .replace("$Number$", str(first + place))
            .replace("$Time$", str(time))
            for place, (time, _) in enumerate(times)
        ]
    )
    assert len(names) == len(media)
    return [
        Segment(one, start + at, length) for one, (at, length) in zip(names, media, strict=True)
    ]


def _events(period: etree._Element, start: Fraction) -> list[Event]:
    found = []
    for stream in named(period, "EventStream"):
        scale, offset = (
            int(stream.get("timescale", 1)),
            int(stream.get("presentationTimeOffset", 0)),
        )
        for event in named(stream, "Event"):
            at = start + Fraction(int(event.get("presentationTime", 0)) - offset, scale)
            found.append(Event(at, event.get("id"), str(stream.get("schemeIdUri"))))
    return found
