"""Blocking reloads of low-latency HLS: what a request waits for, and whether it can ever come (RFC 8216bis 6.2.5)."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from edge.manifests.errors import BadDirective
from edge.manifests.hls.scan import Line, Playlist

Skip = Literal["YES", "v2"]

_NUMBER = re.compile(r"[0-9]{1,12}(?:\.[0-9]{1,12})?")
_INTEGER = re.compile(r"[0-9]{1,20}\Z")
_MSN_AHEAD = 2
_PARTS_AHEAD_SECONDS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Directives:
    """What a player asks of a playlist request (RFC 8216bis section 6.2.5)."""

    msn: int | None = None
    part: int | None = None
    skip: Skip | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """The end of a media playlist: its last segment, and how many parts of the next one are there."""

    msn: int  # of the last whole segment; one less than the media sequence if there is none
    parts: int
    target_duration: Decimal
    part_target: Decimal | None
    ended: bool

    def has(self, msn: int, part: int | None) -> bool:
        """Whether a request that blocks on this can be answered now."""
        if self.ended or msn <= self.msn:
            return True
        return part is not None and msn == self.msn + 1 and part < self.parts

    @property
    def last(self) -> tuple[int, int | None]:
        """The newest segment, or the newest part as (segment, part)."""
        return (self.msn + 1, self.parts - 1) if self.parts else (self.msn, None)


def directives_of(query: Mapping[str, str]) -> Directives:
    """The delivery directives of a request; what no player may send is refused."""
    msn, part = _integer(query, "_HLS_msn"), _integer(query, "_HLS_part")
    if part is not None and msn is None:
        raise BadDirective("_HLS_part needs _HLS_msn")
    skip = query.get("_HLS_skip")
    # Values of later versions of the protocol are ignored, as section 6.2.5 asks.
    return Directives(
        msn=msn, part=part, skip="YES" if skip == "YES" else "v2" if skip == "v2" else None
    )


def last_position(media: Playlist) -> Position:
    """Where a media playlist ends; skipped segments count."""
    sequence, whole, parts = 0, 0, 0
    target, part_target, ended = Decimal(0), None, False
    for line in media.lines:
        if line.role == "uri":
            whole += 1
            parts = 0
        elif line.tag == "EXT-X-PART":
            parts += 1
        elif line.tag == "EXT-X-MEDIA-SEQUENCE":
            sequence = whole_of(media.value(line))
        elif line.tag == "EXT-X-SKIP":
            whole += whole_of(attribute_of(media, line, "SKIPPED-SEGMENTS"))
        elif line.tag == "EXT-X-TARGETDURATION":
            target = seconds_of(media.value(line))
        elif line.tag == "EXT-X-PART-INF":
            part_target = seconds_of(attribute_of(media, line, "PART-TARGET")) or None
        elif line.tag == "EXT-X-ENDLIST":
            ended = True
    return Position(
        msn=sequence + whole - 1,
        parts=parts,
        target_duration=target,
        part_target=part_target,
        ended=ended,
    )


def is_absurd(msn: int, part: int | None, position: Position) -> bool:
    """Whether a request is so far ahead that waiting for it makes no sense (section 6.2.5.2: answer 400)."""
    if position.ended:
        return False
    if msn > position.msn + _MSN_AHEAD:
        return True
    if part is None or position.part_target is None or msn <= position.msn:
        return False
    ahead = math.ceil(_PARTS_AHEAD_SECONDS / min(position.part_target, Decimal(1)))
    if msn == position.msn + 1:
        return part >= position.parts + ahead
    # Of the segment after the next no part can be there before the next one is whole.
    return part >= ahead


def attribute_of(playlist: Playlist, line: Line, name: str) -> str:
    """An attribute's value, or ''."""
    attribute = playlist.attributes(line).get(name)
    return "" if attribute is None else attribute.value


def _integer(query: Mapping[str, str], name: str) -> int | None:
    value = query.get(name)
    if value is None:
        return None
    if not _INTEGER.match(value):
        raise BadDirective(f"{name} is no number")
    return int(value)


def whole_of(value: str) -> int:
    """A decimal integer; anything else counts as nothing, as players read it."""
    value = value.strip()
    return int(value) if _INTEGER.match(value) else 0


def seconds_of(value: str) -> Decimal:
    """Seconds at the start of a value (EXTINF has a title behind them); anything else counts as none."""
    match = _NUMBER.match(value.strip())
    return Decimal(match[0]) if match else Decimal(0)
