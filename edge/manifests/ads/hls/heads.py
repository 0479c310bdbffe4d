"""What a playlist says about all of itself: its numbers, its version, where to start, and how far others have come."""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal
from itertools import chain

from edge.manifests.ads.hls.outline import Outline
from edge.manifests.ads.hls.plan import Plan
from edge.manifests.ads.hls.segments import Segments, Tag
from edge.manifests.ads.hls.splices import Splices
from edge.manifests.hls.attributes import removed, replaced
from edge.manifests.hls.blocking import whole_of
from edge.manifests.hls.scan import Line, Playlist

_SEQUENCES = ("EXT-X-MEDIA-SEQUENCE", "EXT-X-DISCONTINUITY-SEQUENCE")
_ANCHORS = ("EXTM3U", "EXT-X-VERSION", "EXT-X-TARGETDURATION", "EXT-X-MEDIA-SEQUENCE")
_OFFSET = re.compile(r"(-?)([0-9]{1,12}(?:\.[0-9]{1,12})?)\Z")
_WHY = "numbers of what is left"


def number(outline: Outline, plan: Plan, splices: Splices) -> None:
    """Write the plan's numbers over those that are there, or in front of the first segment; 0 needs no saying."""
    segments = outline.segments
    wanted = dict(zip(_SEQUENCES, (plan.media_sequence, plan.discontinuity_sequence), strict=True))
    missing = {name: value for name, value in wanted.items() if value is not None}
    for tag in chain.from_iterable(segments.tags(name) for name in _SEQUENCES):
        value = wanted[tag.name]
        missing.pop(tag.name, None)
        if value is not None and whole_of(segments.value(tag)) != value:
            text = f"#{tag.name}:{value}".encode()
            splices.replace(tag.start, tag.stop, text, where=tag.name, why=_WHY)
    lines = [f"#{name}:{value}".encode() for name, value in missing.items() if value]
    if lines:
        splices.lines(_anchor(segments, splices), lines, where="the head", why=_WHY, leads=True)


def raise_version(outline: Outline, version: int, splices: Splices) -> None:
    """At least the version that the tags written need (RFC 8216bis section 8); never a lower one."""
    text = f"#EXT-X-VERSION:{version}".encode()
    segments, tag = outline.segments, outline.segments.first("EXT-X-VERSION")
    why = "a tag of that version"
    if tag is not None:
        if whole_of(segments.value(tag)) < version:
            splices.replace(tag.start, tag.stop, text, where=tag.name, why=why)
    elif version > 1:
        first = segments.first("EXTM3U")
        at = segments.begin if first is None else splices.line_stop(first)
        splices.lines(at, [text], where="the head", why=why, leads=True)


def start(outline: Outline, splices: Splices) -> None:
    """Where EXT-X-START leads stays where it led: what goes on the way there is not counted (section 4.4.2.2)."""
    segments = outline.segments
    tag = segments.first("EXT-X-START")
    offset = None if tag is None else segments.attributes(tag).get("TIME-OFFSET")
    match = None if offset is None else _OFFSET.match(offset.value.strip())
    if offset is None or match is None or not outline.holes:
        return
    lengths = segments.all_seconds()
    gone = {place for hole in outline.holes for place in range(hole.first, hole.last + 1)}
    places: Iterable[int] = range(len(lengths))
    if match[1]:
        places = reversed(range(len(lengths)))
    seconds = left = Decimal(match[2])
    for place in places:
        if left <= 0:
            break
        if place in gone:
            seconds -= min(left, lengths[place])
        left -= lengths[place]
    # All of the end went: no offset would be the playlist's beginning.
    if seconds != Decimal(match[2]) and not (match[1] and seconds <= 0):
        text = f"{match[1]}{seconds.normalize():f}".encode()
        splices.replace(offset.start, offset.stop, text, where="EXT-X-START", why=_WHY)


def reports(outline: Outline, plan: Plan, splices: Splices) -> None:
    """How far other renditions have come, in their new numbers (section 4.4.5.4)."""
    if not plan.reports:
        return
    segments = outline.segments
    playlist = Playlist(data=segments.data, kind="media", lines=(), limits=segments.limits)
    for tag in segments.tags("EXT-X-RENDITION-REPORT"):
        uri = segments.attributes(tag).get("URI")
        if uri is None or uri.value not in plan.reports:
            continue
        known = plan.reports[uri.value]
        if known is None:
            splices.remove(tag, why=_WHY)
            continue
        line = Line("tag", tag.start, tag.stop, tag.stop, tag.name, tag.value_start, tag.stop)
        msn, part = known
        edits = [*replaced(playlist, line, "LAST-MSN", str(msn), where=tag.name, why=_WHY)]
        if part is None:
            edits += removed(playlist, line, ("LAST-PART",), where=tag.name, why=_WHY)
        else:
            edits += replaced(playlist, line, "LAST-PART", str(part), where=tag.name, why=_WHY)
        for edit in edits:
            splices.replace(edit.start, edit.stop, edit.text, where=edit.where, why=edit.why)


def _anchor(segments: Segments, splices: Splices) -> int:
    """Behind the last of the head's own lines that stands before everything of a segment."""
    at = segments.begin
    found: Tag
    for found in segments.tags_between(segments.begin, segments.head_end, *_ANCHORS):
        at = splices.line_stop(found)
    return at
