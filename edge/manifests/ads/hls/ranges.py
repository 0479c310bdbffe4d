"""EXT-X-DATERANGE: all tags with one ID, read as one date range (RFC 8216bis section 4.4.5.1)."""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from edge.manifests.ads.hls.moments import micros_of
from edge.manifests.ads.hls.segments import Segments, Tag

TAG = "EXT-X-DATERANGE"
INTERSTITIAL = "com.apple.hls.interstitial"
_NUMBER = re.compile(r"\s*([0-9]{1,12}(?:\.[0-9]{1,12})?)")
_MICRO = 1_000_000
_SHOWN = 80  # characters of an ID in a sentence


@dataclass(slots=True, kw_only=True)
class Range:
    """One date range, of one tag or of several."""

    id: str
    at: int  # position of the URI that its first tag stands before
    line: int
    attributes: dict[str, str] = field(default_factory=dict)
    closed_at: int | None = None  # where a tag with SCTE35-IN stands
    start: int | None = None  # microseconds since the epoch
    end: int | None = None

    @property
    def what(self) -> str:
        """The tag for a person."""
        return f"line {self.line}: {TAG} {json.dumps(self.id[:_SHOWN])}"

    @property
    def seconds(self) -> Decimal | None:
        """As declared; the planned length only where the true one is not known."""
        known = _number(self.attributes.get("DURATION", ""))
        if known is None and self.start is not None and self.end is not None:
            known = Decimal(self.end - self.start) / _MICRO
        return _number(self.attributes.get("PLANNED-DURATION", "")) if known is None else known

    @property
    def ends_on_next(self) -> bool:
        """Whether nothing but the next range of its CLASS says where it ends."""
        said = self.attributes
        return said.get("END-ON-NEXT") == "YES" and "DURATION" not in said and "CLASS" in said

    def take(self, attributes: Mapping[str, str], at: int) -> None:
        """One more tag of it; what was said first counts."""
        date = micros_of(attributes.get("START-DATE", ""))
        declared = end = micros_of(attributes.get("END-DATE", ""))
        if "SCTE35-IN" in attributes and "SCTE35-OUT" not in attributes:
            self.closed_at = at if self.closed_at is None else self.closed_at
            # Packagers write the date of the end there.
            end = date if end is None else end
        elif self.start is None:
            self.start = date
        if self.end is None and self.start is not None and end is not None:
            if end > self.start:
                self.end = end
            elif declared is not None:  # else it is the range's own date beside an SCTE35-IN
                self.end = self.start  # what ends where it begins is a place for an ad
        for name, value in attributes.items():
            self.attributes.setdefault(name, value)


def ranges(segments: Segments, tags: Iterable[Tag]) -> list[Range]:
    """The date ranges among some tags, in the order in which their IDs come up."""
    found: dict[str, Range] = {}
    for tag in tags:
        if tag.name != TAG:
            continue
        attributes = {name: attribute.value for name, attribute in segments.attributes(tag).items()}
        identity = attributes.get("ID")
        if identity is None:
            continue
        known = found.get(identity)
        if known is None:
            line = segments.line_of(tag.start)
            known = found[identity] = Range(id=identity, at=tag.at, line=line)
        known.take(attributes, tag.at)
    _end_on_next(found.values())
    return list(found.values())


def _end_on_next(found: Collection[Range]) -> None:
    """END-ON-NEXT: a range ends where the next one of its CLASS begins."""
    open_ended = [
        (known, known.start, known.attributes["CLASS"])
        for known in found
        if known.end is None and known.start is not None and known.ends_on_next
    ]
    if not open_ended:
        return
    starts: dict[str, list[int]] = {}
    for known in found:
        if known.start is not None:
            starts.setdefault(known.attributes.get("CLASS", ""), []).append(known.start)
    for begins in starts.values():
        begins.sort()
    for known, start, name in open_ended:
        begins = starts[name]
        place = bisect_right(begins, start)
        if place < len(begins):
            known.end = begins[place]


def interstitials(found: Iterable[Range]) -> tuple[str, ...]:
    """The IDs of those for which a player would put in something itself (RFC 8216bis appendix D)."""
    return tuple(known.id for known in found if known.attributes.get("CLASS") == INTERSTITIAL)


def _number(text: str) -> Decimal | None:
    match = _NUMBER.match(text)
    return None if match is None else Decimal(match[1])
