"""A player that remembers everything it was ever told, and notices when it is told otherwise."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_NUMBER = re.compile(r"(?:c|ad)(\d+)\.(?:p\d+\.)?ts")


@dataclass
class Told:
    """One playlist, read as RFC 8216 says and with nothing of the edge's."""

    first: int = 0
    discontinuity: int = 0
    segments: list[tuple[int, int, str, bool]] = field(default_factory=list)  # msn, dsn, uri, gap
    parts: list[str] = field(default_factory=list)  # behind the last segment
    hints: list[str] = field(default_factory=list)
    reports: dict[str, tuple[int, int | None]] = field(default_factory=dict)
    skipped: int = 0
    ended: bool = False
    targets: int = 0

    @property
    def last(self) -> int:
        return self.first + self.skipped + len(self.segments) - 1

    @property
    def numbers(self) -> list[int]:
        """The stream's own numbers, as the names say them."""
        return [_number(uri) for _, _, uri, _ in self.segments]

    @property
    def has_ads(self) -> bool:
        return any("/ad" in uri and not gap for _, _, uri, gap in self.segments)


def read(body: bytes) -> Told:
    told = Told()
    gap, dsn = False, 0
    for line in body.decode().splitlines():
        tag, _, value = line.partition(":")
        match tag:
            case "#EXT-X-MEDIA-SEQUENCE":
                told.first = int(value)
            case "#EXT-X-DISCONTINUITY-SEQUENCE":
                told.discontinuity = dsn = int(value)
            case "#EXT-X-TARGETDURATION":
                told.targets = int(value)
            case "#EXT-X-DISCONTINUITY":
                dsn += 1
            case "#EXT-X-GAP":
                gap = True
            case "#EXT-X-ENDLIST":
                told.ended = True
            case "#EXT-X-SKIP":
                told.skipped = int(_attribute(value, "SKIPPED-SEGMENTS"))
            case "#EXT-X-PART":
                told.parts.append(_attribute(value, "URI"))
            case "#EXT-X-PRELOAD-HINT":
                told.hints.append(_attribute(value, "URI"))
            case "#EXT-X-RENDITION-REPORT":
                part = _attribute(value, "LAST-PART")
                number = int(_attribute(value, "LAST-MSN"))
                told.reports[_attribute(value, "URI")] = (number, int(part) if part else None)
            case _ if line and not line.startswith("#"):
                msn = told.first + told.skipped + len(told.segments)
                told.segments.append((msn, dsn, line, gap))
                gap = False
                told.parts = []
    return told


@dataclass
class Player:
    """Everything that one viewer was told of one rendition."""

    names: dict[int, str] = field(default_factory=dict)
    seams: dict[int, int] = field(default_factory=dict)
    newest: Told = field(default_factory=Told)

    def take(self, body: bytes) -> Told:
        told = read(body)
        assert told.segments or told.skipped, "an empty playlist"
        assert told.first >= self.newest.first, (told.first, self.newest.first)
        assert told.discontinuity >= self.newest.discontinuity
        assert not told.ended
        for msn, dsn, uri, _ in told.segments:
            assert self.names.setdefault(msn, uri) == uri, (msn, self.names[msn], uri)
            assert self.seams.setdefault(msn, dsn) == dsn, (msn, self.seams[msn], dsn)
        self.newest = told
        return told

    @property
    def played(self) -> list[int]:
        """The stream's numbers in the order in which they would be shown."""
        order = [self.names[msn] for msn in sorted(self.names)]
        assert sorted(self.names) == list(range(min(self.names), max(self.names) + 1))
        return [_number(uri) for uri in order]


def _number(uri: str) -> int:
    match = _NUMBER.search(uri)
    assert match is not None, uri
    return int(match[1])


def _attribute(value: str, name: str) -> str:
    match = re.search(rf'(?:^|,){name}=(?:"([^"]*)"|([^,]*))', value)
    return "" if match is None else match[1] or match[2] or ""
