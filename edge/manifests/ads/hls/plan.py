"""What becomes of the segments of one media playlist: decided elsewhere, carried out by ``cut``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple


class Hole(NamedTuple):
    """A run of segments that is taken out."""

    first: int  # index among the playlist's URIs
    last: int  # inclusive
    joined: bool  # whether one DISCONTINUITY stands where its two sides meet; False: none does


class Run(NamedTuple):
    """A run of segments that stays but is marked with EXT-X-GAP."""

    first: int
    last: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How a playlist is cut; the default changes nothing."""

    holes: tuple[Hole, ...] = ()  # in order, never touching one another
    gaps: tuple[Run, ...] = ()
    # Segments at the end that may not be listed yet, because the leading rendition has not come so far: they and the
    # parts behind them are left out, and nothing is said about what follows.
    held: int = 0
    media_sequence: int | None = (
        None  # the first listed segment's number; None: the header stays as it is
    )
    discontinuity_sequence: int | None = None
    # Whether the DISCONTINUITY before the first segment goes, of a window that has no hole at its head: the segment was
    # told of without one.
    bare: bool = False
    # Whether parts and the preload hint behind the last segment are ad material: left out, or marked GAP=YES.
    ad_tail: bool = False
    dateranges: frozenset[str] = (
        frozenset()
    )  # IDs of the date ranges that announced the breaks, to be dropped
    interstitials: frozenset[str] = frozenset()
    # For EXT-X-RENDITION-REPORT by its URI as it stands: (LAST-MSN, LAST-PART or None); None drops the report.
    reports: Mapping[str, tuple[int, int | None] | None] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        """Whether the playlist stays the same bytes."""
        return self == _NOTHING


_NOTHING = Plan()
