"""Shows with ad breaks as MPDs, and rules that find the breaks in them."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

from edge.manifests.ads.dash.find import find
from edge.manifests.ads.dash.repair import repair
from edge.manifests.ads.evidence import Found
from edge.manifests.ads.matching import Pattern
from edge.manifests.ads.policy import AdPolicy
from edge.manifests.ads.rules import Rule, Rules, Signal, Splice, Text, TextKind
from edge.manifests.dash.scan import scan
from edge.manifests.edits import apply_edits
from edge.manifests.limits import DEFAULT

Addressing = Literal["time", "numbered", "even", "list"]
HEAD = '<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" xmlns:xlink="http://www.w3.org/1999/xlink"'
SCTE_XML = "urn:scte:scte35:2013:xml"
SCTE_BINARY = "urn:scte:scte35:2014:xml+bin"

SPLICE = Splice(
    tags=frozenset({"event"}),
    types=frozenset({0x22, 0x30, 0x32, 0x34, 0x36}),
    inserts=True,
    weight=60,
    weights={},
    max_seconds=Decimal(600),
    contiguous="never",
)


def text(kind: TextKind, pattern: str, weight: int = 60) -> Text:
    return Text(kind=kind, pattern=Pattern(pattern), weight=weight, family="stitcher")


def rules(*signals: Signal, splice: Splice | None = None, threshold: int = 50) -> Rules:
    return Rules.of(
        [Rule(name="test", version=1, threshold=threshold, splice=splice, signals=signals)]
    )


BY_ID = rules(text("period-id", "^ad"))
BY_CUE = rules(splice=SPLICE)


def found_in(data: bytes, chosen: Rules = BY_ID, base: str | None = None) -> Found:
    return find(scan(data, DEFAULT), chosen, base=base)


def treated(
    data: bytes,
    chosen: Rules = BY_ID,
    policy: AdPolicy = AdPolicy.STRIP,
    *,
    base: str | None = None,
) -> bytes:
    document = scan(data, DEFAULT)
    made = apply_edits(data, repair(document, find(document, chosen, base=base), policy))
    scan(made, DEFAULT)
    return made


def mpd(body: str, attributes: str = ' type="static"') -> bytes:
    return f"{HEAD}{attributes}>{body}</MPD>".encode()


def splice_insert(event: int, *, out: bool, seconds: int | None = None) -> str:
    length = "" if seconds is None else f'<BreakDuration duration="{seconds * 90000}"/>'
    return (
        f'<SpliceInfoSection><SpliceInsert spliceEventId="{event}" '
        f'outOfNetworkIndicator="{str(out).lower()}">{length}</SpliceInsert></SpliceInfoSection>'
    )


def opening(event: int, seconds: float | None, kind: int = 0x34) -> str:
    length = "" if seconds is None else f' segmentationDuration="{round(seconds * 90000)}"'
    return (
        f'<SpliceInfoSection><TimeSignal/><SegmentationDescriptor segmentationEventId="{event}" '
        f'segmentationTypeId="{kind}"{length}/></SpliceInfoSection>'
    )


@dataclass(frozen=True)
class Clock:
    """One track: in how many ticks a second, how long its segments are, and where its media begin."""

    name: str
    scale: int
    lengths: tuple[int, ...]  # repeated over and over
    addressing: Addressing
    offset: int = 0
    number: int = 1

    def times(self, count: int) -> list[tuple[int, int]]:
        found, time = [], self.offset
        for place in range(count):
            length = self.lengths[place % len(self.lengths)]
            found.append((time, length))
            time += length
        return found


@dataclass(frozen=True)
class Part:
    """One Period of a show."""

    id: str | None
    segments: int
    clocks: tuple[Clock, ...]
    says_start: bool = True
    says_duration: bool = True
    events: str = ""
    head: str = ""  # what stands first in the Period
    seconds: Decimal = field(default=Decimal(0))  # how long it is, not less than its media

    def xml(self, start: Decimal, indent: str = "\n  ") -> str:
        attributes = "" if self.id is None else f' id="{self.id}"'
        if self.says_start:
            attributes += f' start="PT{start:f}S"'
        if self.says_duration:
            attributes += f' duration="PT{self.seconds:f}S"'
        sets = "".join(self._set(clock) for clock in self.clocks)
        return f"{indent}<Period{attributes}>{self.head}{self.events}{sets}{indent}</Period>"

    def _set(self, clock: Clock) -> str:
        folder = f"{self.id or 'p'}-{clock.name}"
        common = f'timescale="{clock.scale}" presentationTimeOffset="{clock.offset}"'
        rows = "".join(
            f'<S {"" if place else f"t={quoted(time)} "}d="{length}"/>'
            for place, (time, length) in enumerate(clock.times(self.segments))
        )
        if clock.addressing == "list":
            urls = "".join(
                f'<SegmentURL media="{folder}/{place}.m4s"/>' for place in range(self.segments)
            )
            info = f'<SegmentList {common} duration="{clock.lengths[0]}">{urls}</SegmentList>'
        elif clock.addressing == "even":
            info = (
                f'<SegmentTemplate {common} startNumber="{clock.number}" '
                f'duration="{clock.lengths[0]}" media="{folder}/$Number$.m4s"/>'
            )
        else:
            name = "$Time$" if clock.addressing == "time" else "$Number$"
            info = (
                f'<SegmentTemplate {common} startNumber="{clock.number}" '
                f'media="{folder}/{name}.m4s"><SegmentTimeline>{rows}</SegmentTimeline>'
                "</SegmentTemplate>"
            )
        kind = "audio" if clock.name.startswith("a") else "video"
        number = 1 + (kind == "audio")
        return (
            f'\n    <AdaptationSet id="{number}" mimeType="{kind}/mp4">{info}'
            f'<Representation id="{clock.name}" bandwidth="1000"/></AdaptationSet>'
        )


def quoted(value: object) -> str:
    return f'"{value}"'


def show(
    parts: list[Part], *, says_total: bool = True, attributes: str = ' type="static"'
) -> bytes:
    start, body = Decimal(0), ""
    for part in parts:
        body += part.xml(start)
        start += part.seconds
    total = f' mediaPresentationDuration="PT{start:f}S"' if says_total else ""
    return mpd(body + "\n", attributes + total)
