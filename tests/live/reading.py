"""What a player makes of a media playlist, delta updates included: every segment with all that applies to it."""

from __future__ import annotations

import re
from dataclasses import dataclass

_SKIP = re.compile(r"#EXT-X-SKIP:.*SKIPPED-SEGMENTS=(\d+)")


@dataclass(frozen=True, slots=True)
class Read:
    """A playlist; ``rest`` is what belongs to no whole segment."""

    sequence: int
    skipped: int
    segments: dict[int, tuple[str, ...]]  # by media sequence number: the map, the tags and the URI
    rest: tuple[str, ...]


def read(text: str, *, before: Read | None = None) -> Read:
    """Read a playlist; ``before`` has the segments that a delta update leaves out (RFC 8216bis section 6.3.7)."""
    sequence = int(_value(text, "EXT-X-MEDIA-SEQUENCE"))
    segments: dict[int, tuple[str, ...]] = {}
    number, skipped, init = sequence, 0, ""
    pending: list[str] = []
    for line in text.splitlines():
        if skip := _SKIP.match(line):
            assert before is not None
            skipped = int(skip[1])
            for old in range(sequence, sequence + skipped):
                segments[old] = before.segments[old]
            number += skipped
        elif line.startswith("#EXT-X-MAP:"):
            init = line
        elif line.startswith(("#EXTINF", "#EXT-X-PART:", "#EXT-X-BYTERANGE", "#EXT-X-BITRATE")):
            pending.append(line)
        elif line and not line.startswith("#"):
            # Parts may leave a playlist before their segment does, so a segment is the same without them.
            tags = [tag for tag in pending if not tag.startswith("#EXT-X-PART:")]
            segments[number] = (init, *tags, line)
            pending = []
            number += 1
    return Read(sequence, skipped, segments, tuple(pending))


def end_of(text: str) -> tuple[int, int]:
    """The segment that comes next, and how many parts of it are there."""
    playlist = read(text)
    return playlist.sequence + len(playlist.segments), len(playlist.rest)


def references(text: str) -> list[str]:
    """Every URI of a playlist."""
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return lines + re.findall(r'URI="([^"]*)"', text)


def _value(text: str, tag: str) -> str:
    match = re.search(rf"^#{tag}:(.*)$", text, re.MULTILINE)
    assert match is not None, tag
    return match[1]
