"""KEYs, the MAP, the BITRATE and byte ranges across holes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from edge.manifests.ads.hls.outline import Join
from edge.manifests.ads.hls.segments import Segments, Tag
from edge.manifests.ads.hls.splices import Splices
from edge.manifests.hls.carry import CARRIED, NOTHING, InForce, key_of, range_end, said_again
from edge.manifests.hls.scan import Attribute

_CONTINUED = "what it continues went"


class State:
    """What is in force at one place after another of a playlist; every line is read once."""

    def __init__(self, segments: Segments) -> None:
        self._segments = segments
        self._position = segments.begin
        self._in_force = NOTHING
        self._has_any = segments.has(*CARRIED)

    def carried(self, join: Join) -> tuple[bytes, ...]:
        """The lines that have to be said behind a hole for what was said in it."""
        if not self._has_any:
            return ()
        start, stop = self._segments.start(join.hole.first), join.block.start
        inside = list(self._segments.tags_between(start, stop, *CARRIED))
        if not inside:
            return ()
        before = self._up_to(start)
        behind = self._after(before, inside)
        self._in_force, self._position = behind, stop
        # What the next segment says itself need not be said twice.
        own = _own(join)
        wanted = self._after(behind, own)
        # As little as leads there: what the next segment says itself is not said for an ad before it.
        for lines in self._leading(before, behind, own):
            if self._after(self._said(before, lines), own) == wanted:
                return lines
        return said_again(before, behind)

    def _leading(
        self, before: InForce, behind: InForce, own: list[Tag]
    ) -> Iterator[tuple[bytes, ...]]:
        yield ()
        names = {tag.name for tag in own}
        lean = behind._replace(
            map=before.map if "EXT-X-MAP" in names else behind.map,
            bitrate=before.bitrate if "EXT-X-BITRATE" in names else behind.bitrate,
        )
        limit, data = self._segments.limits.attributes, self._segments.data
        said = {
            key_of(data[tag.start : tag.stop], limit).format
            for tag in own
            if tag.name == "EXT-X-KEY"
        }
        others = {format_: key for format_, key in lean.keys.items() if format_ not in said}
        yield said_again(before, lean._replace(keys=others))
        yield said_again(before, lean)

    def _said(self, in_force: InForce, lines: tuple[bytes, ...]) -> InForce:
        for line in lines:
            name = line.strip(b" \t#").partition(b":")[0].decode("ascii")
            in_force = in_force.said(name, line, self._segments.limits.attributes)
        return in_force

    def _up_to(self, position: int) -> InForce:
        found = list(self._segments.tags_between(self._position, position, *CARRIED))
        return self._after(self._in_force, found)

    def _after(self, in_force: InForce, tags: list[Tag]) -> InForce:
        data, limit = self._segments.data, self._segments.limits.attributes
        for tag in tags:
            in_force = in_force.said(tag.name, data[tag.start : tag.stop], limit)
        return in_force


def _own(join: Join) -> list[Tag]:
    """Up to the first part: parts are fetched with what stands before them."""
    part = join.first("EXT-X-PART")
    stop = join.block.stop if part is None else part.start
    return [tag for tag in join.tags if tag.name in CARRIED and tag.start < stop]


class Ranges:
    """Byte ranges without an offset, which continue the one before (sections 4.4.4.2 and 4.4.4.9)."""

    def __init__(self, segments: Segments) -> None:
        self._segments = segments
        self._read_to = segments.begin
        self._end: int | None = None
        self._parts_read_to = segments.begin
        self._part = _Part("", 0)

    def make_explicit(self, join: Join, splices: Splices) -> None:
        """Give the first ones of a block their offsets, as what they continue went."""
        segments = self._segments
        own = join.first("EXT-X-BYTERANGE")
        if own is not None and "@" not in segments.value(own):
            before = segments.tags_between(self._read_to, own.start, "EXT-X-BYTERANGE")
            values = [segments.value(tag) for tag in before]
            if values:
                self._end = range_end(values, self._end or 0)
            self._read_to = own.start
            if self._end is not None:
                at = own.value_start + len(segments.value(own).rstrip())
                splices.replace(at, at, b"@%d" % self._end, where=own.name, why=_CONTINUED)
        self._make_part_explicit(join, splices)

    def _make_part_explicit(self, join: Join, splices: Splices) -> None:
        segments = self._segments
        own = join.first("EXT-X-PART")
        if own is None:
            return
        attributes = segments.attributes(own)
        value = attributes.get("BYTERANGE")
        if value is None or "@" in value.value:
            return
        for tag in segments.tags_between(self._parts_read_to, own.start, "EXT-X-PART"):
            self._part = self._part.followed(segments.attributes(tag))
        self._parts_read_to = own.start
        if self._part.uri and self._part.uri == _text(attributes, "URI"):
            text = b"@%d" % self._part.end
            splices.replace(value.stop, value.stop, text, where=own.name, why=_CONTINUED)


class _Part(NamedTuple):
    """Where the byte range of a part ends."""

    uri: str
    end: int

    def followed(self, attributes: Mapping[str, Attribute]) -> _Part:
        """The same of the part behind it."""
        uri, value = _text(attributes, "URI"), _text(attributes, "BYTERANGE")
        return _Part(uri, range_end([value], self.end if uri == self.uri else 0))


def _text(attributes: Mapping[str, Attribute], name: str) -> str:
    attribute = attributes.get(name)
    return "" if attribute is None else attribute.value
