"""A plan laid over a playlist: what is listed, under which number, and where the two sides of a hole meet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from edge.manifests.ads.hls.plan import Hole, Plan
from edge.manifests.ads.hls.segments import Segments, Tag
from edge.manifests.hls.blocking import whole_of
from edge.manifests.hls.carry import CARRIED

CUES = (
    "EXT-OATCLS-SCTE35",
    "EXT-SCTE35",
    "EXT-X-CUE",
    "EXT-X-CUE-IN",
    "EXT-X-CUE-OUT",
    "EXT-X-CUE-OUT-CONT",
    "EXT-X-CUE-SPAN",
    "EXT-X-SCTE35",
    "EXT-X-SPLICEPOINT-SCTE35",
)
_OF_A_JOIN = (
    "EXT-X-BYTERANGE",
    "EXT-X-DISCONTINUITY",
    "EXT-X-PART",
    "EXT-X-PROGRAM-DATE-TIME",
    *CARRIED,
)
# What a player fetches though it stands behind the last URI.
_AHEAD = ("EXT-X-PART", "EXT-X-PRELOAD-HINT", "EXT-X-PREFETCH", "EXT-X-TWITCH-PREFETCH")


class Block(NamedTuple):
    """The lines of one segment, or behind the last one, that stay."""

    at: int
    start: int
    stop: int


class Join(NamedTuple):
    """A hole, and what a player reads next behind it, with the tags there that say something about media."""

    hole: Hole
    block: Block
    tags: Sequence[Tag]

    def first(self, name: str) -> Tag | None:
        """The first of the block's own tags with this name."""
        for tag in self.tags:
            if tag.name == name:
                return tag
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """What stays of a playlist."""

    segments: Segments
    holes: tuple[Hole, ...]
    listed: int  # segments from here on are held
    tail_goes: bool
    tail_gaps: bool
    has_tail: bool  # something behind the last URI that is fetched, and stays
    first: int  # the origin's number of the first segment
    first_listed: int  # the number under which the first listed one goes

    @property
    def renumbers(self) -> bool:
        """Whether any segment has another number than at the origin."""
        return bool(self.holes) or self.first != self.first_listed

    def block(self, position: int) -> Block:
        """The lines of a segment; those behind the last one for the number of segments."""
        segments = self.segments
        if position < len(segments):
            return Block(position, segments.start(position), segments.start(position + 1))
        return Block(position, *segments.tail)

    def starts(self, positions: Iterable[int]) -> Iterator[int]:
        """Where the lines of many segments begin."""
        data, uris = self.segments.data, self.segments.uri_starts
        has_carriage_returns = b"\r" in data
        for position in positions:
            if position == 0 or has_carriage_returns:
                yield self.block(position).start
            else:
                stop = data.find(b"\n", uris[position - 1])
                yield len(data) if stop < 0 else stop + 1

    def joins(self) -> Iterator[Join]:
        """Every hole behind which anything is left to read."""
        for hole in self.holes:
            behind = hole.last + 1
            if behind < self.listed or (behind == len(self.segments) and self.has_tail):
                block = self.block(behind)
                tags = self.segments.tags_between(block.start, block.stop, *_OF_A_JOIN)
                yield Join(hole, block, list(tags))

    def kept(self) -> Iterator[int]:
        """What stays, in order, with the lines behind the last segment if a player fetches anything there."""
        position = 0
        for hole in self.holes:
            yield from range(position, hole.first)
            position = hole.last + 1
        yield from range(position, self.listed)
        if self.has_tail:
            yield len(self.segments)


def outline(segments: Segments, plan: Plan) -> Outline:
    """The plan in the terms of this playlist."""
    total = len(segments)
    listed = total - min(plan.held, total)
    headers = list(segments.tags("EXT-X-MEDIA-SEQUENCE"))
    number = whole_of(segments.value(headers[-1])) if headers else 0
    skipped = segments.skipped
    # Parts are marked where a gap goes on, or begins, behind the last segment; where they would be cut out later,
    # other media will have their names, so they must not be seen at all.
    marks = bool(plan.gaps) and plan.gaps[-1].last >= total - 1 and not _moves(plan)
    tail_goes = listed < total or (plan.ad_tail and not marks)
    return Outline(
        segments=segments,
        holes=tuple(
            hole if hole.last < listed else hole._replace(last=listed - 1)
            for hole in plan.holes
            if hole.first < listed
        ),
        listed=listed,
        tail_goes=tail_goes,
        tail_gaps=plan.ad_tail and not tail_goes,
        has_tail=not tail_goes and any(segments.tags_between(*segments.tail, *_AHEAD)),
        first=number + skipped,
        first_listed=(number if plan.media_sequence is None else plan.media_sequence) + skipped,
    )


def _moves(plan: Plan) -> bool:
    """Whether anything goes by other numbers than at the origin, and so may what follows."""
    return bool(plan.holes) or (plan.media_sequence, plan.discontinuity_sequence) != (None, None)
