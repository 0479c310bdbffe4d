"""What each segment of a media playlist means, resolved from RFC 8216bis alone: it shares no code with the edge."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction

UNSAID = "under a key without a vector"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NEAR = Fraction("0.0011")  # seconds: dates are said in milliseconds
NUMBERED = ("AES-128", "SAMPLE-AES")

Range = tuple[int, int] | None  # length and offset
Key = tuple[tuple[str, str], ...]  # attributes by name, with the vector that counts


@dataclass(frozen=True, kw_only=True)
class Part:
    """A partial segment, or a hint of one."""

    uri: str
    range: Range
    keys: frozenset[Key]
    map: tuple[str, Range] | None
    gap: bool


@dataclass(frozen=True, kw_only=True)
class Segment:
    """One segment with everything that applies to it."""

    number: int
    discontinuity: int  # its discontinuity sequence number
    discontinuities: int  # tags right before it
    uri: str
    seconds: Fraction
    title: str
    range: Range
    keys: frozenset[Key]
    map: tuple[str, Range] | None
    map_under: Key | str | None
    bitrate: str | None
    gap: bool
    date: Fraction | None  # seconds since the epoch
    parts: tuple[Part, ...]


@dataclass(kw_only=True)
class Media:
    """A media playlist."""

    segments: list[Segment] = field(default_factory=list)
    tail: tuple[Part, ...] = ()
    hints: list[str] = field(default_factory=list)
    dateranges: list[dict[str, str]] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    sequence: int = 0
    discontinuity_sequence: int = 0
    version: int = 1
    ended: bool = False


def lines_of(data: bytes) -> list[str]:
    """The lines without their ends and without a byte-order mark."""
    text = data.decode("utf-8", "surrogateescape").removeprefix("\ufeff")
    return re.split(r"\r\n|\n|\r", text)


def attributes_of(value: str) -> dict[str, str]:
    """An attribute list (4.2)."""
    found = re.finditer(r'\s*([A-Z0-9-]+)\s*=\s*("[^"]*"|[^",]*)', value)
    return {match[1]: match[2].strip().strip('"') for match in found}


def range_of(text: str, before: int | None) -> Range:
    """length[@offset]; without an offset it goes on where the one before ended."""
    length, _, offset = text.strip().partition("@")
    start = int(offset) if offset else before or 0
    return int(length), start


def read(data: bytes) -> Media:
    """The playlist as a player reads it that follows the document to the letter."""
    return _Reader(lines_of(data)).media


def changes(before: Segment, after: Segment) -> list[str]:
    """In what a segment that stayed means something else; numbers, gaps and seams aside."""
    names = ("uri", "seconds", "title", "range", "keys", "map", "bitrate")
    found = [name for name in names if getattr(before, name) != getattr(after, name)]
    # What a map under a key without a vector is encrypted with nobody says.
    if UNSAID not in (before.map_under, after.map_under) and before.map_under != after.map_under:
        found.append("the map's key")
    if (before.date is None) != (after.date is None) or (
        before.date is not None and after.date is not None and abs(before.date - after.date) > NEAR
    ):
        found.append("date")
    return found + ["parts"] * (without_gaps(before.parts) != without_gaps(after.parts))


def without_gaps(parts: tuple[Part, ...]) -> list[Part]:
    """The parts as if none were a gap."""
    return [replace(part, gap=False) for part in parts]


class _Reader:
    def __init__(self, lines: list[str]) -> None:
        self.media = Media()
        tags = [self.tag(line.strip(" \t")) for line in lines]
        for name, value in tags:
            if name == "EXT-X-MEDIA-SEQUENCE":
                self.media.sequence = int(value)
            elif name == "EXT-X-DISCONTINUITY-SEQUENCE":
                self.media.discontinuity_sequence = int(value)
        self.keys: dict[str, dict[str, str]] = {}
        self.map: tuple[str, Range] | None = None
        self.map_under: Key | str | None = None
        self.bitrate: str | None = None
        self.range_end: int | None = None
        self.part_end: tuple[str, int] | None = None
        self.discontinuity = self.media.discontinuity_sequence
        self.dates: list[Fraction | None] = []
        self.fresh()
        for name, value in tags:
            if name == "":
                self.uri(value)
            elif name is not None:
                self.said(name, value)
        self.media.tail = tuple(self.parts)
        self.reckon()

    @staticmethod
    def tag(line: str) -> tuple[str | None, str]:
        if not line:
            return None, ""
        if not line.startswith("#"):
            return "", line
        if not line.startswith("#EXT"):
            return None, line
        name, _, value = line[1:].partition(":")
        return name, value

    def fresh(self) -> None:
        self.seconds, self.title, self.gap = Fraction(0), "", False
        self.range: Range = None
        self.date: Fraction | None = None
        self.before = 0
        self.parts: list[Part] = []

    def said(self, name: str, value: str) -> None:
        media = self.media
        if name == "EXTINF":
            seconds, _, self.title = value.partition(",")
            self.seconds = Fraction(seconds)
        elif name == "EXT-X-BYTERANGE":
            self.range = range_of(value, self.range_end)
        elif name == "EXT-X-DISCONTINUITY":
            self.before += 1
            self.discontinuity += 1
        elif name == "EXT-X-KEY":
            attributes = attributes_of(value)
            if attributes["METHOD"] == "NONE":
                self.keys = {}
            else:
                self.keys[attributes.get("KEYFORMAT", "identity")] = attributes
        elif name == "EXT-X-MAP":
            self.mapped(attributes_of(value))
        elif name == "EXT-X-BITRATE":
            self.bitrate = value
        elif name == "EXT-X-GAP":
            self.gap = True
        elif name == "EXT-X-PROGRAM-DATE-TIME":
            moment = datetime.fromisoformat(value.strip())
            moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
            self.date = Fraction((moment - EPOCH) // timedelta(microseconds=1), 1_000_000)
        elif name == "EXT-X-PART":
            self.part(attributes_of(value))
        elif name == "EXT-X-PRELOAD-HINT":
            media.hints.append(attributes_of(value).get("URI", ""))
        elif name == "EXT-X-DATERANGE":
            media.dateranges.append(attributes_of(value))
        elif name == "EXT-X-ENDLIST":
            media.ended = True
        elif name == "EXT-X-VERSION":
            media.version = int(value)
        else:
            media.headers[name] = value

    def mapped(self, attributes: dict[str, str]) -> None:
        text = attributes.get("BYTERANGE")
        self.map = (attributes["URI"], None if text is None else range_of(text, None))
        key = self.keys.get("identity")
        if key is None or key["METHOD"] != "AES-128":
            self.map_under = None
        else:
            self.map_under = tuple(sorted(key.items())) if "IV" in key else UNSAID

    def part(self, attributes: dict[str, str]) -> None:
        uri, text = attributes["URI"], attributes.get("BYTERANGE")
        end = self.part_end[1] if self.part_end and self.part_end[0] == uri else None
        span = None if text is None else range_of(text, end)
        self.part_end = None if span is None else (uri, sum(span))
        gap = attributes.get("GAP") == "YES"
        self.parts.append(Part(uri=uri, range=span, keys=self.in_force(), map=self.map, gap=gap))

    @property
    def number(self) -> int:
        return self.media.sequence + len(self.media.segments)

    def in_force(self) -> frozenset[Key]:
        found = []
        for format_, key in self.keys.items():
            said = dict(key)
            if format_ == "identity" and key["METHOD"] in NUMBERED and "IV" not in key:
                said["IV"] = f"{self.number:#034x}"
            if "IV" in said:
                said["IV"] = f"{int(said['IV'], 16):#034x}"
            found.append(tuple(sorted(said.items())))
        return frozenset(found)

    def uri(self, uri: str) -> None:
        self.media.segments.append(
            Segment(
                number=self.number,
                discontinuity=self.discontinuity,
                discontinuities=self.before,
                uri=uri,
                seconds=self.seconds,
                title=self.title,
                range=self.range,
                keys=self.in_force(),
                map=self.map,
                map_under=self.map_under,
                bitrate=self.bitrate,
                gap=self.gap,
                date=None,
                parts=tuple(self.parts),
            )
        )
        self.dates.append(self.date)
        self.range_end = None if self.range is None else sum(self.range)
        self.fresh()

    def reckon(self) -> None:
        """Dates on from the one before, and back from the first one (6.3.3)."""
        dates = [*self.dates, self.date]
        first = next((place for place, date in enumerate(dates) if date is not None), None)
        now = None if first is None else dates[first]
        if now is None:
            return
        for segment in self.media.segments[:first]:
            now -= segment.seconds
        for place, segment in enumerate(self.media.segments):
            given = dates[place]
            now = now if given is None else given
            self.media.segments[place] = Segment(**{**vars(segment), "date": now})
            now += segment.seconds
