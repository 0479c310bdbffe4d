"""As much of the ISO base media file format (ISO/IEC 14496-12) as a live packager needs: fragments and their times."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

_CONTAINERS = frozenset({b"moov", b"trak", b"mdia", b"moof", b"traf"})
_HEAD_BYTES = 8


@dataclass(frozen=True, slots=True)
class Box:
    """One box: its type and the span of its payload."""

    type: bytes
    start: int
    body: int
    stop: int


def boxes(data: bytes, start: int = 0, stop: int | None = None) -> Iterator[Box]:
    """The boxes of a span, one after the other."""
    stop = len(data) if stop is None else stop
    while start < stop:
        size = int.from_bytes(data[start : start + 4], "big")
        if size < _HEAD_BYTES:
            raise ValueError(f"a box of {size} bytes")
        yield Box(data[start + 4 : start + 8], start, start + _HEAD_BYTES, start + size)
        start += size


def find(data: bytes, wanted: bytes, start: int = 0, stop: int | None = None) -> Box:
    """The first box of a type, in containers too."""
    found = _find(data, wanted, start, len(data) if stop is None else stop)
    if found is None:
        raise ValueError(f"no {wanted.decode()} box")
    return found


def timescale_of(init: bytes) -> int:
    """Ticks per second, from the only track's ``mdhd`` (section 8.4.2)."""
    box = find(init, b"mdhd")
    at = box.body + (20 if init[box.body] == 1 else 12)
    return int.from_bytes(init[at : at + 4], "big")


def decode_time_of(fragment: bytes) -> int:
    """When a fragment starts, in ticks, from its ``tfdt`` (section 8.8.12)."""
    box = find(fragment, b"tfdt")
    size = 8 if fragment[box.body] == 1 else 4
    return int.from_bytes(fragment[box.body + 4 : box.body + 4 + size], "big")


def fragments_of(segment: bytes) -> list[bytes]:
    """Every ``moof`` with its ``mdat``; types and indexes of the whole segment are left out."""
    found, start = [], 0
    for box in boxes(segment):
        if box.type == b"moof":
            start = box.start
        elif box.type == b"mdat":
            found.append(segment[start : box.stop])
    return found


def _find(data: bytes, wanted: bytes, start: int, stop: int) -> Box | None:
    for box in boxes(data, start, stop):
        if box.type == wanted:
            return box
        if box.type in _CONTAINERS:
            inside = _find(data, wanted, box.body, box.stop)
            if inside is not None:
                return inside
    return None
