"""What edges must agree upon about the live windows of one group of renditions: small, versioned, JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Literal, NamedTuple, get_args

VERSION = 2
MAX_BYTES = 2**20
MAX_SPANS = 128  # of one rendition, and breaks of a group; beyond it ads are left in
MAX_RENDITIONS = 64
_MAX_NUMBER = 2**63
_MAX_TEXT = 4096
# What breaks are placed by: milliseconds of PROGRAM-DATE-TIME; without any, thousandths of a segment counted by
# EXT-X-MEDIA-SEQUENCE; or milliseconds since the first segment, in playlists that keep all of them.
Axis = Literal["pdt", "numbers", "elapsed"]


class Span(NamedTuple):
    """A removed run of the origin's segment numbers."""

    first: int
    last: int
    before: int  # discontinuity number given to the segment before it
    joined: (
        bool | None
    )  # whether a DISCONTINUITY stands at the join; None: nothing behind it was listed yet
    shift: (
        int | None
    )  # given minus origin's discontinuity number from there on; None: not known yet

    @property
    def size(self) -> int:
        """How many segments it is."""
        return self.last - self.first + 1


class Interval(NamedTuple):
    """A break as the leading rendition treated it, for the others to follow."""

    start: int  # on the group's axis
    end: int  # exclusive; of one that goes on: as far as decided
    gapped: bool  # marked, not removed
    joined: bool | None
    shift: int | None
    key: str
    rule: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendition:
    """Where the numbering of one media playlist stands; all numbers are the origin's unless "given"."""

    removed: int  # given number = number - removed, before the first span
    shift: int  # given discontinuity number = the origin's + shift, before the first span
    spans: tuple[Span, ...] = ()
    gaps: tuple[tuple[int, int], ...] = ()
    start: int  # the first number that this record has seen
    decided: (
        int  # the highest number whose fate is sealed: listed (or a part of it), marked or removed
    )
    head: tuple[int, int]  # first listed segment, its discontinuity number
    mark: tuple[int, int]  # last whole segment of the newest version, its discontinuity number
    drift: int = 0  # what the origin forgot to count in EXT-X-DISCONTINUITY-SEQUENCE
    # The highest EXT-X-MEDIA-SEQUENCE and EXT-X-DISCONTINUITY-SEQUENCE ever given out.
    floor: tuple[int, int]
    given: int  # discontinuity number given to the last segment that stays
    at: int | None = None  # where `mark` begins, PROGRAM-DATE-TIME in ms
    seen_ms: int = 0  # wall clock: when a version that is not behind was last seen
    run: int = 0  # how often its origin has begun anew: numbers of two runs have nothing to do with one another

    @property
    def next_given(self) -> int:
        """The number for the segment behind those decided, if it stays."""
        return self.decided + 1 - self.removed - sum(span.size for span in self.spans)


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The record of all renditions of one multivariant playlist under one set of rules."""

    epoch_ms: int  # when numbering began: nothing is known of earlier listings
    jumps: int = (
        0  # rises when numbers had to be moved forward, because edges had not known of one another
    )
    serial: int = 0  # rises with every change
    shift: int  # given minus origin's discontinuity number, before the first interval
    axis: Axis = "pdt"
    leader: str | None = None  # path of the rendition that decided so far
    until: int | None = None  # on the axis: where the leader's decisions end
    intervals: tuple[Interval, ...] = ()
    renditions: Mapping[str, Rendition] = field(default_factory=dict)

    @property
    def era(self) -> tuple[int, int]:
        """Within one, a name is one segment; between two, numbers only move forward."""
        return (self.epoch_ms, self.jumps)


def encode(group: Group) -> bytes:
    """The record as it is stored."""
    whole = {
        "v": VERSION,
        "e": [group.epoch_ms, group.jumps, group.serial, group.shift, group.until],
        "a": group.axis,
        "l": group.leader,
        "b": [list(interval) for interval in group.intervals],
        "r": {
            path: [
                *(rendition.removed, rendition.shift, rendition.start, rendition.decided),
                *(*rendition.head, *rendition.mark, rendition.drift, *rendition.floor),
                *(rendition.given, rendition.run, rendition.at, rendition.seen_ms),
                [list(span) for span in rendition.spans],
                [list(gap) for gap in rendition.gaps],
            ]
            for path, rendition in group.renditions.items()
        },
    }
    return json.dumps(whole, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "replace")


def decode(data: bytes | None) -> Group | None:
    """The stored record; None for none, for one of another version and for anything that is not one."""
    if not data or len(data) > MAX_BYTES:
        return None
    try:
        whole = json.loads(data)
        return _group(whole) if whole["v"] == VERSION else None
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
        return None


def _group(whole: Any) -> Group:
    epoch_ms, jumps, serial, shift, until = whole["e"]
    axis, leader, renditions = whole["a"], whole["l"], whole["r"]
    if (
        axis not in get_args(Axis)
        or len(whole["b"]) > MAX_SPANS
        or len(renditions) > MAX_RENDITIONS
    ):
        raise ValueError
    return Group(
        epoch_ms=_number(epoch_ms),
        jumps=_number(jumps),
        serial=_number(serial),
        shift=_number(shift),
        axis=axis,
        leader=None if leader is None else _text(leader),
        until=None if until is None else _number(until),
        intervals=tuple(_interval(*item) for item in whole["b"]),
        renditions={_text(path): _rendition(*item) for path, item in renditions.items()},
    )


def _rendition(*items: Any) -> Rendition:
    *numbers, run, at, seen_ms, spans, gaps = items
    removed, shift, start, decided, *pairs, given = map(_number, numbers)
    head, head_d, mark, mark_d, drift, floor, floor_d = pairs
    if len(spans) > MAX_SPANS or len(gaps) > MAX_SPANS:
        raise ValueError
    made = Rendition(
        removed=removed,
        shift=shift,
        spans=tuple(_span(*item) for item in spans),
        gaps=tuple((_number(first), _number(last)) for first, last in gaps),
        start=start,
        decided=decided,
        head=(head, head_d),
        mark=(mark, mark_d),
        drift=drift,
        floor=(floor, floor_d),
        given=given,
        at=None if at is None else _number(at),
        seen_ms=_number(seen_ms),
        run=_number(run),
    )
    _check_order([(span.first, span.last) for span in made.spans], decided)
    _check_order(made.gaps, decided)
    # Only of the last one it may be open how it ends.
    if any(span.joined is None or span.shift is None for span in made.spans[:-1]):
        raise ValueError
    return made


def _check_order(runs: Any, decided: int) -> None:
    if any(last < first or last > decided for first, last in runs):
        raise ValueError
    if any(one[1] >= other[0] for one, other in pairwise(runs)):
        raise ValueError


def _span(first: Any, last: Any, before: Any, joined: Any, shift: Any) -> Span:
    return Span(_number(first), _number(last), _number(before), _flag(joined), _maybe(shift))


def _interval(
    start: Any, end: Any, gapped: Any, joined: Any, shift: Any, key: Any, rule: Any
) -> Interval:
    return Interval(
        _number(start),
        _number(end),
        bool(_flag(gapped)),
        _flag(joined),
        _maybe(shift),
        _text(key),
        _text(rule),
    )


def _number(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > _MAX_NUMBER:
        raise TypeError
    return value


def _maybe(value: Any) -> int | None:
    return None if value is None else _number(value)


def _flag(value: Any) -> bool | None:
    if value is not None and not isinstance(value, bool):
        raise TypeError
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str) or len(value) > _MAX_TEXT:
        raise TypeError
    return value
