"""An HLS playlist as lines with their positions; nothing is decoded that nobody asks for."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from edge.manifests.errors import (
    LineTooLong,
    NotAManifest,
    TooLarge,
    TooManyAttributes,
    TooManyLines,
)
from edge.manifests.limits import DEFAULT, Limits

PlaylistKind = Literal["master", "media"]
Role = Literal["tag", "comment", "uri", "blank"]

BOM = b"\xef\xbb\xbf"
MASTER_TAGS = frozenset(
    {
        "EXT-X-STREAM-INF",
        "EXT-X-MEDIA",
        "EXT-X-I-FRAME-STREAM-INF",
        "EXT-X-IMAGE-STREAM-INF",
        "EXT-X-SESSION-DATA",
        "EXT-X-SESSION-KEY",
        "EXT-X-CONTENT-STEERING",
    }
)
# As players tell them apart: what has segments or a target duration is a media playlist, whatever else it has.
_MEDIA_TAGS = frozenset({"EXTINF", "EXT-X-TARGETDURATION"})

# One line: blanks, then a tag with its name, or anything else; the line end is CRLF, LF or a lone CR.
_LINE = re.compile(
    rb"([ \t]*)(?:#(EXT[A-Za-z0-9_-]*|[A-Z][A-Z0-9_-]*(?=:))(:?))?([^\r\n]*)(?:\r\n|\n|\r|\Z)"
)
_ATTRIBUTE = re.compile(
    rb"[ \t]*([A-Za-z0-9_.-]+)[ \t]*=[ \t]*"
    rb'(?:"([^"]*)(?:"|\Z)'
    rb"|\xe2\x80[\x9c\x9d](.*?)(?:\xe2\x80[\x9c\x9d]|\Z)"  # curly quotes of a word processor
    rb"|([^,]*?)[ \t]*(?=,|\Z))"
    rb"[^,]*,?"  # what stands before the next comma is no attribute
)
_UNQUOTED = 4
_LONE_CR = re.compile(rb"\r(?!\n)")


class Line(NamedTuple):
    """One line: bytes ``start`` to ``stop``, with its line end to ``end``; its value without blanks around."""

    role: Role
    start: int
    stop: int
    end: int
    tag: str | None  # 'EXT-X-KEY'; None for comments, URIs and blank lines
    value_start: int  # of a tag: after the colon; of a URI: its first character
    value_stop: int


class Attribute(NamedTuple):
    """One attribute of a tag; ``start`` and ``stop`` are the value's, inside the quotes."""

    name: str
    value: str
    start: int
    stop: int
    quoted: bool


@dataclass(frozen=True, slots=True, eq=False)
class Playlist:
    """A scanned playlist; every byte of ``data`` belongs to exactly one line, but for a byte-order mark."""

    data: bytes
    kind: PlaylistKind
    lines: tuple[Line, ...]
    limits: Limits = DEFAULT
    _attributes: dict[int, Mapping[str, Attribute]] = field(default_factory=dict, repr=False)

    def text(self, line: Line) -> str:
        """The line as it stands, without its end."""
        return decode(self.data[line.start : line.stop])

    def value(self, line: Line) -> str:
        """What stands after a tag's colon, or a URI."""
        return decode(self.data[line.value_start : line.value_stop])

    def attributes(self, line: Line) -> Mapping[str, Attribute]:
        """A tag's attributes by name; of a repeated one the last, as players read it."""
        known = self._attributes.get(line.start)
        if known is None:
            known = {a.name: a for a in self.attribute_list(line)}
            self._attributes[line.start] = known
        return known

    def attribute_list(self, line: Line) -> list[Attribute]:
        """A tag's attributes in their order, repeated ones too."""
        return attribute_list(
            self.data, line.value_start, line.value_stop, limit=self.limits.attributes
        )

    def tags(self, *names: str) -> Iterator[Line]:
        """The lines that are one of these tags."""
        wanted = frozenset(names)
        return (line for line in self.lines if line.tag in wanted)


def scan(data: bytes, limits: Limits = DEFAULT) -> Playlist:
    """The playlist's lines; what is no playlist or passes a limit is refused."""
    check_size(data, limits)
    lines = tuple(_lines(data))
    tags = {line.tag for line in lines}
    if not any(tag is not None and tag.startswith("EXT") for tag in tags):
        raise NotAManifest("no line of it is an HLS tag")
    return Playlist(data=data, kind=_kind(tags), lines=lines, limits=limits)


def check_size(data: bytes, limits: Limits) -> None:
    """Refuse what is too large or binary, in time that does not depend on how the lines fall."""
    if len(data) > limits.bytes:
        raise TooLarge(f"{len(data)} bytes, more than {limits.bytes}")
    if not data or b"\0" in data or data[:64].lstrip(BOM + b" \t\r\n").startswith(b"<"):
        raise NotAManifest
    lone = has_lone_cr(data)
    if len(data) > limits.lines:
        ends = data.count(b"\n") + (len(_LONE_CR.findall(data)) if lone else 0)
        if ends + (not data.endswith((b"\n", b"\r"))) > limits.lines:
            raise TooManyLines(f"more than {limits.lines} lines")
    if len(data) <= limits.line_bytes:
        return
    if lone:
        data = data.replace(b"\r", b"\n")
    position = 0
    while len(data) - position > limits.line_bytes:
        newline = data.rfind(b"\n", position, position + limits.line_bytes + 1)
        if newline < 0:
            raise LineTooLong(f"a line has more than {limits.line_bytes} bytes")
        position = newline + 1


def has_lone_cr(data: bytes) -> bool:
    """Whether a carriage return stands anywhere but before a line feed; some players end a line there."""
    return b"\r" in data and _LONE_CR.search(data) is not None


def attribute_list(data: bytes, start: int, stop: int, *, limit: int) -> list[Attribute]:
    """The attributes between two positions (RFC 8216 section 4.2), read as leniently as players do."""
    return [
        Attribute(name.decode("ascii"), decode(data[first:last]), first, last, group != _UNQUOTED)
        for name, first, last, group in attribute_spans(data, start, stop, limit=limit)
    ]


def attribute_spans(
    data: bytes, start: int, stop: int, *, limit: int
) -> list[tuple[bytes, int, int, int]]:
    """The same with nothing decoded: name, where the value stands, and how it is quoted."""
    found: list[tuple[bytes, int, int, int]] = []
    position = start
    while position < stop:
        match = _ATTRIBUTE.match(data, position, stop)
        if match is None:
            comma = data.find(b",", position, stop)
            if comma < 0:
                break
            position = comma + 1
            continue
        if len(found) == limit:
            raise TooManyAttributes(f"a tag has more than {limit} attributes")
        group = match.lastindex or _UNQUOTED
        found.append((match[1], *match.span(group), group))
        position = match.end()
    return found


def decode(value: bytes) -> str:
    """Text that :func:`encode` turns back into the same bytes, whatever they are."""
    return value.decode("utf-8", "surrogateescape")


def encode(text: str) -> bytes:
    """The bytes of a text that came from :func:`decode`."""
    return text.encode("utf-8", "surrogateescape")


def _lines(data: bytes) -> Iterator[Line]:
    position = len(BOM) if data.startswith(BOM) else 0
    size = len(data)
    while position < size:
        match = _LINE.match(data, position)
        assert match is not None  # noqa: S101 - the expression matches at every position
        end = match.end()
        stop = match.end(4)
        name = match[2]
        if name is not None:
            value, last = match.start(4), stop
            yield Line("tag", position, stop, end, name.decode("ascii"), value, last)
        else:
            text = match[4]
            first = match.start(4)
            last = first + len(text.rstrip(b" \t"))
            role: Role = "blank" if last == first else "comment" if text[:1] == b"#" else "uri"
            yield Line(role, position, stop, end, None, first, last)
        position = end


def _kind(tags: set[str | None]) -> PlaylistKind:
    if tags & _MEDIA_TAGS:
        return "media"
    return "master" if tags & MASTER_TAGS else "media"
