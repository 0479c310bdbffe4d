"""Delta updates made at the edge, for origins that offer none.

RFC 8216bis sections 4.4.3.8 (EXT-X-SERVER-CONTROL), 4.4.5.2 (EXT-X-SKIP) and 6.2.5.1.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from decimal import Decimal

from edge.manifests.edits import Edit, apply_edits
from edge.manifests.hls.blocking import Skip, attribute_of, seconds_of, whole_of
from edge.manifests.hls.carry import CARRIED, NOTHING, PLAYLIST_TAGS, range_end, said_again
from edge.manifests.hls.scan import Line, Playlist, decode, encode, scan
from edge.manifests.limits import DEFAULT, Limits

# RFC 8216bis section 4.4.3.8: the skip boundary is at least six target durations.
_BOUNDARY_TARGETS = 6
_SKIP_VERSION = 9
_SKIP_DATERANGES_VERSION = 10


def advertise_skip(full: bytes, limits: Limits = DEFAULT) -> bytes:
    """A live playlist that offers delta updates; one that does already, or cannot, stays the same bytes."""
    playlist = scan(full, limits)
    tags = {line.tag: line for line in playlist.lines if line.tag is not None}
    target = tags.get("EXT-X-TARGETDURATION")
    if playlist.kind != "media" or target is None or {"EXT-X-ENDLIST", "EXT-X-SKIP"} & tags.keys():
        return full
    seconds = seconds_of(playlist.value(target))
    if not seconds:
        return full
    offer = f"CAN-SKIP-UNTIL={_decimal(seconds * _BOUNDARY_TARGETS)}"
    control = tags.get("EXT-X-SERVER-CONTROL")
    if control is None:
        text = f"#EXT-X-SERVER-CONTROL:{offer}"
        return apply_edits(full, [_line_after(playlist, target, text, "delta updates")])
    if "CAN-SKIP-UNTIL" in playlist.attributes(control):
        return full
    comma = "," if playlist.value(control).strip() else ""
    edit = Edit(
        start=control.value_start,
        stop=control.value_start,
        text=encode(offer + comma),
        where="EXT-X-SERVER-CONTROL",
        why="delta updates",
    )
    return apply_edits(full, [edit])


def make_delta(
    full: bytes,
    *,
    skip: Skip = "YES",
    old_dateranges: Collection[bytes] = (),
    removed: Sequence[str] = (),
    limits: Limits = DEFAULT,
) -> bytes | None:
    """The delta update of a whole playlist, or ``None`` where the whole playlist is the answer.

    With ``v2`` and an origin that allows it, the date ranges in ``old_dateranges`` (lines known to be older than
    the skip boundary) are skipped too, and ``removed`` are the IDs of those that left the playlist lately.
    """
    playlist = scan(full, limits)
    plan = _plan(playlist)
    if plan is None:
        return None
    dateranges = skip == "v2" and plan.dateranges
    attributes = f"SKIPPED-SEGMENTS={plan.skipped}"
    version = _SKIP_VERSION
    if dateranges and removed:
        attributes += ',RECENTLY-REMOVED-DATERANGES="' + "\t".join(removed) + '"'
        version = _SKIP_DATERANGES_VERSION
    edits = _raise_version(playlist, version)
    edits += _removals(playlist, plan, frozenset(old_dateranges) if dateranges else frozenset())
    text = [f"#EXT-X-SKIP:{attributes}", *plan.carried]
    end = _line_end(playlist)
    start = plan.lines[0].start
    edits.append(
        Edit(
            start=start,
            stop=start,
            text=b"".join(encode(line) + end for line in text),
            where="EXT-X-SKIP",
            why="delta update",
        )
    )
    if plan.byterange is not None:
        edits.append(plan.byterange)
    return apply_edits(full, edits)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """What a delta update leaves out, and what must be said again for the segments behind it."""

    skipped: int
    lines: Sequence[Line]  # from the first skipped segment's first tag to the last skipped URI
    dateranges: bool
    carried: tuple[str, ...]  # the KEYs, the MAP and the BITRATE in force
    byterange: Edit | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Segment:
    first: int  # index of its first line
    last: int  # index of its URI
    seconds: Decimal


def _plan(playlist: Playlist) -> _Plan | None:
    tags = {line.tag: line for line in playlist.lines if line.tag is not None}
    control = tags.get("EXT-X-SERVER-CONTROL")
    if playlist.kind != "media" or control is None or "EXT-X-SKIP" in tags:
        return None
    boundary = seconds_of(attribute_of(playlist, control, "CAN-SKIP-UNTIL"))
    if not boundary:
        return None
    segments, rest = _segments(playlist)
    distance, skipped = rest, len(segments)
    while skipped and distance < boundary:
        skipped -= 1
        distance += segments[skipped].seconds
    if not skipped:
        return None
    first, last = segments[0].first, segments[skipped - 1].last
    following = segments[skipped] if skipped < len(segments) else None
    return _Plan(
        skipped=skipped,
        lines=playlist.lines[first : last + 1],
        dateranges=attribute_of(playlist, control, "CAN-SKIP-DATERANGES") == "YES",
        carried=_carried(playlist, last),
        byterange=_explicit_byterange(playlist, segments[skipped - 1], following),
    )


def _segments(playlist: Playlist) -> tuple[list[_Segment], Decimal]:
    """The whole segments, and the seconds of the parts behind the last of them."""
    found: list[_Segment] = []
    first: int | None = None
    seconds, parts = Decimal(0), Decimal(0)
    for index, line in enumerate(playlist.lines):
        if line.role == "uri":
            found.append(
                _Segment(first=index if first is None else first, last=index, seconds=seconds)
            )
            first, seconds, parts = None, Decimal(0), Decimal(0)
        elif line.tag is not None and line.tag not in PLAYLIST_TAGS:
            first = index if first is None else first
            if line.tag == "EXTINF":
                seconds = seconds_of(playlist.value(line))
            elif line.tag == "EXT-X-PART":
                parts += seconds_of(attribute_of(playlist, line, "DURATION"))
    return found, parts


def _removals(playlist: Playlist, plan: _Plan, old_dateranges: frozenset[bytes]) -> list[Edit]:
    """Edits that take the skipped segments out; what belongs to the playlist stays where it is."""
    edits = []
    for line in plan.lines:
        if line.tag in PLAYLIST_TAGS:
            continue
        if (
            line.tag == "EXT-X-DATERANGE"
            and playlist.data[line.start : line.stop] not in old_dateranges
        ):
            continue
        edits.append(
            Edit(start=line.start, stop=line.end, text=b"", where="EXT-X-SKIP", why="skipped")
        )
    skipped = {line.start for line in plan.lines}
    edits += [
        Edit(start=line.start, stop=line.end, text=b"", where="EXT-X-DATERANGE", why="skipped")
        for line in playlist.tags("EXT-X-DATERANGE")
        if line.start not in skipped and playlist.data[line.start : line.stop] in old_dateranges
    ]
    return edits


def _carried(playlist: Playlist, last: int) -> tuple[str, ...]:
    """The tags up to a line that still apply behind it: said again, a player that joins the two reads the same."""
    in_force = NOTHING
    for line in playlist.lines[: last + 1]:
        if line.tag in CARRIED:
            said = playlist.data[line.start : line.stop]
            in_force = in_force.said(line.tag, said, playlist.limits.attributes)
    return tuple(decode(line) for line in said_again(NOTHING, in_force))


def _explicit_byterange(
    playlist: Playlist, before: _Segment, after: _Segment | None
) -> Edit | None:
    """An offset for the first segment behind the hole, if it continued the last skipped one (section 4.4.4.2)."""
    if after is None:
        return None
    line = _byterange(playlist, after)
    if line is None or "@" in playlist.value(line):
        return None
    ranges = [
        playlist.value(line)
        for line in playlist.lines[: before.last]
        if line.tag == "EXT-X-BYTERANGE"
    ]
    if not ranges:
        return None
    end = range_end(ranges)
    at = line.value_start + len(playlist.value(line).rstrip())
    return Edit(
        start=at,
        stop=at,
        text=f"@{end}".encode(),
        where="EXT-X-BYTERANGE",
        why="the segment it continues is skipped",
    )


def _byterange(playlist: Playlist, segment: _Segment) -> Line | None:
    lines = playlist.lines[segment.first : segment.last]
    return next((line for line in lines if line.tag == "EXT-X-BYTERANGE"), None)


def _raise_version(playlist: Playlist, version: int) -> list[Edit]:
    """RFC 8216bis section 8: EXT-X-SKIP needs version 9, with removed date ranges 10."""
    line = next(playlist.tags("EXT-X-VERSION"), None)
    text = f"#EXT-X-VERSION:{version}"
    if line is None:
        first = next(playlist.tags("EXTM3U"), None)
        return [] if first is None else [_line_after(playlist, first, text, "EXT-X-SKIP")]
    if whole_of(playlist.value(line)) >= version:
        return []
    return [
        Edit(
            start=line.start,
            stop=line.stop,
            text=text.encode(),
            where="EXT-X-VERSION",
            why="EXT-X-SKIP",
        )
    ]


def _line_after(playlist: Playlist, line: Line, text: str, why: str) -> Edit:
    end = _line_end(playlist)
    lead = b"" if line.end > line.stop else end
    tail = end if line.end > line.stop else b""
    return Edit(start=line.end, stop=line.end, text=lead + encode(text) + tail, where=text, why=why)


def _line_end(playlist: Playlist) -> bytes:
    first = playlist.lines[0]
    return playlist.data[first.stop : first.end] or b"\n"


def _decimal(value: Decimal) -> str:
    return f"{value.normalize():f}"
