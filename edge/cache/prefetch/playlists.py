"""The segments of an HLS media playlist in their order."""

from __future__ import annotations

import re
from typing import NamedTuple

from edge.cache.prefetch.names import Piece, in_manifest
from edge.cache.ranges import Span
from edge.manifests.hls.scan import attribute_list, decode

# A live playlist changes every few seconds, and its viewers are at its end.
MOST_LIVE = 256
MOST = 8192
_SEGMENT = b"#EXTINF"
_MAP = b"#EXT-X-MAP:"
_MOST_ATTRIBUTES = 32

_LINE = re.compile(
    rb"^[ \t]*(?:#EXT-X-(?:(MAP):|BYTERANGE:[ \t]*([0-9@]+)|(GAP)\b)|([^#\s][^\r\n]*))",
    re.MULTILINE,
)
_RANGE = re.compile(r"(\d{1,15})(?:@(\d{1,15}))?\Z", re.ASCII)


class Step(NamedTuple):
    """One segment, and what must be read before it."""

    piece: Piece
    init: Piece | None


def steps_of(playlist: bytes, document: str) -> tuple[Step, ...]:
    """The segments of ``playlist`` as players get it; those at its end if there are too many."""
    if (
        _SEGMENT not in playlist
        or b"#EXT-X-STREAM-INF" in playlist
        or b"#EXT-X-I-FRAMES-ONLY" in playlist
        or b"#EXT-X-IMAGES-ONLY" in playlist
    ):
        return ()
    start = _start(playlist, MOST if b"#EXT-X-ENDLIST" in playlist else MOST_LIVE)
    steps: list[Step] = []
    init = _init_before(playlist, start, document)
    length: bytes | None = None
    is_gap = False
    ends: tuple[str, int] | None = (
        None  # of the last byte range: the file, and where the next one begins
    )
    for line in _LINE.finditer(playlist, start):
        is_map, byte_range, gap, uri = line.groups()
        if is_map:
            init = _init(playlist, line.end(), document)
        elif byte_range:
            length = byte_range
        elif gap:
            is_gap = True
        else:
            name = in_manifest(document, decode(uri.rstrip()))
            span = None if length is None or name is None else _span(length.decode(), name, ends)
            ends = None if span is None or name is None else (name, span.stop)
            if name is not None and not is_gap and (length is None) == (span is None):
                steps.append(Step(Piece(name, span), init))
            length, is_gap = None, False
    return tuple(steps)


def _start(playlist: bytes, most: int) -> int:
    """Where the last so many segments begin."""
    if playlist.count(_SEGMENT) <= most:
        return 0
    place = len(playlist)
    for _ in range(most):
        place = playlist.rfind(_SEGMENT, 0, place)
    return place


def _init_before(playlist: bytes, start: int, document: str) -> Piece | None:
    place = playlist.rfind(b"\n" + _MAP, 0, start)
    return None if place < 0 else _init(playlist, place + 1 + len(_MAP), document)


def _init(playlist: bytes, start: int, document: str) -> Piece | None:
    stop = playlist.find(b"\n", start)
    stop = len(playlist) if stop < 0 else stop
    limit = _MOST_ATTRIBUTES
    if playlist.count(b",", start, stop) >= limit:
        return None
    found = {one.name: one.value for one in attribute_list(playlist, start, stop, limit=limit)}
    name = in_manifest(document, found.get("URI", ""))
    if name is None or "BYTERANGE" not in found:
        return None if name is None else Piece(name)
    # RFC 8216 section 4.3.2.5: without an offset it begins with the file.
    span = _span(found["BYTERANGE"], name, (name, 0))
    return None if span is None else Piece(name, span)


def _span(text: str, name: str, ends: tuple[str, int] | None) -> Span | None:
    """A byte range; without an offset it follows the one before it in the same file (RFC 8216 section 4.3.2.2)."""
    match = _RANGE.match(text)
    if match is None or int(match[1]) == 0:
        return None
    if match[2] is not None:
        start = int(match[2])
    elif ends is not None and ends[0] == name:
        start = ends[1]
    else:
        return None
    return Span(start, start + int(match[1]))
