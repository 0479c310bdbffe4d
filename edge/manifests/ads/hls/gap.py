"""Breaks that stay in the playlist, marked so that players fetch nothing of them (RFC 8216bis section 4.4.4.7)."""

from __future__ import annotations

from edge.manifests.ads.hls.outline import Outline
from edge.manifests.ads.hls.plan import Plan, Run
from edge.manifests.ads.hls.segments import Tag
from edge.manifests.ads.hls.splices import Splices

_GAP = b"#EXT-X-GAP"
_WHY = "an ad break"
_AHEAD = frozenset({"EXT-X-PRELOAD-HINT", "EXT-X-PREFETCH", "EXT-X-TWITCH-PREFETCH"})


def mark(outline: Outline, plan: Plan, splices: Splices) -> bool:
    """Mark the plan's runs, and the parts behind the last segment if they go on; whether anything was."""
    marked = False
    for run in plan.gaps:
        last = min(run.last, outline.listed - 1)
        marked = _mark_run(outline, Run(run.first, last), splices) or marked
    if outline.tail_gaps:
        start, stop = outline.segments.tail
        for tag in outline.segments.tags_between(start, stop, "EXT-X-PART", *_AHEAD):
            if tag.name in _AHEAD:
                splices.remove(tag, why=_WHY)
            else:
                marked = _mark_part(outline, tag, splices) or marked
    return marked


def _mark_run(outline: Outline, run: Run, splices: Splices) -> bool:
    segments, marked = outline.segments, False
    if run.first > run.last:
        return False
    start, stop = segments.block(run.first)[0], segments.block(run.last)[1]
    places: dict[int, int | None] = {}
    for tag in segments.tags_between(start, stop, "EXTINF", "EXT-X-GAP", "EXT-X-PART"):
        if tag.name == "EXT-X-PART":
            marked = _mark_part(outline, tag, splices) or marked
        elif tag.name == "EXT-X-GAP":
            places[tag.at] = None
        else:
            places.setdefault(tag.at, tag.start)
    for index in range(run.first, run.last + 1):
        at = places[index] if index in places else segments.block(index)[0]
        if at is not None:
            splices.line_again(at, _GAP, where=f"segments {run.first} to {run.last}", why=_WHY)
            marked = True
    return marked


def _mark_part(outline: Outline, tag: Tag, splices: Splices) -> bool:
    known = outline.segments.attributes(tag).get("GAP")
    if known is None:
        splices.attribute(tag, b"GAP=YES", why=_WHY)
    elif known.value != "YES":
        splices.replace(known.start, known.stop, b"YES", where=tag.name, why=_WHY)
    else:
        return False
    return True
