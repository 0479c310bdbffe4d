"""Breaks are taken out of a media playlist: as few edits as can be, everything else byte for byte.

What is left means for every segment what it meant before (RFC 8216bis): key and vector, map, byte range, bitrate, date.
"""

from __future__ import annotations

from edge.manifests.ads.hls import cues, gap, heads, interstitials
from edge.manifests.ads.hls.dates import Clock
from edge.manifests.ads.hls.outline import Join, Outline, outline
from edge.manifests.ads.hls.plan import Plan
from edge.manifests.ads.hls.segments import Segments, Tag
from edge.manifests.ads.hls.splices import Splices
from edge.manifests.ads.hls.state import Ranges, State
from edge.manifests.ads.hls.vectors import Vectors
from edge.manifests.edits import Edit
from edge.manifests.hls.carry import PLAYLIST_TAGS

_WHY = "an ad break"
_STAYS = (
    *sorted(PLAYLIST_TAGS),
    "EXT-X-SKIP",
    "EXT-X-DATERANGE",
    # Of vendors, in the head behind tags that are the first segment's
    "EXT-X-TWITCH-ELAPSED-SECS",
    "EXT-X-TWITCH-LIVE-SEQUENCE",
    "EXT-X-TWITCH-TOTAL-SECS",
    "ID3-EQUIV-TDTG",
)
_AT_THE_END = frozenset({"EXT-X-PRELOAD-HINT"})
_ENDS = frozenset({"EXT-X-ENDLIST"})
_DISCONTINUITY = b"#EXT-X-DISCONTINUITY"


def cut(data: bytes, segments: Segments, plan: Plan) -> tuple[Edit, ...]:
    """The edits that carry a plan out; none for a plan that changes nothing."""
    if plan.is_empty:
        return ()
    if data is not segments.data:
        raise ValueError("segments of another playlist")
    return _Cut(segments, plan).edits()


class _Cut:
    def __init__(self, segments: Segments, plan: Plan) -> None:
        self._segments = segments
        self._plan = plan
        self._outline: Outline = outline(segments, plan)
        self._splices = Splices(segments)
        self._dateranges = interstitials.dropped(segments, plan)

    def edits(self) -> tuple[Edit, ...]:
        plan, laid, splices = self._plan, self._outline, self._splices
        self._remove()
        vectors = Vectors(laid)
        self._join(vectors)
        vectors.write(splices)
        for tag in self._dateranges:
            splices.remove(tag, why="it announced an ad break")
        cues.remove(laid, splices)
        if plan.discontinuity_sequence is not None or plan.bare:
            self._single_discontinuities()
        marked = gap.mark(laid, plan, splices)
        heads.number(laid, plan, splices)
        heads.raise_version(laid, 8 if marked else 2 if vectors.written else 1, splices)
        heads.start(laid, splices)
        heads.reports(laid, plan, splices)
        return splices.edits()

    def _remove(self) -> None:
        """Clear what goes, in the playlist's order."""
        segments, laid = self._segments, self._outline
        for hole in laid.holes:
            start, stop = segments.start(hole.first), segments.start(hole.last + 1)
            where = f"segments {hole.first} to {hole.last}"
            self._splices.clear(start, stop, self._stays(start, stop), where=where, why=_WHY)
        if laid.tail_goes:
            held = laid.listed < len(segments)
            start = laid.block(laid.listed).start
            stop = len(segments.data)
            goes = _AT_THE_END | _ENDS if held else _AT_THE_END
            kept = [tag for tag in self._stays(start, stop) if tag.name not in goes]
            why = "the leading rendition has not come so far" if held else _WHY
            self._splices.clear(start, stop, kept, where="the end", why=why)

    def _stays(self, start: int, stop: int) -> list[Tag]:
        """The tags in a hole that are the playlist's."""
        found = self._segments.tags_between(start, stop, *_STAYS)
        if not self._dateranges:
            return list(found)
        dropped = {tag.start for tag in self._dateranges}
        return [tag for tag in found if tag.start not in dropped]

    def _join(self, vectors: Vectors) -> None:
        segments, splices = self._segments, self._splices
        state, ranges, clock = State(segments), Ranges(segments), Clock(segments)
        for join in self._outline.joins():
            block = join.block
            lines = [
                *self._discontinuity(join),
                *vectors.carried(block, state.carried(join)),
                *clock.behind(join),
            ]
            if lines:
                splices.lines(block.start, lines, where=f"segment {block.at}", why="a join")
            ranges.make_explicit(join, splices)
        lines = clock.ahead(self._outline)
        if lines:
            start = self._outline.block(0).start
            splices.lines(start, lines, where="segment 0", why="the first date is behind a hole")

    def _discontinuity(self, join: Join) -> list[bytes]:
        """One where the plan has one, none where it has none (RFC 8216bis section 4.4.4.3)."""
        found = [tag for tag in join.tags if tag.name == "EXT-X-DISCONTINUITY"]
        for tag in found[1 if join.hole.joined else 0 :]:
            self._splices.remove(tag, why="a join")
        return [_DISCONTINUITY] if join.hole.joined and not found else []

    def _single_discontinuities(self) -> None:
        """Of several before one segment players count each; the plan's numbers count one, or at a bare head none."""
        behind = {hole.last + 1 for hole in self._outline.holes}
        last = 0 if self._plan.bare else -1
        for tag in self._segments.tags("EXT-X-DISCONTINUITY"):
            if tag.at == last and tag.at not in behind:
                self._splices.remove(tag, why="said twice")
            last = tag.at
