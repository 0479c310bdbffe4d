"""Initialization vectors that are a segment's number, said in full where its number becomes another.

RFC 8216bis section 5.2: without an IV the media sequence number is the vector. Renumbered, nothing would decrypt.
"""

from __future__ import annotations

from collections.abc import Sequence

from edge.manifests.ads.hls.outline import Block, Outline
from edge.manifests.ads.hls.segments import Tag
from edge.manifests.ads.hls.splices import Splices
from edge.manifests.hls.carry import IDENTITY, Key, key_of

_WHY = "the vector was the segment's number"


class Vectors:
    """The KEYs to be said again, with its vector, for every segment that has lost its number."""

    def __init__(self, outline: Outline) -> None:
        self._first = outline.first
        self._outline = outline
        self._again: dict[int, bytes] = {}  # the KEY, by the segment's position
        self._own: list[tuple[Tag, int]] = []
        if outline.renumbers:
            self._find(outline)
        self.written = bool(self._again or self._own)

    def carried(self, block: Block, lines: Sequence[bytes]) -> list[bytes]:
        """The lines said behind a hole, with a vector for the KEY among them that needs one."""
        said = list(lines)
        line = self._again.get(block.at)
        if line is not None and line in said:
            del self._again[block.at]
            place = len(said) - 1 - said[::-1].index(line)
            said[place] = self._explicit(line, block.at)
        return said

    def write(self, splices: Splices) -> None:
        """Put in what is left."""
        for tag, position in self._own:
            splices.attribute(tag, self._vector(position), why=_WHY)
        places = self._outline.starts(self._again)
        for (position, line), at in zip(self._again.items(), places, strict=True):
            text = self._explicit(line, position)
            splices.line_again(at, text, where="EXT-X-KEY", why=_WHY)

    def _find(self, outline: Outline) -> None:
        segments = outline.segments
        lines = [(tag, segments.data[tag.start : tag.stop]) for tag in segments.tags("EXT-X-KEY")]
        limit = segments.limits.attributes
        keys = [(tag, line, key_of(line, limit)) for tag, line in lines]
        if not any(key.is_numbered for _, _, key in keys):
            return
        current: bytes | None = None
        place = 0
        for position in outline.kept():
            while place < len(keys) and keys[place][0].at < position:
                current = _turned(current, *keys[place][1:])
                place += 1
            begin, replaced = current, False
            while place < len(keys) and keys[place][0].at == position:
                tag, line, key = keys[place]
                replaced = replaced or _replaces(key)
                if key.is_numbered:
                    self._own.append((tag, position))
                current = _turned(current, line, key)
                place += 1
            if begin is not None and not replaced:
                self._again[position] = begin

    def _explicit(self, line: bytes, position: int) -> bytes:
        return b"%s,%s" % (line.rstrip(b" \t,"), self._vector(position))

    def _vector(self, position: int) -> bytes:
        return b"IV=0x%032x" % (self._first + position)


def _replaces(key: Key) -> bool:
    return key.method == "NONE" or key.format == IDENTITY


def _turned(current: bytes | None, line: bytes, key: Key) -> bytes | None:
    if not _replaces(key):
        return current
    return line if key.is_numbered else None
